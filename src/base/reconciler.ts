import type { Clock, Timer } from './clock.ts'

/** What one pass of a reconciler says about the next one. */
export type PassResult = {
  /** Look again after this time even without a trigger. */
  readonly wakeInMs?: number
}

export type ReconcilerOptions = {
  readonly clock: Clock
  /** One full look: observe, decide, apply. Its error is reported and the pass is tried again after `retryMs`. */
  readonly pass: () => Promise<PassResult>
  /** The slow rescan that covers lost events. */
  readonly rescanMs: number
  readonly retryMs: number
  readonly onError: (error: unknown) => void
}

/**
 * The one loop of every reconciler. A trigger carries no data, it only says "look again": triggers coalesce, one pass
 * runs at a time, and a trigger during a pass causes exactly one more pass, so none is dropped.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions
  #running: Promise<void> | undefined
  #again = false
  #stopped = false
  #timer: Timer | undefined

  constructor(options: ReconcilerOptions) {
    this.#options = options
  }

  /** Asks for a pass as soon as possible. */
  trigger(): void {
    if (this.#stopped) return
    if (this.#running) {
      this.#again = true
      return
    }
    this.#timer?.cancel()
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      // A trigger between the end of the loop and this line must not be lost.
      if (this.#again && !this.#stopped) this.trigger()
    })
  }

  /** Stops the loop and waits for the pass in flight; the pass bounds its own calls. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#running
  }

  async #run(): Promise<void> {
    let wakeInMs = this.#options.rescanMs
    do {
      this.#again = false
      try {
        const result = await this.#options.pass()
        wakeInMs = Math.min(result.wakeInMs ?? this.#options.rescanMs, this.#options.rescanMs)
      } catch (error) {
        this.#options.onError(error)
        wakeInMs = this.#options.retryMs
      }
    } while (this.#again && !this.#stopped)
    if (!this.#stopped) this.#timer = this.#options.clock.setTimer(wakeInMs, () => this.trigger())
  }
}
