import type { FenceJournal, FenceOrder } from '../model/fence.ts'
import type { BootId, LifeId, NodeName } from '../model/ids.ts'
import type { NodeStatus } from '../model/node.ts'

/** Settings of fencing that decisions need. */
export type FencePolicy = {
  readonly isEnabled: boolean
  /** Nodes that may be fenced at the same time. */
  readonly maxNodes: number
  /** A node stopped in order is reported as unprotected after this time. */
  readonly stopGraceMs: number
}

/** How far the storage proof is (protocol P4 a and b). */
export type StorageProof = {
  /** Epoch of a map in which every address is listed; undefined: not yet. */
  readonly osdEpoch: number | undefined
  /** Every up OSD outside the fenced host has that map. */
  readonly areOsdsCurrent: boolean
  /** The OSDs of the fenced host were marked down after its life was over (protocol T7). */
  readonly areOwnOsdsDown: boolean
  /** Why it does not get further, as part of a sentence; empty: it does. */
  readonly problem: string
  /** Ceph has been unwritable from here for so long; 0 while it is not. */
  readonly failingForMs: number
}

/** What became of the attempt to switch the power off (protocol P4 c). */
export type PowerProof =
  | { readonly kind: 'none' }
  | { readonly kind: 'trying' }
  | { readonly kind: 'off'; readonly method: string }
  /** A sentence that says why this is no proof. It is tried again. */
  | { readonly kind: 'no-proof'; readonly reason: string }

/** What other machines see of the node; undefined: nobody was asked yet. */
export type ProbeVerdict = { readonly kind: 'answers' | 'host-only' | 'silent'; readonly text: string }

/** What this primary remembers of a node. Times are monotonic and its own. */
export type FenceMemory = {
  /** When it first saw the proof of life missing; undefined: it was there at the last look. For people and grace times. */
  readonly goneSinceMs: number | undefined
  /** When it first saw that this opening leaves the node no contact, by seq: here the wait for its self-fence begins. */
  readonly cutOff: { readonly seq: number; readonly sinceMs: number } | undefined
  /** Since when VMs that nobody holds wait for it; undefined: none did at the last look. */
  readonly awaitedSinceMs: number | undefined
}

/** Everything the decision about one node needs, read at once over the session of the lease. */
export type FenceView = {
  readonly self: NodeName
  readonly node: NodeName
  readonly nowMs: number
  readonly journal: FenceJournal
  /** Life in the proof of life; undefined: there is none. */
  readonly alive: LifeId | undefined
  /** The node's last word; undefined: it never reported. */
  readonly status: NodeStatus | undefined
  readonly order: FenceOrder | undefined
  /** Lives that run records name for this node; only read where they matter. */
  readonly recordLives: readonly LifeId[]
  /** VMs that nobody holds wait for it to start them; only read where it is away for good. */
  readonly isAwaited: boolean
  readonly policy: FencePolicy
  /** Other nodes that are being fenced, or were and are not back. */
  readonly othersFenced: readonly NodeName[]
  readonly isMaintenance: boolean
  /** Whether any certified node could take a VM. */
  readonly hasTarget: boolean
  /** Living coordinators, with whether each reports that it cannot reach Ceph. */
  readonly coordinators: readonly { readonly node: NodeName; readonly isCephAway: boolean }[]
  readonly probe: ProbeVerdict | undefined
  readonly storage: StorageProof
  readonly power: PowerProof
  /** Entries of the node's addresses that are still in the blocklist; undefined: not looked at. */
  readonly listed: readonly string[] | undefined
  readonly memory: FenceMemory
}

/** One thing to do about a node. */
export type FenceAction =
  | {
      readonly kind: 'open'
      readonly life: LifeId
      readonly bootId: BootId | null
      readonly by: string
      readonly why: string
    }
  | { readonly kind: 'take-back'; readonly why: string }
  /** Writes down what is about to be shut out; from here on there is no way back but a purge. */
  | { readonly kind: 'commit'; readonly addresses: readonly string[] }
  | { readonly kind: 'note'; readonly evidence: NewEvidence }
  | { readonly kind: 'prove'; readonly isWithoutCeph: boolean; readonly deadLives: readonly LifeId[] }
  | { readonly kind: 'recover' }
  | { readonly kind: 'power-on' }
  | { readonly kind: 'close' }
  | { readonly kind: 'resign'; readonly why: string }

/** Evidence about the life itself (protocol P4 c to f), without its wall time. */
export type NewEvidence =
  | { readonly kind: 'power-off'; readonly method: string }
  | { readonly kind: 'self-fence'; readonly waitedMs: number }
  | { readonly kind: 'reboot'; readonly bootId: BootId }
  | { readonly kind: 'operator'; readonly by: string }

/** Work that goes on beside the looks, as long as each look asks for it. */
export type FenceWork = 'probe' | 'storage' | 'osd-down' | 'power' | 'entries'

/** A problem for the fault list of the cluster. */
export type FenceProblem = {
  readonly id: string
  readonly severity: 'warning' | 'error' | 'critical'
  readonly message: string
}

export type FenceDecision = {
  readonly action: FenceAction | undefined
  readonly work: readonly FenceWork[]
  readonly memory: FenceMemory
  readonly problems: readonly FenceProblem[]
  /** Why nothing goes on, for the journal; undefined: leave what it says. */
  readonly stuck: string | undefined
  readonly wakeInMs: number
}

export const NOTHING_REMEMBERED: FenceMemory = { goneSinceMs: undefined, cutOff: undefined, awaitedSinceMs: undefined }
