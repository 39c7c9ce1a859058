import type { Clock } from './clock.ts'

/** Thrown by {@link withDeadline}: the work may still be running, its outcome is unknown. */
export class DeadlineError extends Error {
  readonly what: string
  readonly deadlineMs: number
  constructor(what: string, deadlineMs: number) {
    super(`${what} did not answer within ${deadlineMs} ms`)
    this.name = 'DeadlineError'
    this.what = what
    this.deadlineMs = deadlineMs
  }
}

/**
 * Bounds a wait. The promise itself is not cancelled: a deadline is not an outcome.
 * @throws DeadlineError when `work` is still pending after `deadlineMs`.
 */
export function withDeadline<T>(clock: Clock, deadlineMs: number, what: string, work: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = clock.setTimer(deadlineMs, () => reject(new DeadlineError(what, deadlineMs)))
    work.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error)
      },
    )
  })
}
