import type { NodeFacts } from '../../model/compat-node.ts'
import type { Selector, VmArrival, VmDocument, VmStatus } from '../../model/domain.ts'
import type { LifeId, NodeName, VmUuid } from '../../model/ids.ts'

/** A VM as the plan sees it. */
export type RecoveryVm = {
  readonly uuid: VmUuid
  /** Undefined: the document is gone. */
  readonly document: VmDocument | undefined
  readonly status: VmStatus
  /** Only read for VMs whose record names a dead life. */
  readonly arrival: VmArrival | undefined
  /** Why its documents cannot be read, so that nothing may be done with it; empty: they can. */
  readonly problem: string
}

/** Everything a plan of recovery is made from, read over the session of the lease. */
export type RecoverySnapshot = {
  /** The node whose VMs are recovered. */
  readonly node: NodeName
  readonly deadLives: ReadonlySet<LifeId>
  /** It has no proof of life: what is placed there starts nowhere. */
  readonly isAway: boolean
  /** A shortage that may pass is waited for. False: it has lasted, or the node itself is back and waits. */
  readonly mayWait: boolean
  readonly vms: readonly RecoveryVm[]
  readonly nodes: readonly NodeFacts[]
  /** Certified nodes, each with the life it may run VMs under (protocol P7b). */
  readonly targets: ReadonlyMap<NodeName, LifeId>
  /** Highest run.seq other nodes have seen, by VM (protocol C14). */
  readonly highestSeqs: ReadonlyMap<VmUuid, { readonly seq: number; readonly node: NodeName }>
  readonly defaultSelector: Exclude<Selector, 'none'>
  readonly wallMs: number
}
