/** Bounded polling: the only way lab code waits for the outside world. */
import { setTimeout as delay } from 'node:timers/promises'

/** How long to wait in total and between looks. `what` names the awaited level in the error. */
export type PollOptions = { what: string; timeoutMs: number; intervalMs?: number }

/**
 * Looks again and again until `look` returns something other than undefined or false, and returns it. A look that
 * throws counts as "not yet"; its error becomes the cause of the final one.
 * @throws Error `not reached within N ms: WHAT`
 */
export async function pollUntil<T>(options: PollOptions, look: () => Promise<T | undefined | false>): Promise<T> {
  const end = performance.now() + options.timeoutMs
  let lastError: unknown
  for (;;) {
    try {
      const seen = await look()
      if (seen !== undefined && seen !== false) return seen
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    if (performance.now() >= end) {
      const reason = lastError instanceof Error ? ` (${lastError.message})` : ''
      throw new Error(`not reached within ${options.timeoutMs} ms: ${options.what}${reason}`, { cause: lastError })
    }
    await delay(options.intervalMs ?? 50)
  }
}
