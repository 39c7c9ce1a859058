/** The real clock. */
import type { Clock } from '../../base/clock.ts'

/** Longest delay a Node timer takes; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/**
 * Creates the clock of a daemon. `bootTimeNs` reads CLOCK_BOOTTIME (the native addon has it); without it time stands
 * still while the machine is suspended, which is fine for tools and tests.
 */
export function createSystemClock(bootTimeNs?: () => bigint): Clock {
  const nowNs = bootTimeNs ?? (() => process.hrtime.bigint())
  return {
    nowMs: () => Number(nowNs() / 1000n) / 1000,
    wallMs: () => Date.now(),
    setTimer(delayMs, fire) {
      const timer = setTimeout(fire, Math.min(Math.max(0, delayMs), MAX_DELAY_MS))
      return { cancel: () => clearTimeout(timer) }
    },
  }
}
