import { readdir, readFile, rm } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { formatIncoming, formatPermit, parseIncoming, parsePermit } from '../../model/domain-mark.ts'
import { PvcError } from '../../model/errors.ts'
import { BootId, LifeId, VmUuid } from '../../model/ids.ts'
import type { NodeFiles } from '../../ports/files.ts'
import { pidfdKill, processStartTicks, waitProcessExit } from '../libvirt/system.ts'
import { unlessGone, writeFileAtomic } from './atomic-file.ts'
import { isOver, untilOver } from './exit.ts'
import { createProc } from './proc.ts'
import { readLatestEnd } from './qemu-log.ts'
import { findVolumeUsers } from './volume-users.ts'

export type NodeFilesOptions = {
  /** `/run/pvc`: kept over restarts of the daemon, gone at boot. */
  readonly runDir: string
  /** `/var/lib/pvc`: kept over boots. */
  readonly stateDir: string
  readonly procDir?: string
  /** Default /sys/class/net. */
  readonly deviceDir?: string
  readonly libvirtRunDir?: string
  /** Default /var/log/libvirt/qemu. */
  readonly libvirtLogDir?: string
  readonly rbdDevicesDir?: string
  /** System calls that hold on to one process; default: the native ones. */
  readonly processHandle?: ProcessHandle
  /** The kernel ends a killed process within this time, unless it hangs in the kernel itself. Default 5 s. */
  readonly killMs?: number
}

/** A process by pid and start time, so that a signal never reaches another one with the same pid. */
export type ProcessHandle = {
  startTicks(pid: number): number | undefined
  /** Through a pidfd. @returns false when that process is gone */
  signal(pid: number, startTicks: number, signal: 'SIGTERM' | 'SIGKILL'): boolean
  /** @returns true when it is gone, false when it still lives after `timeoutMs` */
  waitExit(pid: number, startTicks: number, timeoutMs: number): Promise<boolean>
}

const LifeFile = z.object({ bootId: BootId, life: LifeId })
const SeqsFile = z.record(VmUuid, z.number().int().nonnegative())

/** The node's own files and what /proc shows of this machine. */
export function createNodeFiles(options: NodeFilesOptions): NodeFiles {
  const procDir = options.procDir ?? '/proc'
  const proc = createProc(procDir, options.deviceDir ?? '/sys/class/net')
  const places = {
    proc,
    libvirtRunDir: options.libvirtRunDir ?? '/run/libvirt/qemu',
    rbdDevicesDir: options.rbdDevicesDir ?? '/sys/bus/rbd/devices',
  }
  const handle = options.processHandle ?? nativeHandle
  const lifePath = join(options.runDir, 'life')
  const permitDir = join(options.runDir, 'permit')
  const incomingDir = join(options.runDir, 'incoming')
  const seqsPath = join(options.stateDir, 'seqs.json')

  return {
    async bootId() {
      return BootId.parse(await proc.bootId())
    },
    async readLife(bootId) {
      const text = await unlessGone(readFile(lifePath, 'utf8'))
      if (text === undefined) return undefined
      const kept = LifeFile.parse(JSON.parse(text))
      // /run outlives a boot only by mistake; a life must not.
      return kept.bootId === bootId ? kept.life : undefined
    },
    async writeLife(bootId, life) {
      await writeFileAtomic(lifePath, `${JSON.stringify({ bootId, life })}\n`, false)
    },
    permits: () => readAll(permitDir, parsePermit),
    permit: (uuid) => readOne(permitDir, uuid, parsePermit),
    async writePermit(uuid, mark) {
      await writeFileAtomic(join(permitDir, uuid), formatPermit(mark), false)
    },
    async removePermit(uuid) {
      await rm(join(permitDir, uuid), { force: true })
    },
    incoming: (uuid) => readOne(incomingDir, uuid, parseIncoming),
    incomings: () => readAll(incomingDir, parseIncoming),
    async writeIncoming(uuid, migrationId) {
      await writeFileAtomic(join(incomingDir, uuid), formatIncoming(migrationId), false)
    },
    async removeIncoming(uuid) {
      await rm(join(incomingDir, uuid), { force: true })
    },
    async endQemu(uuid, pid, graceMs) {
      const startTicks = handle.startTicks(pid)
      if (startTicks === undefined || !proc.isQemuOf(pid, uuid)) return 'ended'
      return endProcess({ handle, procDir, pid, startTicks, killMs: options.killMs ?? 5000 }, graceMs)
    },
    qemuProcesses: () => proc.qemuProcesses(),
    async killQemu(uuid, pid) {
      const startTicks = handle.startTicks(pid)
      if (startTicks !== undefined && proc.isQemuOf(pid, uuid)) handle.signal(pid, startTicks, 'SIGKILL')
    },
    latestEnd: (name) => readLatestEnd(options.libvirtLogDir ?? '/var/log/libvirt/qemu', name),
    volumeUsers: (volume) => findVolumeUsers(places, volume),
    hostSample: () => proc.hostSample(),
    async readSeqs() {
      const text = await unlessGone(readFile(seqsPath, 'utf8'))
      if (text === undefined) return new Map()
      try {
        return seqsOf(JSON.parse(text))
      } catch (cause) {
        throw new Error(`${seqsPath} is damaged; it guards against a rolled-back store and must not be ignored`, {
          cause,
        })
      }
    },
    async writeSeqs(seqs) {
      await writeFileAtomic(seqsPath, `${JSON.stringify(Object.fromEntries(seqs))}\n`, true)
    },
  }
}

const nativeHandle: ProcessHandle = {
  startTicks: processStartTicks,
  signal: (pid, startTicks, signal) => pidfdKill(pid, constants.signals[signal], startTicks),
  waitExit: waitProcessExit,
}

type Ending = {
  readonly handle: ProcessHandle
  readonly procDir: string
  readonly pid: number
  readonly startTicks: number
  readonly killMs: number
}

async function endProcess(ending: Ending, graceMs: number): Promise<'ended' | 'killed'> {
  const { handle, pid, startTicks } = ending
  if (!handle.signal(pid, startTicks, 'SIGTERM') || (await waitEnd(ending, graceMs))) return 'ended'
  if (!handle.signal(pid, startTicks, 'SIGKILL')) return 'ended'
  if (await waitEnd(ending, ending.killMs)) return 'killed'
  throw new PvcError('PVC_HYPERVISOR_TIMEOUT', `QEMU process ${pid} was killed and still has not ended`)
}

/** A guest stands still meanwhile, and the kernel takes its time to give the memory of its old QEMU back. */
function waitEnd({ handle, procDir, pid, startTicks }: Ending, timeoutMs: number): Promise<boolean> {
  const waitExit = (forMs: number) => handle.waitExit(pid, startTicks, forMs)
  return untilOver(() => isOver(procDir, pid, startTicks), waitExit, timeoutMs)
}

function seqsOf(document: unknown): ReadonlyMap<VmUuid, number> {
  return new Map(Object.entries(SeqsFile.parse(document)).map(([uuid, seq]) => [VmUuid.parse(uuid), seq]))
}

/** Files that do not say what they should (a temporary one, damage) permit nothing to the libvirt hook either, and are left out. */
async function readAll<T>(directory: string, parse: Parse<T>): Promise<ReadonlyMap<VmUuid, T>> {
  const names = (await unlessGone(readdir(directory))) ?? []
  const found = new Map<VmUuid, T>()
  for (const name of names) {
    const uuid = VmUuid.safeParse(name)
    const value = uuid.success ? await readOne(directory, uuid.data, parse) : undefined
    if (uuid.success && value !== undefined) found.set(uuid.data, value)
  }
  return found
}

type Parse<T> = (text: string) => T | undefined

async function readOne<T>(directory: string, uuid: VmUuid, parse: Parse<T>): Promise<T | undefined> {
  const text = await unlessGone(readFile(join(directory, uuid), 'utf8'))
  return text === undefined ? undefined : parse(text)
}
