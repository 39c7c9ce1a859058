import type { Clock } from '../../base/clock.ts'
import { MutableSignal } from '../../base/signal.ts'
import { PvcError } from '../../model/errors.ts'
import type {
  ChangeKind,
  CreateMode,
  RawNode,
  SessionState,
  StoreSession,
  Versioned,
  Written,
} from '../../ports/store.ts'
import type { Key } from '../../schema/key.ts'
import { decodeDocument, encodeDocument } from '../zookeeper/document.ts'
import { LEASE_MARGIN_MS } from '../zookeeper/lease.ts'
import { type Operation, RC, storeError } from '../zookeeper/return-code.ts'
import type { FakeTree, TreeView } from './store-tree.ts'
import { FakeWatches } from './store-watches.ts'

/** The servers as a session sees them. */
type Servers = { readonly clock: Clock; readonly timeoutMs: number; readonly tree: FakeTree }

/** How a request ends badly: its reply is lost after it was applied, or it never arrived. */
export type FakeLoss = 'applied' | 'not-applied'

/** One session of the fake ensemble. Requests are applied when they are made, in order; answers and watches come in microtasks. */
export class FakeSession implements StoreSession {
  readonly id: string
  readonly state = new MutableSignal<SessionState>('connected')
  readonly timeoutMs: number
  readonly watches = new FakeWatches()
  readonly #servers: Servers
  readonly #openedAtMs: number
  #lastAckMs: number
  readonly #requests = new Map<Operation, number>()
  /** What the server of this session knows while it lags behind. */
  #lagging: TreeView | undefined
  #gate: Promise<void> | undefined
  #losses: { readonly op: Operation; readonly loss: FakeLoss }[] = []

  constructor(servers: Servers, id: string, lagging?: TreeView) {
    if (lagging) this.lag(lagging)
    this.id = id
    this.timeoutMs = servers.timeoutMs
    this.#servers = servers
    this.#openedAtMs = servers.clock.nowMs()
    this.#lastAckMs = this.#openedAtMs
  }

  /** Number of requests of this kind so far. */
  requests(op: Operation): number {
    return this.#requests.get(op) ?? 0
  }

  /** The next request of this kind fails with PVC_STORE_TIMEOUT, its outcome is `loss`. */
  loseNext(op: Operation, loss: FakeLoss): void {
    this.#losses.push({ op, loss })
  }

  /** From now on reads see only `view`, and no watch fires, until a sync or a write catches up. */
  lag(view: TreeView): void {
    this.#lagging = view
    this.watches.hold()
  }

  /** Answers are held back until the returned function is called; requests are applied all the same. */
  holdAnswers(): () => void {
    let open: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    this.#gate = gate
    return () => {
      if (this.#gate === gate) this.#gate = undefined
      open()
    }
  }

  lastAckSentAtMs(): number {
    if (this.state.value !== 'connected') return this.#lastAckMs
    // A connected client pings every third of the timeout; computed, so that no timer keeps a test alive.
    const pingMs = this.timeoutMs / 3
    const pings = Math.floor((this.#servers.clock.nowMs() - this.#openedAtMs) / pingMs)
    return Math.max(this.#lastAckMs, this.#openedAtMs + pings * pingMs)
  }

  leaseValidForMs(): number {
    if (this.state.value === 'lost') return 0
    return this.lastAckSentAtMs() + this.timeoutMs - LEASE_MARGIN_MS - this.#servers.clock.nowMs()
  }

  get<T>(key: Key<T>): Promise<Versioned<T> | undefined> {
    return this.#request('get', key.path, (_, view) => {
      const node = view.get(key.path)
      return node && decodeDocument(key, node)
    })
  }

  create<T>(key: Key<T>, value: T, mode: CreateMode = 'persistent'): Promise<{ readonly path: string }> {
    return this.#request('create', key.path, (tree) => ({
      path: tree.create(key.path, encodeDocument(key, value), mode, this.id),
    }))
  }

  set<T>(key: Key<T>, value: T, version: number): Promise<Written> {
    return this.#request('set', key.path, (tree) => tree.set(key.path, encodeDocument(key, value), version))
  }

  replaceEphemeral<T>(key: Key<T>, value: T, version: number): Promise<void> {
    return this.#request('replace', key.path, (tree) => {
      tree.replaceEphemeral(key.path, encodeDocument(key, value), version, this.id)
    })
  }

  remove(path: string, version?: number): Promise<void> {
    return this.#request('remove', path, (tree) => tree.remove(path, version))
  }

  children(path: string): Promise<readonly string[] | undefined> {
    return this.#request('children', path, (_, view) => view.children(path))
  }

  sync(): Promise<void> {
    return this.#request('sync', '/', () => undefined)
  }

  async ensure(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      await this.#request('create', path, (tree) => {
        if (!tree.get(path)) tree.create(path, '', 'persistent', this.id)
      })
    }
  }

  readWatched(path: string, whenAbsent: 'watch' | 'ignore' = 'watch'): Promise<RawNode | undefined> {
    return this.#request('get', path, (_, view) => {
      const node = view.get(path)
      if (node || whenAbsent === 'watch') this.watches.arm(path, 'data')
      return node
    })
  }

  childrenWatched(path: string): Promise<readonly string[] | undefined> {
    return this.#request('children', path, (_, view) => {
      this.watches.arm(path, 'children')
      return view.children(path)
    })
  }

  onChange(listener: (path: string, kind: ChangeKind) => void): () => void {
    return this.watches.subscribe(listener)
  }

  /** For the ensemble: the connection is gone. */
  suspend(): void {
    this.#lastAckMs = this.lastAckSentAtMs()
    this.watches.hold()
    this.state.set('suspended')
  }

  /** For the ensemble: connected again, the session lived on. */
  resume(): void {
    if (this.state.value !== 'suspended') return
    this.#lastAckMs = this.#servers.clock.nowMs()
    this.state.set('connected')
    if (!this.#lagging) this.watches.release()
  }

  /** For the ensemble: the session is over. */
  lose(): void {
    this.watches.drop()
    this.state.set('lost')
  }

  #catchUp(): void {
    if (!this.#lagging) return
    this.#lagging = undefined
    this.watches.release()
  }

  async #request<T>(op: Operation, path: string, apply: (tree: FakeTree, view: TreeView) => T): Promise<T> {
    if (this.state.value === 'lost') throw storeError(RC.sessionExpired, op, path)
    if (this.state.value === 'suspended')
      throw new PvcError('PVC_STORE_UNAVAILABLE', `${op} ${path}: not connected`, { details: { op, path } })
    this.#requests.set(op, this.requests(op) + 1)
    const index = this.#losses.findIndex((each) => each.op === op)
    const loss = index < 0 ? undefined : this.#losses.splice(index, 1)[0]?.loss
    if (loss === 'not-applied') throw storeError(RC.operationTimeout, op, path)
    this.#lastAckMs = this.#servers.clock.nowMs()
    if (op !== 'get' && op !== 'children') this.#catchUp()
    const gate = this.#gate
    const result = apply(this.#servers.tree, this.#lagging ?? this.#servers.tree)
    if (gate) await gate
    if (loss === 'applied') throw storeError(RC.operationTimeout, op, path)
    return result
  }
}
