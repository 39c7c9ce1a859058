/** Retry delays as plain data: `firstMs`, then doubled up to `maxMs`. */
export type Backoff = { readonly firstMs: number; readonly maxMs: number }

/** Delay before attempt number `attempt` (1 = first retry). */
export function backoffDelayMs(backoff: Backoff, attempt: number): number {
  const doubled = backoff.firstMs * 2 ** Math.min(Math.max(attempt - 1, 0), 30)
  return Math.min(doubled, backoff.maxMs)
}
