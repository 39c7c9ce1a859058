import { type Clock, sleep } from '../../base/clock.ts'
import { DeadlineError, withDeadline } from '../../base/deadline.ts'
import { type ErrorCode, PvcError } from '../../model/errors.ts'

/** How one call of a fake goes wrong, or slow. Default: it works at once. */
export type FakeOutcome = {
  /** Time until the call takes effect; it may lie after the caller's deadline (a deadline is not an outcome). */
  readonly delayMs?: number
  /** Fails with this instead of taking effect. */
  readonly error?: Error
  /** Takes effect, but the caller hears this error (an answer lost on the way). */
  readonly errorAfter?: Error
}

/** A script of outcomes per verb: planned ones are used up in order, then the standing one applies. */
export class FakeScript<Verb extends string> {
  readonly #planned = new Map<Verb, FakeOutcome[]>()
  readonly #standing = new Map<Verb, FakeOutcome>()

  /** The next call of `verb` ends like this. */
  plan(verb: Verb, ...outcomes: readonly FakeOutcome[]): void {
    this.#planned.set(verb, [...(this.#planned.get(verb) ?? []), ...outcomes])
  }

  /** Every call of `verb` without a planned outcome ends like this; undefined: works at once. */
  always(verb: Verb, outcome: FakeOutcome | undefined): void {
    if (outcome === undefined) this.#standing.delete(verb)
    else this.#standing.set(verb, outcome)
  }

  next(verb: Verb): FakeOutcome {
    return this.#planned.get(verb)?.shift() ?? this.#standing.get(verb) ?? {}
  }
}

/** Waits for the delay of an outcome, then lets `effect` happen or fails, as the outcome says. */
export async function runOutcome<T>(clock: Clock, outcome: FakeOutcome, effect: () => T): Promise<T> {
  if (outcome.delayMs !== undefined && outcome.delayMs > 0) await sleep(clock, outcome.delayMs)
  if (outcome.error) throw outcome.error
  const value = effect()
  if (outcome.errorAfter) throw outcome.errorAfter
  return value
}

/** Bounds a fake's call like the real adapter bounds its own. @throws PvcError `timeoutCode` after `deadlineMs` */
export async function boundCall<T>(
  clock: Clock,
  deadlineMs: number,
  timeoutCode: ErrorCode,
  what: string,
  work: Promise<T>,
): Promise<T> {
  try {
    return await withDeadline(clock, deadlineMs, what, work)
  } catch (error) {
    if (error instanceof DeadlineError)
      throw new PvcError(timeoutCode, `${what} was not answered in time`, { cause: error })
    throw error
  }
}
