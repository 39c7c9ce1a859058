import type { MigrationProgress, VmArrival, VmDocument, VmStatus } from '../../model/domain.ts'
import type { GuestCpu } from '../../model/guest-cpu.ts'
import type { LifeId, NodeName, VmUuid } from '../../model/ids.ts'
import type { VmMemory } from './memory.ts'

/** A node that knows of a later change of a VM's record. */
export type HigherSeq = { readonly node: NodeName; readonly seq: number }

/** Owner mark as it stands in a domain's metadata and in a permit. */
export type Mark = { readonly life: LifeId; readonly seq: number }

/** A domain of the VM as libvirt shows it here. */
export type LocalDomain = {
  /** False: only a persistent definition is left. */
  readonly isActive: boolean
  readonly isPaused: boolean
  /** QEMU is being started: libvirt lists the domain, its CPUs have not run yet. */
  readonly isStarting: boolean
  readonly reason: string
  /** A copy that left: paused by the switch of its migration, its memory is at the target. */
  readonly isSwitched: boolean
  /** A copy that came: complete and paused, waiting for its record. */
  readonly isArrived: boolean
  readonly mark: Mark | undefined
  readonly migrationId: string | undefined
}

/** What the store says about the node a VM is to move to. */
export type MoveTarget = {
  readonly life: LifeId
  /** It runs, is certified and alive under this life. */
  readonly isUp: boolean
}

/** The call to libvirt that copies this VM, as long as this daemon knows it. */
export type CopyCall = {
  readonly id: string
  readonly state: 'running' | 'returned'
  readonly error: string | undefined
}

/** What a move needs to know, besides the rest. Only looked at where a move can be under way. */
export type MoveObservation = {
  /** Source: the target node; undefined when the spec names this node, or a node that never reported. */
  readonly target: MoveTarget | undefined
  readonly arrival: VmArrival | undefined
  /** Target: migration whose copy may arrive here. */
  readonly incoming: string | undefined
  readonly copyCall: CopyCall | undefined
  /** Source: progress of libvirt's job; undefined: none runs. */
  readonly job: MigrationProgress | undefined
  /** Source: the processor that a guest has which is to leave; undefined: any will do, or nothing begins now. */
  readonly cpu: GuestCpu | undefined
  /** Target: why the processor of the guest that is announced cannot be offered here. */
  readonly cpuProblem: string | undefined
  /** Source: libvirt let the guest run again after the switch, so the copy at the target is older than the disk. */
  readonly isResumedSinceSwitch: boolean
  /**
   * Source: by libvirt's own log it ended the domain because its copy was complete, so the guest never ran here again. Only
   * looked for where the domain is gone and this daemon does not know the copy itself.
   */
  readonly isMigratedAway: boolean
}

/** Everything the decision about one VM needs, read at once. */
export type VmObservation = {
  readonly uuid: VmUuid
  readonly self: NodeName
  /** The life under which this node may act. */
  readonly life: LifeId
  readonly nowMs: number
  readonly wallMs: number
  /** Read from the store in this pass, not from the index. */
  readonly spec: VmDocument | undefined
  readonly status: VmStatus | undefined
  readonly domain: LocalDomain | undefined
  readonly move: MoveObservation
  readonly isCreateOutstanding: boolean
  readonly qemuPid: number | undefined
  readonly permit: Mark | undefined
  /** False: the run record is older than one this node has seen; nothing may be done with it. */
  readonly isSeqTrusted: boolean
  /** Another node that knows of a later change of the run record; only asked where a start is near. */
  readonly higherSeq: HigherSeq | undefined
  readonly shutdownTimeoutMs: number
  readonly createTimeoutMs: number
  readonly memory: VmMemory
}
