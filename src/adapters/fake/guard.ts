import type { Clock, Timer } from '../../base/clock.ts'
import type { Guard, GuardOrder, GuardReport } from '../../ports/guard.ts'

export type FakeGuardOptions = {
  readonly clock: Clock
  /** Ends every QEMU and takes the permits of the fake machine. @returns false when one of them does not die */
  readonly strike: () => boolean
}

/** The rules of the guard (protocol N10) on a fake machine. It outlives the daemon, as the real one does. */
export class FakeGuard implements Guard {
  readonly #options: FakeGuardOptions
  #timer: Timer | undefined
  #last: GuardOrder | undefined
  #isRunning = true
  #isArmed = false
  #baseMs = 0
  #latch = 0
  #clearedLatch = 0
  #isKillVerified = false
  /** What the guard will report of its watchdog while armed. */
  watchdog: GuardReport['watchdog'] = { kind: 'present', timeoutMs: 10_000 }
  /** A guard that fails silently: it reports all is well and never strikes. */
  isBroken = false

  constructor(options: FakeGuardOptions) {
    this.#options = options
  }

  /** The process is gone, or comes back and goes on from its page. */
  set isRunning(isRunning: boolean) {
    this.#isRunning = isRunning
    if (isRunning && this.#last !== undefined) this.order(this.#last)
    this.#setTimer()
  }

  /** Boot: /run is empty. */
  reboot(): void {
    this.#timer?.cancel()
    this.#last = undefined
    this.#isArmed = false
    this.#baseMs = 0
    this.#latch = 0
    this.#clearedLatch = 0
    this.#isKillVerified = false
  }

  order(order: GuardOrder): void {
    const nowMs = this.#options.clock.nowMs()
    this.#last = order
    if (!this.#isRunning || order.baseMs > nowMs) return
    this.#baseMs = Math.max(this.#baseMs, order.baseMs)
    const isInTime = nowMs < this.#baseMs + order.settings.boundMs
    if (this.#isLatched && order.clearedLatch === this.#latch && isInTime) {
      this.#clearedLatch = this.#latch
      this.#isKillVerified = false
    }
    if (!order.isArmed) this.#isArmed = false
    else if (isInTime) this.#isArmed = true
    this.#setTimer()
  }

  report(): GuardReport {
    return {
      isRunning: this.#isRunning,
      isArmed: this.#isArmed,
      baseMs: this.#baseMs,
      latch: this.#latch,
      clearedLatch: this.#clearedLatch,
      isKillVerified: this.#isKillVerified,
      settings: this.#last?.settings,
      watchdog: this.#isArmed
        ? this.watchdog
        : { kind: 'absent', reason: 'it is opened only while the guard is armed' },
    }
  }

  get #isLatched(): boolean {
    return this.#latch > this.#clearedLatch
  }

  #setTimer(): void {
    this.#timer?.cancel()
    if (!this.#isRunning || !this.#isArmed || this.#isLatched || this.#last === undefined) return
    const atMs = this.#baseMs + this.#last.settings.boundMs
    this.#timer = this.#options.clock.setTimer(atMs - this.#options.clock.nowMs(), () => this.#strike())
  }

  #strike(): void {
    if (this.isBroken) return
    this.#latch += 1
    this.#isKillVerified = this.#options.strike()
  }
}
