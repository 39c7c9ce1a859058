import { readFileSync } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { shareNext } from '../../base/share-next.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { HostSample } from '../../ports/files.ts'
import { isErrno, unlessGone } from './atomic-file.ts'
import { namesVolume, qemuUuid } from './command-line.ts'
import { readNetDevices } from './net-devices.ts'

/**
 * Looks at /proc. Processes come and go while we look: one that vanishes is skipped. Only processes of our own PID
 * namespace are seen, which are all of a host's.
 */
export type Proc = {
  bootId(): Promise<string>
  hostSample(): Promise<HostSample>
  qemuProcesses(): Promise<ReadonlyMap<VmUuid, number>>
  /** True while `pid` is a QEMU of this VM; synchronous, so that a signal can follow without a gap. */
  isQemuOf(pid: number, uuid: VmUuid): boolean
  /** Processes with librbd loaded whose arguments name `pool/volume`. */
  rbdProcesses(volume: string): Promise<readonly number[]>
  isAlive(pid: number): Promise<boolean>
}

/** @param root `/proc`, or a copy of it in tests. @param devices `/sys/class/net`, the same. */
export function createProc(root: string, devices: string): Proc {
  const args = async (pid: number) => {
    const text = await unlessGone(readSmall(join(root, String(pid), 'cmdline')))
    return text === undefined ? [] : splitArgs(text)
  }
  // A look at every process of the machine; many VMs that start at once ask for it at the same time.
  const processes = shareNext(async () => {
    const names = await readdir(root)
    const pids = names.filter((name) => /^\d+$/.test(name)).map(Number)
    return Promise.all(pids.map(async (pid) => ({ pid, args: await args(pid) })))
  })
  return {
    async bootId() {
      return (await readFile(join(root, 'sys/kernel/random/boot_id'), 'utf8')).trim()
    },
    async hostSample() {
      const [loadavg, meminfo, network] = await Promise.all([
        readFile(join(root, 'loadavg'), 'utf8'),
        readFile(join(root, 'meminfo'), 'utf8'),
        readNetDevices(devices, join(root, 'net/dev')),
      ])
      return { ...parseHostSample(loadavg, meminfo), ...network }
    },
    async qemuProcesses() {
      const found = new Map<VmUuid, number>()
      for (const process of await processes()) {
        const uuid = qemuUuid(process.args)
        if (uuid !== undefined) found.set(uuid, process.pid)
      }
      return found
    },
    isQemuOf(pid, uuid) {
      try {
        return qemuUuid(splitArgs(readFileSync(join(root, String(pid), 'cmdline'), 'utf8'))) === uuid
      } catch (error) {
        if (isErrno(error, 'ENOENT', 'ESRCH')) return false
        throw error
      }
    },
    async rbdProcesses(volume) {
      const named = (await processes()).filter((process) => namesVolume(process.args, volume))
      const users = await Promise.all(named.map(async ({ pid }) => ((await hasLibrbd(root, pid)) ? [pid] : [])))
      return users.flat()
    },
    async isAlive(pid) {
      return (await args(pid)).length > 0
    },
  }
}

/** For files of /proc, which tell no size: `readFile` would take 64 KiB for each of them, and there are hundreds. */
async function readSmall(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const chunks: Buffer[] = []
    for (;;) {
      const buffer = Buffer.allocUnsafe(2048)
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
      if (bytesRead === 0) return Buffer.concat(chunks).toString('utf8')
      chunks.push(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

/** A zombie has no arguments any more, so it counts as gone. */
function splitArgs(cmdline: string): readonly string[] {
  return cmdline === '' ? [] : cmdline.replace(/\0$/, '').split('\0')
}

async function hasLibrbd(root: string, pid: number): Promise<boolean> {
  try {
    const maps = await unlessGone(readFile(join(root, String(pid), 'maps'), 'utf8'))
    // QEMU loads librbd through its block driver module, so either name shows it.
    return maps !== undefined && /librbd\.so|block-rbd\.so/.test(maps)
  } catch (error) {
    // Not allowed to look: it names the volume, so it counts as a user. Breaking a living client's lock is the worse error.
    if (isErrno(error, 'EACCES', 'EPERM')) return true
    throw error
  }
}

/** `/proc/loadavg` and `/proc/meminfo`. Memory the kernel can give back at once (caches) counts as free. */
export function parseHostSample(loadavg: string, meminfo: string): Omit<HostSample, 'bridges' | 'interfaces'> {
  const kiB = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? Number.NaN)
  const total = kiB('MemTotal')
  const available = kiB('MemAvailable')
  const load1 = Number.parseFloat(loadavg)
  if (![total, available, load1].every(Number.isFinite)) throw new Error('loadavg or meminfo has an unknown format')
  return {
    load1,
    memoryUsedMiB: Math.round((total - available) / 1024),
    memoryFreeMiB: Math.round(available / 1024),
  }
}
