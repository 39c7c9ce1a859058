/** A root folder with what systemd and Debian bring, so that our units can be checked in it without either. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Where packages put units. */
export const unitFolder = 'usr/lib/systemd/system'

/** Units of Debian that we change by drop-ins, reduced to what a drop-in needs to be complete. */
export const debianUnits: Readonly<Record<string, string>> = {
  'libvirtd.service': '[Service]\nType=notify\nExecStart=/usr/sbin/libvirtd $LIBVIRTD_ARGS\n',
  'zookeeper.service': '[Service]\nType=forking\nExecStart=/etc/init.d/zookeeper start\n',
}

/** Targets that every systemd has, and that every service depends on without naming them. */
const targets = ['sysinit', 'basic', 'shutdown', 'network-online', 'multi-user']
const programs = ['usr/bin/node', 'usr/bin/java', 'usr/sbin/libvirtd', 'etc/init.d/zookeeper']
/** Our own programs that units start without an interpreter. */
const ownPrograms = ['usr/lib/pvc/native/guard/build/pvc-guard']

/** Writes Debian's units and the programs that units name into `root`. */
export function plantDebian(root: string): void {
  const put = (file: string, text: string, mode: number): void => {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text, { mode })
  }
  for (const [name, text] of Object.entries(debianUnits)) put(`${unitFolder}/${name}`, text, 0o644)
  for (const name of targets) put(`${unitFolder}/${name}.target`, `[Unit]\nDescription=${name}\n`, 0o644)
  for (const program of [...programs, ...ownPrograms]) put(program, '', 0o755)
}

/** What systemd-analyze says about units in `root`; empty when all is well. */
export function verifyUnits(root: string, units: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(
    'systemd-analyze',
    ['verify', '--man=no', `--root=${root}`, ...units, ...Object.keys(debianUnits)],
    { encoding: 'utf8', timeout: 20_000 },
  )
  if (error !== undefined) throw error
  // Unknown settings are only warnings to it: anything it says counts.
  return `${stdout}${stderr}${status === 0 ? '' : `exit ${status}`}`
}
