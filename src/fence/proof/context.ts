import type { Clock } from '../../base/clock.ts'
import type { FenceEvent } from '../../model/fence.ts'
import type { Gated } from '../../ports/primary.ts'

/** What every gatherer of evidence about one opening of one journal works with. */
export type ProofContext = {
  readonly clock: Clock
  /** Aborts with the reign, or when the evidence is not wanted any more: children die. */
  readonly signal: AbortSignal
  /**
   * Runs one irreversible command: not during maintenance, not after the reign, and only after a certain read of the journal
   * shows that this opening still stands.
   */
  irreversible<T>(what: string, work: () => Promise<T>): Promise<Gated<T>>
  /** Adds a line to the timeline. */
  tell(step: FenceEvent['step'], text: string): void
}
