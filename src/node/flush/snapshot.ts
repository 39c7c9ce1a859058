import type { Decision } from '../../model/decision.ts'
import type { Selector, VmSpec } from '../../model/domain.ts'
import type { FlushRun, FlushStep } from '../../model/flush.ts'
import type { FlushFacts, FlushTask } from '../../model/flush-plan.ts'
import type { NodeName, VmUuid } from '../../model/ids.ts'
import type { DomainState, NodeSpec } from '../../model/node.ts'
import type { PlacementNode, VmFacts } from '../../model/placement.ts'

/** Whose turn it is to move VMs. */
export type Turn =
  /** Not asked for. */
  { readonly is: 'none' } | { readonly is: 'waiting'; readonly behind: NodeName } | { readonly is: 'ours' }

/** What only this daemon remembers; on the node's monotonic clock. */
export type FlushMemory = {
  /** When every target of a VM had failed. */
  readonly failedAtMs: ReadonlyMap<VmUuid, number>
  /** Since when a node has not been seen to run. */
  readonly awaySinceMs: ReadonlyMap<NodeName, number>
  /** Since when every VM is dealt with and the node is not empty all the same; undefined: that is not so. */
  readonly lingerSinceMs: number | undefined
}

export const FIRST_MEMORY: FlushMemory = { failedAtMs: new Map(), awaySinceMs: new Map(), lingerSinceMs: undefined }

/** Everything the decision needs, read at once. */
export type FlushSnapshot = {
  readonly self: NodeName
  readonly wanted: Pick<NodeSpec, 'wanted' | 'wish'>
  /** As it is published; undefined: never. */
  readonly run: FlushRun | undefined
  /** Every VM of the cluster. */
  readonly vms: readonly VmFacts[]
  readonly nodes: readonly PlacementNode[]
  readonly defaultSelector: Exclude<Selector, 'none'>
  readonly factsOf: (spec: VmSpec) => FlushFacts
  readonly turn: Turn
  /** Domains that libvirt runs here; undefined: it does not say. */
  readonly activeDomains: number | undefined
  readonly parallel: number
  readonly nowMs: number
  readonly wallMs: number
  readonly memory: FlushMemory
}

/** A change of the specification of a VM; it is not made when the VM has changed since. */
export type SpecWrite = {
  readonly vm: VmUuid
  readonly why: string
  /** The specification and record it was decided on. */
  readonly seen: { readonly generation: number; readonly seq: number }
  readonly next: VmSpec
  /** The choice of a node behind it. */
  readonly decision: Decision | undefined
}

/** What to publish and do, in this order: turn, document, writes. */
export type FlushDecision = {
  readonly domainState: DomainState
  /** Undefined: there has never been anything to do. */
  readonly run: FlushRun | undefined
  readonly turn: 'take' | 'keep' | 'drop'
  readonly writes: readonly SpecWrite[]
  readonly memory: FlushMemory
  /** Look again after this time without an event. */
  readonly wakeInMs: number | undefined
}

/** How one VM stands. */
export type Judged =
  /** Nothing more will happen to it in this run. */
  | { readonly is: 'over'; readonly step: FlushStep }
  /** It waits for somebody else. */
  | { readonly is: 'blocked'; readonly step: FlushStep }
  /** Under way; `isLoad` counts against the number of moves at once. */
  | { readonly is: 'moving'; readonly step: FlushStep; readonly isLoad: boolean }
  /** Its placement is put back to where it runs. */
  | { readonly is: 'revert'; readonly step: FlushStep; readonly vm: VmFacts; readonly next: VmSpec }
  /** To be planned. `failure` is why the last try failed; empty: there was none. */
  | { readonly is: 'todo'; readonly task: FlushTask; readonly was: FlushStep | undefined; readonly failure: string }

/** What judging one VM needs beside the VM. */
export type Look = {
  readonly self: NodeName
  /** The node has not run for a while. */
  readonly isAway: (node: NodeName) => boolean
  /** Its targets failed long enough ago to be tried again. */
  readonly isRetryDue: (vm: VmUuid) => boolean
}
