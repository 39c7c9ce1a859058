/** A running timer; `cancel` is idempotent. */
export type Timer = { cancel(): void }

/**
 * Time as a dependency, so that decisions can be tested and simulated.
 * Deadlines use `nowMs` (monotonic, counts suspended time); `wallMs` is for people and never compared between machines.
 */
export type Clock = {
  /** Milliseconds since boot, monotonic. */
  nowMs(): number
  /** Milliseconds since 1970, for display only. */
  wallMs(): number
  /** Calls `fire` once after `delayMs`. */
  setTimer(delayMs: number, fire: () => void): Timer
}

/** Resolves after `delayMs`, or at once when `signal` aborts. Use it for pacing, never as synchronisation. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.setTimer(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}
