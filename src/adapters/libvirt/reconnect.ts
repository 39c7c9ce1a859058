/** Keeps one connection to libvirt open: policy over the thin verbs of native.ts. */
import { type Backoff, backoffDelayMs } from '../../base/backoff.ts'
import { type Clock, sleep } from '../../base/clock.ts'
import { withDeadline } from '../../base/deadline.ts'
import { PvcError } from '../../model/errors.ts'
import type { LibvirtEventKind, LibvirtEvents } from './event.ts'
import { isConnectionLoss, isLibvirtError, VIR_ERR } from './libvirt-error.ts'
import type { CloseReason, Unsubscribe } from './native.ts'

/** The part of a connection that keeping it open needs. */
export type LibvirtLink = {
  setKeepAlive(intervalS: number, count: number): Promise<void>
  isAlive(): Promise<boolean>
  onClose(listener: (reason: CloseReason) => void): Promise<Unsubscribe>
  subscribe<K extends LibvirtEventKind>(kind: K, listener: (event: LibvirtEvents[K]) => void): Promise<Unsubscribe>
  close(): Promise<void>
}

export type ReconnectOptions<C extends LibvirtLink> = {
  readonly clock: Clock
  /** Opens a fresh connection, e.g. `() => openConnection('qemu:///system')`. */
  readonly open: () => Promise<C>
  /** Delay between attempts; default 200 ms doubling to 5 s. */
  readonly backoff?: Backoff
  /** Longest time for opening and subscribing; default 10 s. */
  readonly openTimeoutMs?: number
  /** A daemon silent for `intervalS * (count + 1)` counts as lost; default 5 s and 3. */
  readonly keepAlive?: { readonly intervalS: number; readonly count: number }
  /** Told of each failed attempt (number from 1) and of what could not be tidied up (number 0), for the log. */
  readonly onError?: (error: unknown, attempt: number) => void
}

export type ReconnectEvents = { connected: undefined; disconnected: string }
type Listeners = { readonly [K in keyof ReconnectEvents]: Set<(what: ReconnectEvents[K]) => void> }

type Subscription<C> = {
  readonly register: (connection: C) => Promise<Unsubscribe>
  /** Cleared first when it ends: nothing is delivered from then on. */
  wanted: boolean
  /** How to end it at the present connection. */
  unsubscribe: Unsubscribe | undefined
}

/**
 * A connection that comes back. Calls while it is away reject at once, they are never queued: whoever asked decides anew
 * when `connected` is told. Subscriptions are in place again before that, but events in between are lost: look at everything.
 */
export class ReconnectingLibvirt<C extends LibvirtLink> {
  readonly #options: ReconnectOptions<C>
  readonly #subscriptions = new Set<Subscription<C>>()
  readonly #listeners: Listeners = { connected: new Set(), disconnected: new Set() }
  readonly #stop = new AbortController()
  /** Set while calls are allowed. */
  #connection: C | undefined
  /** The connection of this session, from its opening on, and how to end the session. */
  #link: { readonly connection: C; readonly lose: (reason: string) => void } | undefined
  #lastError: unknown
  #loop: Promise<void> | undefined

  constructor(options: ReconnectOptions<C>) {
    this.#options = options
  }

  get isConnected(): boolean {
    return this.#connection !== undefined
  }

  /** Begins to connect; failures are reported and retried for ever. Idempotent. */
  start(): void {
    this.#loop ??= this.#run()
  }

  /** Stops retrying and closes the connection. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#link?.lose('closed')
    await this.#loop
  }

  /** `connected`: subscriptions are in place, calls work. `disconnected`: with the reason, for people. @returns removal. */
  on<K extends keyof ReconnectEvents>(event: K, listener: (what: ReconnectEvents[K]) => void): () => void {
    this.#listeners[event].add(listener)
    return () => this.#listeners[event].delete(listener)
  }

  /** @throws PvcError PVC_HYPERVISOR_UNAVAILABLE when not connected after `timeoutMs`; the cause is the last failure. */
  async waitConnected(timeoutMs: number): Promise<void> {
    if (this.#connection) return
    let remove: (() => void) | undefined
    const connected = new Promise<void>((resolve) => {
      remove = this.on('connected', () => resolve())
    })
    try {
      await withDeadline(this.#options.clock, timeoutMs, 'libvirt', connected)
    } catch (error) {
      const cause = this.#lastError ?? error
      throw new PvcError('PVC_HYPERVISOR_UNAVAILABLE', `no connection to libvirt within ${timeoutMs} ms`, { cause })
    } finally {
      remove?.()
    }
  }

  /**
   * Runs calls on the present connection.
   * @throws PvcError PVC_HYPERVISOR_UNAVAILABLE at once when there is none (nothing was asked), PVC_HYPERVISOR_TIMEOUT when
   * it broke during the call (the outcome is unknown); LibvirtError when libvirt answered with an error.
   */
  async run<T>(call: (connection: C) => Promise<T>): Promise<T> {
    const connection = this.#connection
    if (!connection)
      throw new PvcError('PVC_HYPERVISOR_UNAVAILABLE', 'libvirt is not connected', { cause: this.#lastError })
    try {
      return await call(connection)
    } catch (error) {
      // The daemon passes on link errors of its own, e.g. of a migration whose target cannot be reached.
      if (!isConnectionLoss(error) || (await this.#isAlive(connection))) throw error
      this.#lose(connection, error.message)
      throw new PvcError('PVC_HYPERVISOR_TIMEOUT', 'the connection to libvirt broke during the call', { cause: error })
    }
  }

  /**
   * Like LibvirtConnection.subscribe, for this and every later connection. Subscribe before {@link start} to miss nothing:
   * on a connection that is up the subscription takes a moment. @returns the end of the subscription.
   */
  subscribe<K extends LibvirtEventKind>(kind: K, listener: (event: LibvirtEvents[K]) => void): () => void {
    const subscription: Subscription<C> = {
      wanted: true,
      unsubscribe: undefined,
      register: (connection) =>
        connection.subscribe(kind, (event) => {
          if (subscription.wanted) listener(event)
        }),
    }
    this.#subscriptions.add(subscription)
    const connection = this.#link?.connection
    if (connection) {
      this.#register(subscription, connection).catch((error: unknown) => this.#lose(connection, String(error)))
    }
    return () => {
      if (!this.#subscriptions.delete(subscription)) return
      subscription.wanted = false
      this.#tidy(subscription.unsubscribe?.())
    }
  }

  async #run(): Promise<void> {
    const { clock, backoff = { firstMs: 200, maxMs: 5000 } } = this.#options
    const signal = this.#stop.signal
    let attempt = 1
    while (!signal.aborted) {
      try {
        await this.#session()
        attempt = 1
      } catch (error) {
        this.#lastError = error
        this.#options.onError?.(error, attempt)
        attempt += 1
      }
      await sleep(clock, backoffDelayMs(backoff, attempt - 1), signal)
    }
  }

  /** One connection, from opening to its loss. */
  async #session(): Promise<void> {
    const { clock, openTimeoutMs = 10_000 } = this.#options
    const connection = await this.#open(openTimeoutMs)
    if (!connection) return
    const lost = new Promise<string>((resolve) => {
      this.#link = { connection, lose: resolve }
    })
    try {
      await withDeadline(clock, openTimeoutMs, 'preparing libvirt', this.#prepare(connection))
      if (this.#stop.signal.aborted) return
      this.#connection = connection
      this.#tell('connected', undefined)
      const reason = await lost
      this.#connection = undefined
      this.#lastError = new Error(`the connection to libvirt was lost: ${reason}`)
      this.#tell('disconnected', reason)
    } finally {
      this.#connection = undefined
      this.#link = undefined
      for (const subscription of this.#subscriptions) subscription.unsubscribe = undefined
      await connection.close()
    }
  }

  /** A fresh connection; undefined when `close` was called meanwhile. One that comes too late is closed. */
  async #open(timeoutMs: number): Promise<C | undefined> {
    const signal = this.#stop.signal
    const opening = this.#options.open()
    let abort: () => void = () => undefined
    const stopped = new Promise<undefined>((resolve) => {
      abort = () => resolve(undefined)
      signal.addEventListener('abort', abort, { once: true })
    })
    let isWanted = false
    try {
      const connection = await Promise.race([
        withDeadline(this.#options.clock, timeoutMs, 'opening libvirt', opening),
        stopped,
      ])
      isWanted = connection !== undefined
      return connection
    } finally {
      signal.removeEventListener('abort', abort)
      // The failure of the opening itself, if that is what happened, has been thrown or is of no interest after a stop.
      if (!isWanted) opening.then((late) => this.#tidy(late.close())).catch(() => undefined)
    }
  }

  async #prepare(connection: C): Promise<void> {
    const { intervalS, count } = this.#options.keepAlive ?? { intervalS: 5, count: 3 }
    // Those added from now on register themselves.
    const subscriptions = [...this.#subscriptions]
    await connection.onClose((reason) => this.#lose(connection, reason))
    try {
      await connection.setKeepAlive(intervalS, count)
    } catch (error) {
      // A driver inside this process has no link that could go silent.
      if (!isLibvirtError(error, VIR_ERR.NO_SUPPORT)) throw error
    }
    for (const subscription of subscriptions) await this.#register(subscription, connection)
    if (!(await connection.isAlive())) throw new Error('the connection broke while it was prepared')
  }

  async #register(subscription: Subscription<C>, connection: C): Promise<void> {
    const unsubscribe = await subscription.register(connection)
    if (subscription.wanted && this.#link?.connection === connection) subscription.unsubscribe = unsubscribe
    else this.#tidy(unsubscribe())
  }

  #lose(connection: C, reason: string): void {
    if (this.#connection === connection) this.#connection = undefined
    if (this.#link?.connection === connection) this.#link.lose(reason)
  }

  /** Nobody waits for the end of what is given up; its failure is only reported. */
  #tidy(work: Promise<void> | undefined): void {
    work?.catch((error: unknown) => this.#options.onError?.(error, 0))
  }

  #tell<K extends keyof ReconnectEvents>(event: K, what: ReconnectEvents[K]): void {
    for (const listener of [...this.#listeners[event]]) listener(what)
  }

  async #isAlive(connection: C): Promise<boolean> {
    // A connection that cannot even say so is closed.
    return connection.isAlive().catch(() => false)
  }
}
