/** An in-memory ensemble with sessions, watches and failures, for tests and the simulator. Deterministic with a ManualClock. */
import type { Clock, Timer } from '../../base/clock.ts'
import { MutableSignal } from '../../base/signal.ts'
import type { Store, StoreSession } from '../../ports/store.ts'
import { waitConnected } from '../zookeeper/connected.ts'
import { FakeSession } from './store-session.ts'
import { FakeTree, type TreeChange, type TreeView } from './store-tree.ts'

/** `timeoutMs`: session timeout the ensemble grants, default 6000. */
export type FakeEnsembleOptions = { readonly clock: Clock; readonly timeoutMs?: number }

/**
 * The servers. `connect` gives a client; the other calls break things: every client sees what a real one would see.
 */
export class FakeEnsemble {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly tree: FakeTree
  readonly #stores = new Set<FakeStore>()
  /** Sessions that live on the servers, with or without a connection. */
  readonly #sessions = new Set<FakeSession>()
  readonly #expiry = new Map<FakeSession, Timer>()
  #nextSession = 0x1000

  constructor(options: FakeEnsembleOptions) {
    this.clock = options.clock
    this.timeoutMs = options.timeoutMs ?? 6000
    this.tree = new FakeTree((changes) => this.#fire(changes))
  }

  /** A new client with its session. */
  connect(): FakeStore {
    const store = new FakeStore(this)
    this.#stores.add(store)
    store.reconnect()
    return store
  }

  /** Cuts a client off: its session is suspended, and ends on the servers after its timeout. */
  suspend(store: FakeStore): void {
    const session = this.#cut(store)
    if (!session) return
    const leftMs = session.lastAckSentAtMs() + this.timeoutMs - this.clock.nowMs()
    this.#expiry.set(
      session,
      this.clock.setTimer(leftMs, () => this.#end(session)),
    )
  }

  /** Heals the connection: the session continues when it still lives, otherwise it is lost and a new one begins. */
  resume(store: FakeStore): void {
    store.isReachable = true
    const session = store.session.value
    if (session && this.#sessions.has(session)) {
      this.#expiry.get(session)?.cancel()
      this.#expiry.delete(session)
      session.resume()
    } else if (session) {
      store.loseSession()
    } else {
      store.reconnect()
    }
  }

  /** Ends the client's session on the servers at once; a reachable client learns it and gets a new session. */
  expire(store: FakeStore): void {
    const session = store.session.value
    if (!session) return
    this.#end(session)
    if (store.isReachable) store.loseSession()
  }

  /** No quorum: every client is cut off. No session expires, because nobody is there to say so. */
  down(): void {
    for (const store of this.#stores) this.#cut(store)
  }

  /** Quorum again: every client is back. */
  up(): void {
    for (const store of this.#stores) this.resume(store)
  }

  /** The server of this client stops following the others: its sessions see the tree of now until they catch up. */
  lag(store: FakeStore): void {
    store.lagging = this.tree.snapshot()
    store.session.value?.lag(store.lagging)
  }

  /** For the clients of this folder: starts a session. */
  openSession(lagging?: TreeView): FakeSession {
    const session = new FakeSession(this, (this.#nextSession++).toString(16), lagging)
    this.#sessions.add(session)
    return session
  }

  /** For the clients of this folder: ends a session in good order. */
  closeSession(store: FakeStore, session: FakeSession | undefined): void {
    this.#stores.delete(store)
    if (session) this.#end(session)
  }

  #cut(store: FakeStore): FakeSession | undefined {
    store.isReachable = false
    const session = store.session.value
    if (session?.state.value !== 'connected') return undefined
    session.suspend()
    return session
  }

  #end(session: FakeSession): void {
    this.#expiry.get(session)?.cancel()
    this.#expiry.delete(session)
    if (this.#sessions.delete(session)) this.tree.removeEphemerals(session.id)
  }

  #fire(changes: readonly TreeChange[]): void {
    for (const session of this.#sessions) session.watches.fire(changes)
  }
}

/** One client of the fake ensemble. */
export class FakeStore implements Store {
  readonly session = new MutableSignal<FakeSession | undefined>(undefined)
  /** False while cut off. */
  isReachable = true
  /** What its server knows, for sessions to come. */
  lagging: TreeView | undefined
  readonly #ensemble: FakeEnsemble
  #isClosed = false

  constructor(ensemble: FakeEnsemble) {
    this.#ensemble = ensemble
  }

  connected(deadlineMs: number): Promise<StoreSession> {
    return waitConnected(this.#ensemble.clock, this.session, deadlineMs)
  }

  close(): Promise<void> {
    const session = this.session.value
    this.#isClosed = true
    this.#ensemble.closeSession(this, session)
    session?.lose()
    this.session.set(undefined)
    return Promise.resolve()
  }

  /** For the ensemble: begins a new session. */
  reconnect(): void {
    if (this.isReachable && !this.#isClosed) this.session.set(this.#ensemble.openSession(this.lagging))
  }

  /** For the ensemble: the session is over; a new one follows, as with a real client, a moment later. */
  loseSession(): void {
    this.session.value?.lose()
    this.session.set(undefined)
    queueMicrotask(() => this.session.value === undefined && this.reconnect())
  }
}
