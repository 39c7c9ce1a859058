import type { BootId, LifeId, VmUuid } from '../model/ids.ts'
import type { DomainMark } from './hypervisor.ts'

/** Counters of one network device since it was made. */
export type InterfaceCounters = {
  readonly name: string
  readonly rxBytes: number
  readonly rxPackets: number
  readonly txBytes: number
  readonly txPackets: number
  /** Undefined: it has none, such as a bridge, or no cable. */
  readonly speedMbps: number | undefined
  /** As the kernel says: `up`, `down`, `unknown` … */
  readonly state: string
}

/** Host figures that do not come from libvirt. */
export type HostSample = {
  readonly load1: number
  readonly memoryUsedMiB: number
  readonly memoryFreeMiB: number
  /** Names of the network bridges, sorted. */
  readonly bridges: readonly string[]
  /** Hardware, bonds and bridges, by name. */
  readonly interfaces: readonly InterfaceCounters[]
}

/** How a domain ended, by libvirt's words: `migrated`, `shutdown`, `destroyed`, `crashed` … */
export type DomainEnd = { readonly reason: string; readonly atWallMs: number }

/** The node's own files below /run/pvc and facts from /proc. Permits are what the libvirt hook checks (protocol N4). */
export type NodeFiles = {
  bootId(): Promise<BootId>
  /** The life kept by an earlier daemon of this boot, or undefined after a boot. */
  readLife(bootId: BootId): Promise<LifeId | undefined>
  writeLife(bootId: BootId, life: LifeId): Promise<void>
  permits(): Promise<ReadonlyMap<VmUuid, DomainMark>>
  /** The permit of one VM; undefined when there is none. */
  permit(uuid: VmUuid): Promise<DomainMark | undefined>
  writePermit(uuid: VmUuid, mark: DomainMark): Promise<void>
  removePermit(uuid: VmUuid): Promise<void>
  /** Migration id of the copy that may arrive here (the libvirt hook checks it); undefined: none may. */
  incoming(uuid: VmUuid): Promise<string | undefined>
  /** All VMs of which a copy may arrive here, with their migration ids. */
  incomings(): Promise<ReadonlyMap<VmUuid, string>>
  writeIncoming(uuid: VmUuid, migrationId: string): Promise<void>
  removeIncoming(uuid: VmUuid): Promise<void>
  /**
   * Ends a QEMU in an orderly way (SIGTERM by pidfd), by force after `graceMs`, and waits until nothing of it can run any
   * more; the kernel may still be giving its memory back. `killed`: its Ceph client could not give its watches back.
   * @throws PVC_HYPERVISOR_TIMEOUT when it was killed and is still there seconds later
   */
  endQemu(uuid: VmUuid, pid: number, graceMs: number): Promise<'ended' | 'killed'>
  /** VMs that have a QEMU process on this machine, by /proc, whatever libvirt says. */
  qemuProcesses(): Promise<ReadonlyMap<VmUuid, number>>
  /** Kills a QEMU process that libvirt has lost track of (SIGKILL by pidfd); no error when it is gone already. */
  killQemu(uuid: VmUuid, pid: number): Promise<void>
  /**
   * How the latest QEMU of the domain `name` ended here, by the log that libvirt keeps of it, also while no daemon of ours
   * was there; undefined: it has not ended, or the log does not say.
   */
  latestEnd(name: string): Promise<DomainEnd | undefined>
  /** Pids of local processes that have librbd loaded and name the volume (`pool/volume`) in their arguments. */
  volumeUsers(volume: string): Promise<readonly number[]>
  hostSample(): Promise<HostSample>
  /** Highest run.seq written or seen, kept over restarts on disk. */
  readSeqs(): Promise<ReadonlyMap<VmUuid, number>>
  writeSeqs(seqs: ReadonlyMap<VmUuid, number>): Promise<void>
}
