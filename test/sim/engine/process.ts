/** A process of the simulated cluster: what it waits for reaches it only while it runs. */
import type { Clock } from '../../../src/base/clock.ts'
import type { Engine } from './engine.ts'

/** The clock of a machine: its boot time runs a little fast or slow, its wall clock may be wrong. */
export type MachineTime = { readonly rate: number; readonly offsetMs: number; wallOffsetMs: number }

export class SimProcess {
  readonly name: string
  readonly clock: Clock
  readonly #engine: Engine
  #state: 'running' | 'paused' | 'dead' = 'running'
  #waiting: (() => void)[] = []

  constructor(engine: Engine, name: string, time: MachineTime) {
    this.#engine = engine
    this.name = name
    this.clock = {
      nowMs: () => Math.round((engine.nowMs * time.rate + time.offsetMs) * 1000) / 1000,
      wallMs: () => Math.round(1_700_000_000_000 + engine.nowMs + time.wallOffsetMs),
      setTimer: (delayMs, fire) => {
        let isCancelled = false
        // As Node does it: whole milliseconds, one at least, and so perhaps a little early.
        const timer = engine.after(Math.max(1, Math.trunc(delayMs)) / time.rate, `${name}: timer`, () =>
          this.run(() => {
            if (!isCancelled) fire()
          }),
        )
        return {
          cancel: () => {
            isCancelled = true
            timer.cancel()
          },
        }
      },
    }
  }

  get isDead(): boolean {
    return this.#state === 'dead'
  }
  get isPaused(): boolean {
    return this.#state === 'paused'
  }

  /** Something reaches the process: now, when it goes on, or never. */
  run(fn: () => void): void {
    if (this.#state === 'running') fn()
    else if (this.#state === 'paused') this.#waiting.push(fn)
  }

  /** SIGSTOP, or a machine that stands still. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  /** Goes on; what came meanwhile is looked at one by one. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    const waiting = this.#waiting
    this.#waiting = []
    for (const fn of waiting) this.#engine.after(0, `${this.name}: goes on`, () => this.run(fn))
  }

  /** kill -9: whatever it waited for never comes. */
  kill(): void {
    this.#state = 'dead'
    this.#waiting = []
  }
}
