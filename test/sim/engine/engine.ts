/**
 * Virtual time: one queue of events. After each event every promise that can settle does so, then the world is judged.
 * Nothing of the simulated cluster waits for anything else, so a history follows from the seed and the script alone.
 */
import { createHash } from 'node:crypto'
import type { Timer } from '../../../src/base/clock.ts'

type Entry = { readonly atMs: number; readonly order: number; readonly what: string; fire: (() => void) | undefined }

/** Why a run ended. */
export type RunEnd = 'done' | 'steps'

export class Engine {
  /** Milliseconds since the simulation began; the only clock there is. */
  nowMs = 0
  /** Events so far. */
  steps = 0
  /** Given: it is shown every line of the history, and what daemons log. */
  trace: ((line: string) => void) | undefined
  readonly #heap: Entry[] = []
  readonly #hash = createHash('sha256')
  #order = 0
  #pendingText = ''

  /** Lets `fire` happen after `delayMs`. Events of the same time happen in the order in which they were asked for. */
  after(delayMs: number, what: string, fire: () => void): Timer {
    // Whole microseconds: sums of fractions would differ in their last bits by the order of adding.
    const atMs = Math.round((this.nowMs + Math.max(0, delayMs)) * 1000) / 1000
    this.#order += 1
    const entry: Entry = { atMs, order: this.#order, what, fire }
    this.#push(entry)
    return {
      cancel: () => {
        entry.fire = undefined
      },
    }
  }

  /** Adds a line to the history that the hash of a run is made of. */
  note(line: string): void {
    this.trace?.(line)
    this.#pendingText += `${line}\n`
    if (this.#pendingText.length > 16_384) this.#flush()
  }

  /** The hash of everything that happened, as hex. */
  digest(): string {
    this.#flush()
    return this.#hash.copy().digest('hex')
  }

  /**
   * Lets events happen until `isDone` or so many steps. `judge` is called after each with its words.
   * @throws what `judge` throws
   */
  run(maxSteps: number, judge: (what: string) => void, isDone: () => boolean): Promise<RunEnd> {
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        try {
          resolve(this.#runNow(maxSteps, judge, isDone))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** To be called from the event loop itself: microtasks do not settle inside a microtask. */
  #runNow(maxSteps: number, judge: (what: string) => void, isDone: () => boolean): RunEnd {
    while (!isDone()) {
      if (this.steps >= maxSteps) return 'steps'
      const entry = this.#pop()
      if (entry === undefined) return 'done'
      const { fire } = entry
      if (fire === undefined) continue
      this.nowMs = Math.max(this.nowMs, entry.atMs)
      this.steps += 1
      this.note(`${this.nowMs} ${entry.what}`)
      fire()
      settle()
      judge(entry.what)
    }
    return 'done'
  }

  #flush(): void {
    this.#hash.update(this.#pendingText)
    this.#pendingText = ''
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || isBefore(parent, entry)) break
      heap[at] = parent
      at = above
    }
    heap[at] = entry
  }

  #pop(): Entry | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      let child = heap[below]
      if (child === undefined) break
      const other = heap[below + 1]
      if (other !== undefined && isBefore(other, child)) {
        below += 1
        child = other
      }
      if (isBefore(last, child)) break
      heap[at] = child
      at = below
    }
    heap[at] = last
    return first
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)
}

/**
 * Runs what was put off until after the present call (ticks, microtasks, word of rejections nobody waits for) until nothing
 * of it is left: what Node does after every callback. A turn of its event loop per event would do the same and take six
 * times as long.
 */
const settle = (process as unknown as { readonly _tickCallback: () => void })._tickCallback
