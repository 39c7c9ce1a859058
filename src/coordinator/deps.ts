import type { Clock } from '../base/clock.ts'
import type { MutableSignal, Signal } from '../base/signal.ts'
import type { BootId, NodeName } from '../model/ids.ts'
import type { CoordinatorState } from '../model/node.ts'
import type { FaultBoard } from '../ports/faults.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'

/** What the coordinator part needs from the world. */
export type CoordinatorDeps = {
  readonly self: NodeName
  /** All coordinators, in the order in which they are chosen. */
  readonly coordinators: readonly NodeName[]
  /** A store of its own, with a session timeout of LEASE_SESSION_MS. */
  readonly store: Store
  readonly bootId: BootId
  /** The daemon's state is run, and the node is certified. */
  readonly isNodeAble: Signal<boolean>
  /** Set here, shown by the heartbeat. */
  readonly state: MutableSignal<CoordinatorState>
  /** An empty board for the faults of the cluster. */
  readonly faults: FaultBoard
  readonly clock: Clock
  readonly log: Log
}
