/** The machine as packaging set it up. */
import { readFile } from 'node:fs/promises'
import type { Host } from '../../ports/host.ts'
import { readCephKey } from '../ceph/keyring.ts'

export type HostOptions = {
  readonly guestKeyring: string
  readonly guestUser: string
  /** The start hook as this release ships it. */
  readonly shippedHook: string
  readonly installedHook?: string
  readonly machineIdFile?: string
}

/** Reads the machine's own files; each call reads anew, because an operator may just have repaired one. */
export function createHost(options: HostOptions): Host {
  const installed = options.installedHook ?? '/etc/libvirt/hooks/qemu'
  return {
    async machineId() {
      const text = await readIfThere(options.machineIdFile ?? '/etc/machine-id')
      const id = text?.trim()
      return id === undefined || !/^[0-9a-f]{32}$/.test(id) ? undefined : id
    },
    guestKey: () => readCephKey(options.guestKeyring, options.guestUser),
    async startHookProblem() {
      const [shipped, present] = await Promise.all([readFile(options.shippedHook, 'utf8'), readIfThere(installed)])
      if (present === shipped) return undefined
      const what = present === undefined ? 'is missing' : 'is not the one of this release'
      return `libvirt's start hook ${installed} ${what}: copy ${options.shippedHook} there (mode 0755) and restart libvirtd once. Running VMs are not disturbed.`
    },
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
