import type { Fault } from '../model/fault.ts'

/** Severity of a fault, from the model. */
export type Severity = Fault['severity']

/**
 * What is wrong now: with this node or, on the primary, with the cluster. Level-triggered: whoever sees a cause sets its
 * fault at every look, and clears it at the first look at which the cause is gone. `since` is the time of the first report.
 */
export type FaultBoard = {
  /** Raises the fault `id`, or changes its severity and message. `id` is stable for one cause, e.g. `CEPH_UNREACHABLE`. */
  set(id: string, severity: Severity, message: string): void
  /** Ends the fault; nothing happens when it was not raised. */
  clear(id: string): void
  /**
   * Makes the faults whose id is `prefix` or begins with `prefix:` exactly those given. For a part that computes all its
   * problems at every look.
   */
  replace(
    prefix: string,
    faults: readonly { readonly id: string; readonly severity: Severity; readonly message: string }[],
  ): void
  /** All faults: critical ones first, then by id. */
  list(): readonly Fault[]
  /** Called when a fault appears, disappears or changes its severity, not when only its message changes. */
  subscribe(listener: (change: FaultChange) => void): () => void
}

export type FaultChange = { readonly kind: 'raised' | 'changed' | 'cleared'; readonly fault: Fault }
