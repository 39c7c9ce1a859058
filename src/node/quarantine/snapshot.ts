import type { FenceJournal } from '../../model/fence.ts'
import type { BootId, LifeId, VmUuid } from '../../model/ids.ts'
import type { NodeSpec } from '../../model/node.ts'

/** What is left here of VMs of this cluster. A guest that was never one (docs/decisions/0005) is not among it. */
export type Remains = {
  readonly permits: readonly VmUuid[]
  /** Copies that may arrive. */
  readonly incomings: readonly VmUuid[]
  readonly domains: readonly { readonly uuid: VmUuid; readonly isActive: boolean }[]
  /** Create calls that have not returned. */
  readonly creates: readonly VmUuid[]
  /** QEMU processes by /proc, whatever libvirt says. */
  readonly processes: readonly { readonly uuid: VmUuid; readonly pid: number }[]
  /** Why libvirt could not be asked; empty: it answered. */
  readonly libvirtProblem: string
}

/** Whether this node's storage addresses are in Ceph's blocklist. */
export type OwnBlocklist =
  | { readonly kind: 'clear' }
  | { readonly kind: 'listed' }
  | { readonly kind: 'unknown'; readonly reason: string }

/** What a quarantine remembers; it is lost when pvcnoded restarts, and everything is looked at again. */
export type QuarantineMemory = {
  /** Sequence of the opening that the primary may still take back, and when it was first seen. */
  readonly opened: { readonly seq: number; readonly sinceMs: number } | undefined
  /** Since when the purge goes on. */
  readonly purgeSinceMs: number | undefined
  readonly rebootAtMs: number | undefined
  /** Sequence of the journal after which this node's wanted state was settled. */
  readonly settledSeq: number
  /** This daemon has seen the journal of this sequence not closed. */
  readonly seenSeq: number
}

export const FIRST_MEMORY: QuarantineMemory = {
  opened: undefined,
  purgeSinceMs: undefined,
  rebootAtMs: undefined,
  settledSeq: -1,
  seenSeq: -1,
}

/** Everything the next step of a quarantine depends on, read at once. */
export type QuarantineSnapshot = {
  readonly nowMs: number
  readonly life: LifeId
  readonly bootId: BootId
  /** Read from the store in this pass. */
  readonly journal: FenceJournal
  /** The quarantine has begun: only a new life leads out of it. */
  readonly isHeld: boolean
  /** It began because of the blocklist alone. */
  readonly isByBlocklist: boolean
  /** The life that began after the purge of this quarantine. */
  readonly newLife: LifeId | undefined
  /** What this node has acknowledged so far. */
  readonly ack: number
  /** Life in its status document, read in this pass. */
  readonly publishedLife: LifeId | undefined
  readonly remains: Remains
  readonly blocklist: OwnBlocklist
  readonly wanted: NodeSpec['wanted'] | undefined
  /** Configuration: a fenced node takes VMs again as soon as it is back. */
  readonly isAutoReady: boolean
  readonly memory: QuarantineMemory
}

/** The next thing to do. */
export type QuarantineAction =
  /** From here on there is no way back without a purge. */
  | { readonly kind: 'begin' }
  /** Ends what remains; `kill`: also processes that libvirt has not ended. */
  | { readonly kind: 'purge'; readonly isKill: boolean }
  | { readonly kind: 'reboot'; readonly reason: string }
  /** Takes this node's own addresses out of the blocklist. */
  | { readonly kind: 'lift' }
  | { readonly kind: 'acknowledge'; readonly seq: number }
  /** Writes what is wanted of this node from now on. */
  | { readonly kind: 'settle'; readonly wanted: NodeSpec['wanted'] }
  | { readonly kind: 'new-life' }
  | { readonly kind: 'leave' }

export type QuarantineDecision = {
  readonly action: QuarantineAction | undefined
  /** For an operator: what is being done or waited for, as the end of a sentence. */
  readonly step: string
  readonly memory: QuarantineMemory
  /** Look again after this time without an event. */
  readonly wakeInMs: number
}
