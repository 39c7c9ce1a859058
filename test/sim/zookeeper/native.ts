/** The C client of ZooKeeper as the adapter sees it: one connection at a time to one server, requests and answers in order. */
import type { TreeView } from '../../../src/adapters/fake/store-tree.ts'
import type {
  Credentials,
  NativeClient,
  NativeEvents,
  NativeStat,
  WatchEvent,
} from '../../../src/adapters/zookeeper/native.ts'
import { RC } from '../../../src/adapters/zookeeper/return-code.ts'
import { PvcError } from '../../../src/model/errors.ts'
import type { CreateMode, RawNode } from '../../../src/ports/store.ts'
import type { Strike } from '../engine/gate.ts'
import type { SimProcess } from '../engine/process.ts'
import type { Random } from '../engine/random.ts'
import type { ServerEnd, ServerSession, SimServers } from './servers.ts'

/** The way between one client and the servers. */
export type Link = {
  /** A request sent now would arrive. */
  requestsPass(): boolean
  /** An answer sent now would arrive. */
  answersPass(): boolean
  /** More time than usual for one message, in ms. */
  slowMs: number
}

export type NativeOptions = {
  readonly servers: SimServers
  readonly process: SimProcess
  readonly random: Random
  readonly link: Link
  readonly strike: Strike
  /** Which connection of its process it is, for traces: `zk` or `lease`. */
  readonly label: string
}

type Answer = (rc: number, message: string, ...rest: never[]) => void
type Reply = readonly [rc: number, ...rest: unknown[]]

const PAST_THE_LEADER: readonly string[] = ['sync', 'create', 'set', 'remove', 'replace']
const MODES: readonly CreateMode[] = ['persistent', 'ephemeral', 'sequential', 'ephemeral-sequential']

export class SimNative implements NativeClient {
  emit: NativeClient['emit'] = () => undefined
  readonly timeout: number
  readonly #options: NativeOptions
  readonly #events: NativeEvents
  readonly #attach: Credentials | undefined
  #session: ServerSession | undefined
  /** The end of our connection at its server, while the server knows of it. */
  #ownEnd: ServerEnd | undefined
  #state: 'connecting' | 'connected' | 'closed' = 'connecting'
  #connection = 0
  #lastHeardMs = 0
  #requestAtMs = 0
  #answerAtMs = 0
  readonly #inFlight = new Map<number, Answer>()
  #requests = 0

  constructor(options: NativeOptions, timeoutMs: number, attach: Credentials | undefined, events: NativeEvents) {
    this.#options = options
    this.#events = events
    this.#attach = attach
    this.timeout = timeoutMs
    this.#connectLater(1, 10)
  }

  get client_id(): string {
    return this.#session?.id ?? '0'
  }
  get client_password(): string {
    return `secret of ${this.client_id}`
  }

  init(): void {
    throw new Error('a simulated client is connected by its constructor')
  }

  close(): void {
    const session = this.#session
    const wasConnected = this.#state === 'connected'
    this.#state = 'closed'
    this.#inFlight.clear()
    if (!session || !wasConnected) return
    const { servers, link } = this.#options
    servers.engine.after(this.#delayMs(), `${this.#who}: close`, () => {
      if (link.requestsPass() && servers.isServing) servers.end(session, 'closed')
    })
  }

  a_create(path: string, data: string, flags: number, answer: Answer): number {
    return this.#request(`create ${path}`, answer, (session) => [
      RC.ok,
      this.#options.servers.create(session, path, data, MODES[flags] ?? 'persistent'),
    ])
  }
  a_exists(path: string, watch: boolean, answer: Answer): number {
    return this.#request(`exists ${path}`, answer, (session) => {
      if (watch) session.data.add(path)
      const node = this.#view(session).get(path)
      return node ? [RC.ok, stat(node)] : [RC.noNode, null]
    })
  }
  a_get(path: string, watch: boolean, answer: Answer): number {
    return this.#request(`get ${path}`, answer, (session) => {
      const node = this.#view(session).get(path)
      if (node === undefined) return [RC.noNode, null, null]
      if (watch) session.data.add(path)
      return [RC.ok, stat(node), node.text === '' ? null : Buffer.from(node.text)]
    })
  }
  a_get_children(path: string, watch: boolean, answer: Answer): number {
    return this.#request(`children ${path}`, answer, (session) => {
      const names = this.#view(session).children(path)
      if (names === undefined) return [RC.noNode, null]
      if (watch) session.children.add(path)
      return [RC.ok, names]
    })
  }
  a_set(path: string, data: string, version: number, answer: Answer): number {
    return this.#request(`set ${path}`, answer, (session) => {
      const { servers } = this.#options
      servers.set(session, path, data, version)
      const node = servers.tree.get(path)
      return [RC.ok, node ? stat(node) : null]
    })
  }
  a_delete_(path: string, version: number, answer: Answer): number {
    return this.#request(`remove ${path}`, answer, (session) => {
      this.#options.servers.remove(session, path, version < 0 ? undefined : version)
      return [RC.ok]
    })
  }
  a_replace(path: string, data: string, version: number, _flags: number, answer: Answer): number {
    return this.#request(`replace ${path}`, answer, (session) => {
      this.#options.servers.replace(session, path, data, version)
      return [RC.ok]
    })
  }
  a_sync(_path: string, answer: Answer): number {
    return this.#request('sync', answer, () => [RC.ok, '/'])
  }

  get #who(): string {
    const { process, label } = this.#options
    return `${process.name}: ${label}`
  }

  #view(session: ServerSession): TreeView {
    return session.lag ?? this.#options.servers.tree
  }

  #request(what: string, answer: Answer, serve: (session: ServerSession) => Reply): number {
    const session = this.#session
    if (this.#state !== 'connected' || !session) return RC.invalidState
    const { servers, link, strike, process, label } = this.#options
    const connection = this.#connection
    this.#requests += 1
    const number = this.#requests
    this.#inFlight.set(number, answer)
    this.#requestAtMs = Math.max(servers.engine.nowMs + this.#delayMs(), this.#requestAtMs)
    const verb = what.split(' ', 1)[0] ?? ''
    const moment = { process: process.name, call: `${label}.${verb}` }
    servers.engine.after(this.#requestAtMs - servers.engine.nowMs, `${this.#who}: ${what}`, () => {
      if (verb !== 'sync') strike({ ...moment, phase: 'before' })
      const isHeard = link.requestsPass() && servers.isServing && session.end === this.#ownEnd
      if (!isHeard || connection !== this.#connection) return
      session.lastHeardMs = servers.engine.nowMs
      // Whatever passes the leader brings the server up to date.
      if (PAST_THE_LEADER.includes(verb)) servers.caughtUp(session)
      const reply = attempt(() => serve(session))
      this.#toClient(connection, () => {
        this.#inFlight.delete(number)
        answer(reply[0], '', ...(reply.slice(1) as never[]))
      })
      if (verb !== 'sync') strike({ ...moment, phase: 'after' })
    })
    return RC.ok
  }

  /** Answers and watches reach the client in the order in which the server sent them. */
  #toClient(connection: number, tell: () => void, missed: () => void = () => undefined): void {
    const { servers, process, link, random } = this.#options
    const { engine } = servers
    const delayMs = random.chance(0.1) ? random.int(1, 10) : 0
    this.#answerAtMs = Math.max(engine.nowMs + delayMs + link.slowMs, this.#answerAtMs)
    const arrive = () => {
      if (!link.answersPass()) return missed()
      process.run(() => {
        if (connection !== this.#connection || this.#state !== 'connected') return missed()
        this.#lastHeardMs = engine.nowMs
        tell()
      })
    }
    if (this.#answerAtMs > engine.nowMs) engine.after(this.#answerAtMs - engine.nowMs, `${this.#who}: hears`, arrive)
    // Not from inside the server's own work.
    else queueMicrotask(arrive)
  }

  #connectLater(lowMs: number, highMs: number): void {
    const { process, random } = this.#options
    process.clock.setTimer(random.int(lowMs, highMs), () => this.#connect())
  }

  #connect(): void {
    const { servers, link } = this.#options
    if (this.#state !== 'connecting') return
    if (!servers.isServing || !link.requestsPass() || !link.answersPass()) {
      this.#connectLater(100, 600)
      return
    }
    const attach = this.#session?.id ?? this.#attach?.id
    const session = attach === undefined ? servers.open(this.#who, this.timeout) : servers.sessions.get(attach)
    if (session === undefined) {
      this.#state = 'closed'
      this.#fail(RC.closing)
      this.#events.close(RC.sessionExpired)
      return
    }
    // The session moves here; whoever had it hears no more.
    session.end?.dropped()
    this.#session = session
    this.#connection += 1
    this.#state = 'connected'
    this.#lastHeardMs = servers.engine.nowMs
    session.lastHeardMs = servers.engine.nowMs
    this.#ownEnd = this.#end(this.#connection, session)
    session.end = this.#ownEnd
    if (this.#attach !== undefined && this.#connection === 1) {
      session.data.clear()
      session.children.clear()
      session.missed = []
    }
    this.#watchSilence(this.#connection)
    this.#events.connect()
    servers.deliverMissed(session)
  }

  #end(connection: number, session: ServerSession): ServerEnd {
    const { servers, process, link, random } = this.#options
    return {
      watch: (event: WatchEvent, path: string) => {
        // At its reconnect the client names its watches, and is told what it missed.
        const missed = () => void session.missed.push({ event, path })
        this.#toClient(connection, () => this.#events.watch(event, path), missed)
      },
      dropped: () =>
        servers.engine.after(random.int(1, 20), `${this.#who}: connection closed`, () => {
          if (link.answersPass()) process.run(() => this.#lost(connection))
        }),
    }
  }

  #watchSilence(connection: number): void {
    const { process, servers } = this.#options
    process.clock.setTimer(this.timeout / 3, () => {
      if (connection !== this.#connection || this.#state !== 'connected') return
      if (servers.engine.nowMs - this.#lastHeardMs >= (this.timeout * 2) / 3) this.#lost(connection)
      else this.#watchSilence(connection)
    })
  }

  #lost(connection: number): void {
    if (connection !== this.#connection || this.#state !== 'connected') return
    this.#state = 'connecting'
    if (this.#session && this.#session.end === this.#ownEnd) this.#session.end = undefined
    this.#connection += 1
    this.#fail(RC.connectionLoss)
    this.#events.connecting()
    this.#connectLater(1, 50)
  }

  #fail(rc: number): void {
    const answers = [...this.#inFlight.values()]
    this.#inFlight.clear()
    for (const answer of answers) answer(rc, '')
  }

  #delayMs(): number {
    const { random, link } = this.#options
    return random.int(1, 2000) / 1000 + link.slowMs
  }
}

function attempt(serve: () => Reply): Reply {
  try {
    return serve()
  } catch (error) {
    if (!(error instanceof PvcError) || typeof error.details['rc'] !== 'number') throw error
    return [error.details['rc'], null, null]
  }
}

function stat(node: RawNode): NativeStat {
  const { version, czxid, mzxid, ephemeralOwner } = node
  return { version, czxid: Number(czxid), mzxid: Number(mzxid), ephemeralOwner }
}
