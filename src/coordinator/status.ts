import type { Clock } from '../base/clock.ts'
import { Reconciler } from '../base/reconciler.ts'
import type { PrimaryStatus } from '../model/coordinator.ts'
import { errorChain, hasCode } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'

const RESCAN_MS = 10_000
const RETRY_MS = 250

/** The part of primary/status that the election writes; roles, faults and maintenance come from their owners. */
export type StatusPatch = Partial<
  Pick<PrimaryStatus, 'successor' | 'wishSeen' | 'wishProblem' | 'maintenanceSeen' | 'isRelinquished'>
>

export type StatusOptions = {
  readonly session: StoreSession
  readonly clock: Clock
  readonly log: Log
  /** What to begin with. */
  readonly first: PrimaryStatus
  /** Adds what others own at the moment of writing. */
  readonly live: () => Pick<PrimaryStatus, 'roles' | 'faults'>
}

/** Keeps primary/status of one reign as it should be, written when something changed. */
export class StatusWriter {
  readonly #options: StatusOptions
  readonly #loop: Reconciler
  #own: PrimaryStatus
  #written = ''
  #version: number | undefined

  constructor(options: StatusOptions) {
    this.#options = options
    this.#own = options.first
    this.#loop = new Reconciler({
      clock: options.clock,
      pass: () => this.#pass(),
      rescanMs: RESCAN_MS,
      retryMs: RETRY_MS,
      onError: (error) => this.#onError(error),
    })
  }

  /** What is said now, whether written yet or not. */
  get value(): PrimaryStatus {
    return { ...this.#own, ...this.#options.live() }
  }

  /** Changes what is said; it is written soon. */
  patch(patch: StatusPatch): void {
    this.#own = { ...this.#own, ...patch }
    this.#loop.trigger()
  }

  trigger(): void {
    this.#loop.trigger()
  }

  /** Stops writing. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /**
   * The last word of a reign, after `stop`: sent without waiting, so that the removal of the lease can follow in the same
   * breath; one session's requests are applied in order.
   */
  async sendLast(patch: StatusPatch): Promise<void> {
    if (this.#version === undefined) return
    await this.#options.session.set(tree.primary.status, { ...this.value, ...patch }, this.#version)
  }

  async #pass(): Promise<object> {
    const { session } = this.#options
    const { status: key } = tree.primary
    const value = this.value
    const text = key.codec.encode(value)
    if (text === this.#written && this.#version !== undefined) return {}
    if (this.#version === undefined) this.#version = await this.#adopt(session, value)
    this.#version = (await session.set(key, value, this.#version)).version
    this.#written = text
    return {}
  }

  /** Version of the document an earlier primary left, whatever it says; it is created when there is none. */
  async #adopt(session: StoreSession, value: PrimaryStatus): Promise<number> {
    const { status: key } = tree.primary
    const before = await session.readWatched(key.path)
    if (before !== undefined) return before.version
    await session.create(key, value)
    return 0
  }

  #onError(error: unknown): void {
    // Another version: read it again. It is ours alone as long as the lease is.
    if (hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_EXISTS', 'PVC_STORE_TIMEOUT')) this.#version = undefined
    const isOutage = hasCode(error, 'PVC_STORE_SESSION_LOST', 'PVC_STORE_UNAVAILABLE', 'PVC_STORE_TIMEOUT')
    this.#options.log[isOutage ? 'info' : 'error']({ error: errorChain(error) }, 'primary/status was not written')
  }
}
