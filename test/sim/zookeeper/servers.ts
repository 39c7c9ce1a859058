/** The ZooKeeper ensemble of the simulation: sessions by the servers' clock, quorum, leader, lagging and rolled-back servers. */
import { FakeTree, type TreeChange, type TreeView } from '../../../src/adapters/fake/store-tree.ts'
import type { WatchEvent } from '../../../src/adapters/zookeeper/native.ts'
import type { CreateMode } from '../../../src/ports/store.ts'
import type { Engine } from '../engine/engine.ts'
import type { Random } from '../engine/random.ts'

/** What one connected client is told by its server. */
export type ServerEnd = {
  watch(event: WatchEvent, path: string): void
  /** The server closes the connection. */
  dropped(): void
}

/** One session as the servers know it. */
export type ServerSession = {
  readonly id: string
  readonly timeoutMs: number
  /** Name of the process that opened it, for the oracle. */
  readonly owner: string
  readonly data: Set<string>
  readonly children: Set<string>
  lastHeardMs: number
  end: ServerEnd | undefined
  /** Watches that fired while nobody was there to hear. */
  missed: { readonly event: WatchEvent; readonly path: string }[]
  /** What its server knows while it lags behind. */
  lag: TreeView | undefined
}

/** A write, so that a tree can be made again without the last ones. */
type Write = (tree: FakeTree) => void

/** What an onlooker is told of every write: the document before and after, undefined where there is none. */
export type WriteWatcher = (path: string, before: string | undefined, after: string | undefined, owner: string) => void

/** Servers look at their sessions this often. */
const TICK_MS = 500
/** A new leader is chosen within this time once the old one is missed. */
const ELECTION_MS = 450
/** Followers miss a silent leader after this time (syncLimit 6). */
const SYNC_LIMIT_MS = 3000

export class SimServers {
  readonly sessions = new Map<string, ServerSession>()
  readonly engine: Engine
  /** Told of every write that is applied. */
  onWrite: WriteWatcher = () => undefined
  /** Told of a session nothing was heard of, while what it holds is still there. */
  onExpired: (session: ServerSession) => void = () => undefined
  #tree: FakeTree
  #isServing = true
  #stoppedAtMs = 0
  #nextSession = 0x100
  #log: Write[] = []
  #isReplaying = false
  readonly #random: Random
  /** Servers by the host they run on; false: it cannot be part of a quorum. */
  readonly #members = new Map<string, boolean>()
  /** When a server that was cut off notices. */
  readonly #silentSinceMs = new Map<string, number>()
  /** When the servers notice, or noticed, that their leader is gone. */
  #missedAtMs = Number.POSITIVE_INFINITY
  #leader = ''
  #holds = 0

  constructor(engine: Engine, random: Random, hosts: readonly string[]) {
    this.engine = engine
    this.#random = random
    for (const host of hosts) this.#members.set(host, true)
    this.#leader = hosts[0] ?? ''
    this.#tree = this.#newTree()
  }

  get tree(): FakeTree {
    return this.#tree
  }
  get isServing(): boolean {
    return this.#isServing
  }
  get leader(): string {
    return this.#leader
  }
  /** Time since which no quorum serves; undefined while one does. */
  get stoppedAtMs(): number | undefined {
    return this.#isServing ? undefined : this.#stoppedAtMs
  }

  /** What a host's server says of itself: one that lost the others notices it after a while. */
  stateOf(host: string): 'serving' | 'not-serving' {
    const isPart = this.#isServing && this.#members.get(host) === true
    const lostAtMs = Math.min(this.#silentSinceMs.get(host) ?? Number.POSITIVE_INFINITY, this.#missedAtMs)
    return isPart || this.engine.nowMs < lostAtMs ? 'serving' : 'not-serving'
  }

  /** A server leaves or joins. `isSilent`: it stops without closing its connections, so that it must be missed first. */
  setMember(host: string, isUp: boolean, isSilent: boolean): void {
    if (!this.#members.has(host) || this.#members.get(host) === isUp) return
    this.#members.set(host, isUp)
    this.#silentSinceMs.set(host, isUp ? Number.POSITIVE_INFINITY : this.engine.nowMs + SYNC_LIMIT_MS)
    if (isUp || host === this.#leader || !this.#hasMajority()) this.#elect(isSilent && host === this.#leader)
  }

  /** No quorum for a time, whatever the members are. */
  interrupt(durationMs: number): void {
    this.#holds += 1
    this.#missedAtMs = this.engine.nowMs
    this.#stop()
    this.engine.after(durationMs, 'zookeeper: interruption ends', () => {
      this.#holds -= 1
      this.#elect(false)
    })
  }

  open(owner: string, timeoutMs: number): ServerSession {
    const id = (this.#nextSession++).toString(16)
    const session: ServerSession = {
      id,
      timeoutMs,
      owner,
      data: new Set(),
      children: new Set(),
      lastHeardMs: this.engine.nowMs,
      end: undefined,
      missed: [],
      lag: undefined,
    }
    this.sessions.set(id, session)
    this.#watchExpiry(session)
    return session
  }

  /** The session is over: by request, or because nothing was heard of it. */
  end(session: ServerSession, why: string): void {
    if (!this.sessions.delete(session.id)) return
    this.engine.note(`  session ${session.id} of ${session.owner} ${why}`)
    this.#write(session.owner, (tree) => tree.removeEphemerals(session.id))
    session.end?.dropped()
    session.end = undefined
  }

  create(session: ServerSession, path: string, text: string, mode: CreateMode): string {
    let full = path
    this.#write(session.owner, (tree) => {
      full = tree.create(path, text, mode, session.id)
    })
    return full
  }
  set(session: ServerSession, path: string, text: string, version: number): void {
    this.#write(session.owner, (tree) => void tree.set(path, text, version))
  }
  replace(session: ServerSession, path: string, text: string, version: number): void {
    this.#write(session.owner, (tree) => tree.replaceEphemeral(path, text, version, session.id))
  }
  remove(session: ServerSession, path: string, version: number | undefined): void {
    this.#write(session.owner, (tree) => tree.remove(path, version))
  }

  /** The last writes are lost although they were acknowledged; clients connect anew. */
  rollBack(writes: number): void {
    const kept = this.#log.slice(0, Math.max(0, this.#log.length - writes))
    const { zxid } = this.#tree
    this.#isReplaying = true
    const tree = this.#newTree()
    for (const write of kept) write(tree)
    tree.skipTo(zxid + 1_000_000n)
    this.#tree = tree
    this.#log = kept
    this.#isReplaying = false
    this.#texts.clear()
    for (const [path, text] of tree.dump()) this.#texts.set(path, text)
    for (const session of this.sessions.values()) this.#drop(session)
  }

  /** From now on the server of this session stops following, until a write or a sync of the session. */
  lagBehind(session: ServerSession): void {
    session.lag = this.#tree.snapshot()
  }

  caughtUp(session: ServerSession): void {
    if (session.lag === undefined) return
    session.lag = undefined
    this.deliverMissed(session)
  }

  deliverMissed(session: ServerSession): void {
    if (session.end === undefined || session.lag !== undefined) return
    const missed = session.missed
    session.missed = []
    for (const { event, path } of missed) session.end.watch(event, path)
  }

  #newTree(): FakeTree {
    return new FakeTree((changes) => {
      if (!this.#isReplaying) this.#fire(changes)
    })
  }

  #write(owner: string, write: Write): void {
    const seen = this.#watched(owner, write)
    this.#log.push(write)
    seen()
  }

  /** Applies a write; the returned function tells the onlooker. */
  #watched(owner: string, write: Write): () => void {
    const before = new Map<string, string | undefined>()
    this.#touch = (path, text) => before.has(path) || before.set(path, text)
    try {
      write(this.#tree)
    } finally {
      this.#touch = undefined
    }
    return () => {
      for (const [path, text] of before) this.onWrite(path, text, this.#tree.get(path)?.text, owner)
    }
  }
  #touch: ((path: string, text: string | undefined) => void) | undefined
  readonly #texts = new Map<string, string>()

  #remember(path: string): void {
    const text = this.#tree.get(path)?.text
    if (text === undefined) this.#texts.delete(path)
    else this.#texts.set(path, text)
  }

  #fire(changes: readonly TreeChange[]): void {
    for (const { path, kind } of changes) {
      if (kind !== 'children') {
        this.#touch?.(path, this.#texts.get(path))
        this.#remember(path)
      }
      for (const session of this.sessions.values()) this.#fireAt(session, path, kind)
    }
  }

  #fireAt(session: ServerSession, path: string, kind: TreeChange['kind']): void {
    const isData = kind !== 'children' && session.data.delete(path)
    const isChildren = (kind === 'children' || kind === 'deleted') && session.children.delete(path)
    if (!isData && !isChildren) return
    const event = kind === 'children' ? 'child' : kind
    if (session.end === undefined || session.lag !== undefined) session.missed.push({ event, path })
    else session.end.watch(event, path)
  }

  #watchExpiry(session: ServerSession): void {
    const dueMs = session.lastHeardMs + session.timeoutMs
    const waitMs = Math.max(TICK_MS, Math.ceil((dueMs - this.engine.nowMs) / TICK_MS) * TICK_MS)
    this.engine.after(waitMs, `zookeeper: looks at session ${session.id}`, () => {
      if (!this.sessions.has(session.id)) return
      // Nobody is there to end a session while there is no quorum.
      const isOver = this.#isServing && session.lastHeardMs + session.timeoutMs <= this.engine.nowMs
      if (isOver) this.onExpired(session)
      if (isOver) this.end(session, 'expired')
      else this.#watchExpiry(session)
    })
  }

  #hasMajority(): boolean {
    const up = [...this.#members.values()].filter((isUp) => isUp).length
    return this.#holds === 0 && up * 2 > this.#members.size
  }

  #elect(isSilent: boolean): void {
    if (this.#hasMajority() && this.#members.get(this.#leader) === true && this.#isServing) return
    this.#stop()
    const missMs = isSilent ? SYNC_LIMIT_MS : 0
    this.#missedAtMs = this.engine.nowMs + missMs
    this.engine.after(missMs + this.#random.int(200, ELECTION_MS), 'zookeeper: election', () => {
      if (this.#isServing || !this.#hasMajority()) return
      const up = [...this.#members].filter(([, isUp]) => isUp).map(([host]) => host)
      this.#leader = this.#random.pick(up)
      this.#isServing = true
      this.#missedAtMs = Number.POSITIVE_INFINITY
      // A new leader times all sessions anew.
      for (const session of this.sessions.values()) session.lastHeardMs = this.engine.nowMs
      this.engine.note(`  ${this.#leader} leads`)
    })
  }

  #stop(): void {
    if (!this.#isServing) return
    this.#isServing = false
    this.#stoppedAtMs = this.engine.nowMs
    for (const session of this.sessions.values()) this.#drop(session)
  }

  #drop(session: ServerSession): void {
    const { end } = session
    session.end = undefined
    end?.dropped()
  }
}
