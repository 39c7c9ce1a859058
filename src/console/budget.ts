import type { Clock } from '../base/clock.ts'

/** What a write costs beside its text: header, path, and the ensemble's own work. */
const WRITE_BYTES = 256
/** What may be saved up for a burst. */
const BURST_S = 2

/** The bytes per second that all streams of a node may write to the store. */
export class ByteBudget {
  readonly #clock: Clock
  readonly #bytesPerS: number
  #savedBytes: number
  #lastMs: number

  constructor(clock: Clock, bytesPerS: number) {
    this.#clock = clock
    this.#bytesPerS = bytesPerS
    this.#savedBytes = bytesPerS * BURST_S
    this.#lastMs = clock.nowMs()
  }

  /** Takes what a write costs. @returns 0, or how many milliseconds to wait: nothing was taken then */
  take(textBytes: number): number {
    const nowMs = this.#clock.nowMs()
    const earned = ((nowMs - this.#lastMs) * this.#bytesPerS) / 1000
    this.#savedBytes = Math.min(this.#savedBytes + earned, this.#bytesPerS * BURST_S)
    this.#lastMs = nowMs
    const cost = textBytes + WRITE_BYTES
    // A cost above all that can be saved would never be affordable: it is paid later.
    const needed = Math.min(cost, this.#bytesPerS * BURST_S)
    if (this.#savedBytes < needed) return Math.ceil(((needed - this.#savedBytes) * 1000) / this.#bytesPerS)
    this.#savedBytes -= cost
    return 0
  }
}
