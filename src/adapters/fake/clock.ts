import type { Clock, Timer } from '../../base/clock.ts'

type Pending = { readonly dueMs: number; readonly order: number; readonly fire: () => void }

/** A clock that moves only when a test moves it. Timers fire in order of their time, then of their creation. */
export class ManualClock implements Clock {
  #nowMs: number
  #order = 0
  readonly #wallOffsetMs: number
  readonly #pending = new Set<Pending>()

  /** Starts at `nowMs` since boot; `wallMs` is that plus a fixed offset. */
  constructor(nowMs = 1_000_000, wallOffsetMs = 1_700_000_000_000) {
    this.#nowMs = nowMs
    this.#wallOffsetMs = wallOffsetMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#wallOffsetMs + this.#nowMs
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    this.#order += 1
    const pending = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, fire }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  /** Number of timers that wait; zero at the end of a test shows that everything was stopped. */
  get pendingTimers(): number {
    return this.#pending.size
  }

  /** Moves time and fires what is due, letting promises settle before the first timer and after each. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    for (let next = this.#takeDue(endMs); next !== undefined; next = this.#takeDue(endMs)) {
      next.fire()
      await settle()
    }
    this.#nowMs = endMs
  }

  /** Like {@link advance} without letting promises settle in between. */
  advanceSync(ms: number): void {
    const endMs = this.#nowMs + ms
    for (let next = this.#takeDue(endMs); next !== undefined; next = this.#takeDue(endMs)) next.fire()
    this.#nowMs = endMs
  }

  #takeDue(endMs: number): Pending | undefined {
    let first: Pending | undefined
    for (const pending of this.#pending) {
      if (pending.dueMs > endMs) continue
      if (!first || pending.dueMs < first.dueMs || (pending.dueMs === first.dueMs && pending.order < first.order))
        first = pending
    }
    if (!first) return undefined
    this.#pending.delete(first)
    this.#nowMs = Math.max(this.#nowMs, first.dueMs)
    return first
  }
}

/** Lets every promise that can settle now do so: the event loop reaches its check phase only when no microtask is left. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
