/** Random numbers that follow from a seed alone. A stream of its own per subject keeps one subject's numbers from another's. */
export class Random {
  #state: number

  constructor(seed: number | string) {
    this.#state = typeof seed === 'number' ? seed >>> 0 : hashText(seed)
    // The first numbers of neighbouring seeds are alike.
    for (let round = 0; round < 4; round += 1) this.#next()
  }

  /** A stream of its own. */
  fork(subject: string): Random {
    return new Random(`${this.#next()} ${subject}`)
  }

  /** From 0 up to, but not including, 1. */
  unit(): number {
    return this.#next() / 4_294_967_296
  }

  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.int(0, values.length - 1)]
    if (value === undefined) throw new Error('nothing to pick from')
    return value
  }

  /** A time between the two, in ms, small ones as likely as large ones on a scale of orders of magnitude. */
  durationMs(lowMs: number, highMs: number): number {
    return Math.round(lowMs * (highMs / lowMs) ** this.unit())
  }

  /** mulberry32 */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

/** FNV-1a, for seeds made of words. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}
