/** What is kept of a failed lab. */
import { cpSync, existsSync, lstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { cacheDir } from './plan.ts'

/** A folder for what is kept of a failed lab, in the checkout's cache. */
export function failureDir(name: string): string {
  const when = new Date().toISOString().replace(/[:.]/g, '-')
  return join(cacheDir, 'lab-failures', `${name}-${when}`)
}

/** Copies logs and settings of a lab: named kinds of files only, so that no key, token or disk is ever among them. */
export function collect(dir: string, target: string): void {
  const wanted = /\/log\/|\/(ceph\.conf|pvc\.yaml|zoo\.cfg|boot\.sh|run|lab\.json|dhcp\.leases|boot_id)$/
  const large = /\/(osd|mon|mgr)\.[^/]+$|\/var$|\/secrets$/
  const filter = (file: string): boolean => {
    const kind = lstatSync(file)
    return kind.isDirectory() ? !large.test(file) : kind.isFile() && wanted.test(file)
  }
  mkdirSync(target, { recursive: true })
  for (const part of ['root', 'hosts', 'ceph', 'lab.json']) {
    const from = join(dir, part)
    if (existsSync(from)) cpSync(from, join(target, part), { recursive: true, filter })
  }
}
