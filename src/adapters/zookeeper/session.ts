/** One ZooKeeper session over the native client. It may live through several connections, never through another session. */
import type { Clock, Timer } from '../../base/clock.ts'
import { MutableSignal } from '../../base/signal.ts'
import { hasCode, PvcError } from '../../model/errors.ts'
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
import { decodeDocument, encodeDocument } from './document.ts'
import { Lease, PING_INTERVAL_MS } from './lease.ts'
import type { NativeClient, NativeStat, WatchEvent } from './native.ts'
import { type Request, Requests } from './requests.ts'
import { RC } from './return-code.ts'
import { Watches } from './watches.ts'

const CREATE_FLAGS: Readonly<Record<CreateMode, number>> = {
  persistent: 0,
  ephemeral: 1,
  sequential: 2,
  'ephemeral-sequential': 3,
}

/** A znode may come and go while it is being watched; more rounds than this mean that something else is wrong. */
const MAX_WATCH_ROUNDS = 8

export type SessionOptions = {
  readonly clock: Clock
  /** Path prefix without a trailing slash; empty for the root itself. */
  readonly prefix: string
  readonly operationTimeoutMs: number
  /** When the attempt began that opened this session. */
  readonly startedAtMs: number
}

/** See {@link StoreSession}; the methods below the port belong to the connection that keeps the session. */
export class ZooKeeperSession implements StoreSession {
  readonly id: string
  readonly password: string
  readonly state = new MutableSignal<SessionState>('connected')
  readonly timeoutMs: number
  readonly watches = new Watches()
  readonly #options: SessionOptions
  readonly #lease: Lease
  readonly #listeners = new Set<(path: string, kind: ChangeKind) => void>()
  readonly #requests: Requests
  #pingTimer: Timer | undefined
  #isPinging = false

  constructor(native: NativeClient, options: SessionOptions) {
    this.id = native.client_id
    this.password = native.client_password
    this.timeoutMs = native.timeout
    this.#options = options
    const { clock, operationTimeoutMs, startedAtMs } = options
    this.#lease = new Lease(startedAtMs)
    this.#requests = new Requests(native, { clock, operationTimeoutMs, state: this.state, lease: this.#lease })
    this.#ping()
  }

  lastAckSentAtMs(): number {
    return this.#lease.contactMs
  }

  leaseValidForMs(): number {
    if (this.state.value === 'lost') return 0
    return this.#lease.validForMs(this.#options.clock.nowMs(), this.timeoutMs)
  }

  async get<T>(key: Key<T>): Promise<Versioned<T> | undefined> {
    const node = await this.#read(key.path, false)
    return node && decodeDocument(key, node)
  }

  async create<T>(key: Key<T>, value: T, mode: CreateMode = 'persistent'): Promise<{ readonly path: string }> {
    const created = await this.#create(key.path, this.#full(key.path), encodeDocument(key, value), mode)
    return { path: created.slice(this.#options.prefix.length) }
  }

  async set<T>(key: Key<T>, value: T, version: number): Promise<Written> {
    const text = encodeDocument(key, value)
    const full = this.#full(key.path)
    return this.#requests.run({
      op: 'set',
      path: key.path,
      send: (native, answer) => native.a_set(full, text, version, answer),
      pick: (stat) => {
        const { version: newVersion, mzxid } = stat as NativeStat
        return { version: newVersion, mzxid: BigInt(mzxid) }
      },
    })
  }

  async replaceEphemeral<T>(key: Key<T>, value: T, version: number): Promise<void> {
    const [full, text] = [this.#full(key.path), encodeDocument(key, value)]
    const send: Request<void>['send'] = (native, answer) =>
      native.a_replace(full, text, version, CREATE_FLAGS.ephemeral, answer)
    await this.#requests.run({ op: 'replace', path: key.path, send, pick: () => undefined })
  }

  remove(path: string, version = -1): Promise<void> {
    const full = this.#full(path)
    return this.#requests.run({
      op: 'remove',
      path,
      send: (native, answer) => native.a_delete_(full, version, answer),
      pick: () => undefined,
    })
  }

  children(path: string): Promise<readonly string[] | undefined> {
    return this.#children(path, false)
  }

  sync(): Promise<void> {
    return this.#requests.run({
      op: 'sync',
      path: '/',
      send: (native, answer) => native.a_sync(this.#full('/'), answer),
      pick: () => undefined,
    })
  }

  async ensure(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#createUnlessThere(path, this.#full(path))
  }

  async readWatched(path: string, whenAbsent: 'watch' | 'ignore' = 'watch'): Promise<RawNode | undefined> {
    for (let round = 0; round < MAX_WATCH_ROUNDS; round += 1) {
      const node = await this.#read(path, true)
      if (node || whenAbsent === 'ignore' || !(await this.#exists(path, 'data'))) return node
    }
    throw new PvcError('PVC_STORE_UNAVAILABLE', `get ${path}: the znode comes and goes`, { details: { path } })
  }

  async childrenWatched(path: string): Promise<readonly string[] | undefined> {
    for (let round = 0; round < MAX_WATCH_ROUNDS; round += 1) {
      const names = await this.#children(path, true)
      if (names || !(await this.#exists(path, 'children'))) return names
    }
    throw new PvcError('PVC_STORE_UNAVAILABLE', `children ${path}: the znode comes and goes`, { details: { path } })
  }

  onChange(listener: (path: string, kind: ChangeKind) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Creates the znodes above and at the root of the tree. */
  async ensureRoot(): Promise<void> {
    const parts = this.#options.prefix.split('/').slice(1)
    for (const [index] of parts.entries()) {
      const full = `/${parts.slice(0, index + 1).join('/')}`
      await this.#createUnlessThere(full, full)
    }
  }

  /** Sending time of the newest acknowledged request of any kind: how long ago the session surely lived. */
  get lastAckMs(): number {
    return this.#lease.lastAckMs
  }

  /** The connection is gone, the session may live. */
  suspend(): void {
    if (this.state.value !== 'connected') return
    this.#pingTimer?.cancel()
    this.state.set('suspended')
  }

  /** Connected again; `native` is another client when the session was taken up by a new one, which has no watches. */
  resume(native: NativeClient): void {
    this.#requests.endUndecided(RC.connectionLoss)
    if (this.#requests.use(native)) this.watches.clear()
    this.state.set('connected')
    this.#ping()
  }

  /** The session is over for ever. */
  lose(): void {
    this.#pingTimer?.cancel()
    this.state.set('lost')
    this.#requests.endUndecided(RC.sessionExpired)
    this.watches.clear()
    this.#listeners.clear()
  }

  /** The native client is gone and its session is being taken up again: nothing in flight can still be answered. */
  detach(): void {
    this.suspend()
    this.#requests.endUndecided(RC.connectionLoss)
  }

  /** A watch of this session's client fired. */
  fire(event: WatchEvent, fullPath: string): void {
    const { prefix } = this.#options
    const path = fullPath.slice(prefix.length) || '/'
    for (const kind of this.watches.fired(event, path)) {
      for (const listener of [...this.#listeners]) listener(path, kind)
    }
  }

  #full(path: string): string {
    const { prefix } = this.#options
    if (path === '/') return prefix || '/'
    return prefix + path
  }

  #read(path: string, watch: boolean): Promise<RawNode | undefined> {
    if (watch) this.watches.reserve(path, 'data')
    const full = this.#full(path)
    return this.#orAbsent<RawNode>({
      op: 'get',
      path,
      send: (native, answer) => native.a_get(full, watch, answer),
      pick: (stat, data) => rawNode(stat as NativeStat, data as Buffer | null),
      failed: () => watch && this.watches.release(path, 'data'),
    })
  }

  #children(path: string, watch: boolean): Promise<readonly string[] | undefined> {
    if (watch) this.watches.reserve(path, 'children')
    const full = this.#full(path)
    return this.#orAbsent<readonly string[]>({
      op: 'children',
      path,
      send: (native, answer) => native.a_get_children(full, watch, answer),
      pick: (names) => names as string[],
      failed: () => watch && this.watches.release(path, 'children'),
    })
  }

  /** Arms the watch that waits for a creation; counted under the kind it was asked for. */
  async #exists(path: string, kind: ChangeKind): Promise<boolean> {
    this.watches.reserve(path, kind)
    const full = this.#full(path)
    const found = await this.#orAbsent<true>({
      op: 'exists',
      path,
      send: (native, answer) => native.a_exists(full, true, answer),
      pick: () => true,
      failed: (rc) => rc !== RC.noNode && this.watches.release(path, kind),
    })
    return found === true
  }

  #create(path: string, full: string, text: string, mode: CreateMode): Promise<string> {
    return this.#requests.run({
      op: 'create',
      path,
      send: (native, answer) => native.a_create(full, text, CREATE_FLAGS[mode], answer),
      pick: String,
    })
  }

  async #createUnlessThere(path: string, full: string): Promise<void> {
    try {
      await this.#create(path, full, '', 'persistent')
    } catch (error) {
      if (!hasCode(error, 'PVC_STORE_EXISTS')) throw error
    }
  }

  async #orAbsent<T>(request: Request<T>): Promise<T | undefined> {
    try {
      return await this.#requests.run(request)
    } catch (error) {
      if (hasCode(error, 'PVC_STORE_MISSING')) return undefined
      throw error
    }
  }

  /** Keeps the lease of an idle session; an answer that does not come is seen by the lease running out. */
  #ping(): void {
    this.#pingTimer?.cancel()
    if (this.state.value !== 'connected') return
    this.#pingTimer = this.#options.clock.setTimer(PING_INTERVAL_MS, () => this.#ping())
    if (this.#isPinging) return
    this.#isPinging = true
    const done = () => {
      this.#isPinging = false
    }
    this.sync().then(done, done)
  }
}

function rawNode(stat: NativeStat, data: Buffer | null): RawNode {
  return {
    text: data?.toString('utf8') ?? '',
    version: stat.version,
    mzxid: BigInt(stat.mzxid),
    czxid: BigInt(stat.czxid),
    ephemeralOwner: stat.ephemeralOwner,
  }
}
