import type { Signal } from '../base/signal.ts'
import type { Key } from '../schema/key.ts'

/**
 * connected: requests are answered. suspended: the connection is lost, the session may still live.
 * lost: the session is over for ever; its ephemerals are gone or will go.
 */
export type SessionState = 'connected' | 'suspended' | 'lost'

/** A document and the numbers its compare-and-set needs. */
export type Versioned<T> = {
  readonly value: T
  readonly version: number
  /** Transaction that last changed the document. */
  readonly mzxid: bigint
  /** Transaction that created the znode. */
  readonly czxid: bigint
  /** Session that owns an ephemeral znode, as hex; '0' for a permanent one. */
  readonly ephemeralOwner: string
}

/** What a write left behind. */
export type Written = { readonly version: number; readonly mzxid: bigint }

export type CreateMode = 'persistent' | 'ephemeral' | 'sequential' | 'ephemeral-sequential'

/** Text of a znode with its numbers, for the index. */
export type RawNode = Omit<Versioned<string>, 'value'> & { readonly text: string }

/** What a watch event names. `data`: created, changed or deleted. `children`: the set of children changed. */
export type ChangeKind = 'data' | 'children'

/**
 * One ZooKeeper session. Every operation belongs to this session alone (protocol N2): once it is lost, each rejects with
 * PVC_STORE_SESSION_LOST and the caller must decide anew in a new session. While suspended, operations reject at once with
 * PVC_STORE_UNAVAILABLE. Every operation has a deadline (PVC_STORE_TIMEOUT: outcome unknown, read again).
 * Nothing is retried inside: a write whose outcome is unknown rejects.
 */
export type StoreSession = {
  /** Session id as hex, as it stands in `ephemeralOwner`. */
  readonly id: string
  readonly state: Signal<SessionState>
  /** Session timeout negotiated with the servers. */
  readonly timeoutMs: number
  /**
   * How long this session is certain to live still: {@link lastAckSentAtMs} plus the timeout minus a margin, on the local
   * monotonic clock. Zero or less: nothing is certain any more.
   */
  leaseValidForMs(): number
  /**
   * Monotonic time at which the newest operation was sent that the leader of the ensemble surely knows of: the servers do
   * not end the session before this plus the timeout. Reads alone do not count, because a server that lost the leader
   * answers them for a while. On a connected idle session it is at most about one second old.
   */
  lastAckSentAtMs(): number

  /** @returns undefined when there is no such znode. @throws PVC_STORE_CORRUPT */
  get<T>(key: Key<T>): Promise<Versioned<T> | undefined>
  /** Creates the znode; its parent must exist. @returns its path (differs for sequential). @throws PVC_STORE_EXISTS, PVC_STORE_MISSING (parent), PVC_STORE_TOO_LARGE */
  create<T>(key: Key<T>, value: T, mode?: CreateMode): Promise<{ readonly path: string }>
  /** Compare-and-set. @throws PVC_STORE_VERSION, PVC_STORE_MISSING, PVC_STORE_TOO_LARGE */
  set<T>(key: Key<T>, value: T, version: number): Promise<Written>
  /**
   * Removes the znode when it still has `version` and creates it anew as an ephemeral of this session, in one transaction:
   * nobody sees it missing. @throws PVC_STORE_VERSION, PVC_STORE_MISSING, PVC_STORE_NOT_EMPTY
   */
  replaceEphemeral<T>(key: Key<T>, value: T, version: number): Promise<void>
  /** Removes the znode when it still has `version`; undefined: whatever the version. @throws PVC_STORE_VERSION, PVC_STORE_MISSING, PVC_STORE_NOT_EMPTY */
  remove(path: string, version?: number): Promise<void>
  /** Names of the children, or undefined when the znode does not exist. */
  children(path: string): Promise<readonly string[] | undefined>
  /** Makes the following reads at least as new as everything acknowledged before, to any client. */
  sync(): Promise<void>
  /** Creates missing permanent znodes without a document, parents first. */
  ensure(paths: readonly string[]): Promise<void>

  /**
   * Reads and arms a one-shot watch. When the znode does not exist, `watch` (the default) waits for its creation;
   * `ignore` arms nothing, for a reader who watches the parent's children anyway: a watch cannot be taken back.
   * @throws PVC_STORE_WATCH_LIMIT
   */
  readWatched(path: string, whenAbsent?: 'watch' | 'ignore'): Promise<RawNode | undefined>
  /** Lists children and arms a one-shot watch, also when the znode does not exist. @throws PVC_STORE_WATCH_LIMIT */
  childrenWatched(path: string): Promise<readonly string[] | undefined>
  /**
   * Called for each fired watch. The watch is gone then; read again to arm it. All watches may be gone after the state
   * went to suspended and back: read everything again.
   */
  onChange(listener: (path: string, kind: ChangeKind) => void): () => void
}

/**
 * The connection that keeps a session, and makes a new one after loss. Never reuses a lost session.
 */
export type Store = {
  /** The present session; undefined before the first connect and between loss and the next connect. */
  readonly session: Signal<StoreSession | undefined>
  /** Waits for a connected session. @throws PVC_STORE_UNAVAILABLE after `deadlineMs`. */
  connected(deadlineMs: number): Promise<StoreSession>
  /** Ends the session and the connection. Its ephemerals vanish as soon as the servers have the farewell, which is not waited for. */
  close(): Promise<void>
}
