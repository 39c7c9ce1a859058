import type { NodeName } from '../model/ids.ts'
import type { StoreSession } from '../ports/store.ts'

/** The primary's right to act, as long as it lasts (protocol P1, T9). */
export type Reign = {
  readonly node: NodeName
  readonly epoch: number
  /** The one session of lease, epoch, journals, record moves and deciding reads. */
  readonly session: StoreSession
  /** How long the lease is certain to last by the local clock; 0 or less: start nothing. */
  validForMs(): number
  /** Aborts when the lease ends locally, before anybody else can take it. */
  readonly ended: AbortSignal
}

/** One duty of the primary. Each is idempotent; a role that fails is tried again alone. */
export type PrimaryRole = {
  readonly name: string
  /** Everything that can be done while another node is still primary, so that a planned handover is short. */
  prepare?(): Promise<void>
  /** Takes the duty up; called again after a failure. It must be over, or undone, soon after `reign.ended`. */
  start(reign: Reign): Promise<void>
  /** Gives the duty up. Also after a start that failed half-way. */
  stop(): Promise<void>
  /** What is wrong now, as a sentence; undefined: nothing. A role with a problem is started again. */
  problem?(): string | undefined
}
