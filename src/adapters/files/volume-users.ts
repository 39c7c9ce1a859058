import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessGone } from './atomic-file.ts'
import type { Proc } from './proc.ts'

/** Where else than in /proc users of a volume show. */
export type VolumeUserPlaces = {
  readonly proc: Proc
  /** libvirt's status files, one per running domain, with the disks it has now. */
  readonly libvirtRunDir: string
  /** Devices of the kernel's RBD client. */
  readonly rbdDevicesDir: string
}

/** Stands for the kernel among the pids: the volume is mapped as a block device of this machine. */
export const KERNEL_PID = 0

/**
 * Pids that may have a client of `pool/volume` open. A disk that was plugged into a running guest is not among QEMU's
 * arguments, so libvirt's status files are read as well.
 */
export async function findVolumeUsers(places: VolumeUserPlaces, volume: string): Promise<readonly number[]> {
  const [processes, domains, isMapped] = await Promise.all([
    places.proc.rbdProcesses(volume),
    domainsWith(places, volume),
    isMappedByKernel(places.rbdDevicesDir, volume),
  ])
  return [...new Set([...processes, ...domains, ...(isMapped ? [KERNEL_PID] : [])])].sort((a, b) => a - b)
}

async function domainsWith({ proc, libvirtRunDir }: VolumeUserPlaces, volume: string): Promise<readonly number[]> {
  const names = (await unlessGone(readdir(libvirtRunDir))) ?? []
  const statuses = await Promise.all(
    names
      .filter((name) => name.endsWith('.xml'))
      .map((name) => unlessGone(readFile(join(libvirtRunDir, name), 'utf8'))),
  )
  const pids = statuses.flatMap((status) => (status === undefined ? [] : pidOfUser(status, volume)))
  const alive = await Promise.all(pids.map((pid) => proc.isAlive(pid)))
  return pids.filter((_, index) => alive[index])
}

/** libvirt's own output: one element a line, values in single quotes. */
function pidOfUser(status: string, volume: string): readonly number[] {
  const pid = /<domstatus[^>]*\bpid='(\d+)'/.exec(status)?.[1]
  const sources = [...status.matchAll(/<source protocol='rbd' name='([^']+)'/g)].map((match) => match[1])
  return pid !== undefined && sources.includes(volume) ? [Number(pid)] : []
}

async function isMappedByKernel(devicesDir: string, volume: string): Promise<boolean> {
  const devices = (await unlessGone(readdir(devicesDir))) ?? []
  const mapped = await Promise.all(
    devices.map(async (device) => {
      const read = async (name: string) => (await unlessGone(readFile(join(devicesDir, device, name), 'utf8')))?.trim()
      return `${await read('pool')}/${await read('name')}`
    }),
  )
  return mapped.includes(volume)
}
