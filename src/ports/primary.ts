/**
 * What a duty of the primary sees of the primary's part, and the other way round. A duty knows nothing of the election;
 * the election knows nothing of duties.
 */
import type { NodeName } from '../model/ids.ts'
import type { FaultBoard } from './faults.ts'
import type { StoreSession } from './store.ts'

/** The primary's right to act, as long as it lasts (protocol P1, T9). Every reign has an epoch of its own. */
export type Reign = {
  readonly node: NodeName
  readonly epoch: number
  /** The one session of lease, epoch, journals, record moves and deciding reads. */
  readonly session: StoreSession
  /** How long the reign is certain to last by the local clock; 0 or less: start nothing. */
  validForMs(): number
  /** Aborts when the reign ends locally, before anybody else can take the lease. Children are killed then. */
  readonly ended: AbortSignal
  readonly maintenance: MaintenanceGate
  /** Faults of the cluster, published in primary/status as long as the reign lasts. */
  readonly faults: FaultBoard
  /** Gives the lease up because this node cannot do the primary's work; another one gets time to take it. */
  resign(reason: string): void
}

/** What became of work behind the maintenance gate. */
export type Gated<T> =
  | { readonly kind: 'done'; readonly value: T }
  /** Not begun: maintenance is on, or the reign has ended; the reason is for a timeline. */
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Keeps "maintenance is on" honest (protocol P8): while it is on no irreversible command begins, and it is only
 * acknowledged when none is in flight.
 */
export type MaintenanceGate = {
  /**
   * Runs one irreversible command (power off, blocklist add, record move) unless maintenance is on. The cluster document is
   * read with certainty immediately before. `work` bounds itself and ends when it aborts, because the acknowledgement
   * of maintenance waits for it. Its errors pass through. @throws PvcError of the store when the document cannot be read
   */
  run<T>(what: string, work: () => Promise<T>): Promise<Gated<T>>
  /** Whether maintenance was on at the last look, for decisions that begin nothing irreversible. */
  readonly isOn: boolean
}

/** One duty of the primary. Each is idempotent; a role that fails is tried again alone. */
export type PrimaryRole = {
  /** Lower-case letters and hyphens; names the role in primary/status and in its fault. */
  readonly name: string
  /**
   * Everything that can be done beforehand, so that a handover is short. `isInvited`: the primary that reigns has named this node
   * its successor, and goes on with the duty meanwhile; otherwise the last holder has dropped it. Undone by `stop` when
   * nothing comes of it.
   */
  prepare?(isInvited: boolean): Promise<void>
  /** Takes the duty up; called again after a failure. It must be over, or undone, soon after `reign.ended`. */
  start(reign: Reign): Promise<void>
  /**
   * Gives the duty up: when it resolves, no command of it is in flight. Also called after a start that failed half-way, and
   * when the duty was never started.
   */
  stop(): Promise<void>
  /** As primary: a successor is about to tell the neighbours that it is there; from now on nothing is announced from here. */
  hush?(): void
  /** As primary: a successor that had prepared itself does not take over, and neighbours may still believe it. */
  reclaim?(): Promise<void>
  /** What is wrong now, as a sentence; undefined: nothing. A role with a problem is started again. */
  problem?(): string | undefined
}

/** A job of the primary by the clock of the wall. Missed times are not made up for. */
export type TimetableJob = {
  readonly name: string
  /** Five fields of cron, in UTC. */
  readonly schedule: string
  /** Runs one at a time; it ends soon after `reign.ended`. */
  run(reign: Reign): Promise<void>
}
