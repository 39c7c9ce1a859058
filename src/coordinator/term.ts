import type { Clock, Timer } from '../base/clock.ts'
import type { StoreSession } from '../ports/store.ts'

/**
 * The share of the session timeout after which a reign ends by the local clock, counted from the last contact (protocol T9).
 * The rest is for dropping everything before the lease can be taken.
 */
const LOCAL_SHARE = 2 / 3

/** The time a reign lasts. It ends by the local clock, with its session, or by the will of this node; only once. */
export class Term {
  readonly ended: AbortSignal
  readonly #controller = new AbortController()
  readonly #session: StoreSession
  readonly #clock: Clock
  readonly #unsubscribe: () => void
  #timer: Timer | undefined

  /** `onEnd` is told why, once. */
  constructor(session: StoreSession, clock: Clock, onEnd: (reason: string) => void) {
    this.#session = session
    this.#clock = clock
    this.ended = this.#controller.signal
    this.ended.addEventListener('abort', () => onEnd(String(this.ended.reason)), { once: true })
    this.#unsubscribe = session.state.subscribe(() => this.#look())
    this.#look()
  }

  /** Milliseconds the reign is certain to last; 0 or less: it has ended or is about to. */
  validForMs(): number {
    if (this.ended.aborted || this.#session.state.value === 'lost') return 0
    return this.#session.lastAckSentAtMs() + this.#session.timeoutMs * LOCAL_SHARE - this.#clock.nowMs()
  }

  end(reason: string): void {
    if (this.ended.aborted) return
    this.#timer?.cancel()
    this.#unsubscribe()
    this.#controller.abort(reason)
  }

  #look(): void {
    if (this.ended.aborted) return
    this.#timer?.cancel()
    const leftMs = this.validForMs()
    if (this.#session.state.value === 'lost') this.end('the session of the lease was lost')
    else if (leftMs <= 0) this.end('ZooKeeper was not heard for two thirds of the session timeout')
    else this.#timer = this.#clock.setTimer(leftMs, () => this.#look())
  }
}
