/**
 * Safety margin of the local lease. The servers count a session from a moment after our request was sent and expire it
 * at the next tick, so only clock drift (0.1 percent of at most 60 s) and the time until the caller acts must fit in.
 */
export const LEASE_MARGIN_MS = 250
