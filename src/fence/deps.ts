import type { Clock } from '../base/clock.ts'
import type { NodeName } from '../model/ids.ts'
import type { PowerAccess, PowerDocument } from '../model/power.ts'
import type { Ceph } from '../ports/ceph.ts'
import type { FenceHook } from '../ports/fence-hook.ts'
import type { Log } from '../ports/log.ts'
import type { Peers } from '../ports/peer.ts'
import type { Power } from '../ports/power.ts'
import type { StorageFence } from '../ports/storage-fence.ts'

/** What the fencer needs from the world. The store comes with each reign. */
export type FencerDeps = {
  readonly settings: FencerSettings
  readonly storage: StorageFence
  readonly ceph: Pick<Ceph, 'locks' | 'breakLock'>
  readonly power: Power
  /** Opens what a node published about its power controller. @throws PvcError when the cluster key does not fit */
  readonly unseal: (node: NodeName, document: PowerDocument) => PowerAccess
  readonly peers: Peers
  /** Told of every change of a journal, and of nodes that may not be fenced. */
  readonly hook: Pick<FenceHook, 'announce' | 'held'>
  readonly clock: Clock
  readonly log: Log
}

export type FencerSettings = {
  readonly isEnabled: boolean
  /** Undefined: fewer than half of all nodes. */
  readonly maxNodes: number | undefined
  readonly stopGraceMs: number
  readonly powerTimeoutMs: number
  readonly coordinators: readonly NodeName[]
}
