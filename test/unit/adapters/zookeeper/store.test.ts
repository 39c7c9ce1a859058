/** The connection's state machine over a client library that is played by the test. */
import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import type { Connection, Credentials, NativeClient, NativeEvents } from '../../../../src/adapters/zookeeper/native.ts'
import { createZooKeeperStore } from '../../../../src/adapters/zookeeper/store.ts'
import type { Store } from '../../../../src/ports/store.ts'
import { silentLog } from '../../view/documents.ts'

type Played = {
  readonly attach: Credentials | undefined
  readonly events: NativeEvents
  /** Requests without an answer. */
  readonly unanswered: ((rc: number, message: string) => void)[]
  isClosed: boolean
}

const TIMEOUT_MS = 6000
let clock: ManualClock
let played: Played[]
let store: Store
/** False: requests get no answer. */
let isAnswering: boolean
/** False: only reads get an answer, as from a server that has lost the others. */
let hasLeader: boolean

function open(options: { attach?: Credentials }, events: NativeEvents): Connection {
  const one: Played = { attach: options.attach, events, unanswered: [], isClosed: false }
  const answer = (reply: (rc: number, message: string) => void, isRead = false) => {
    if (isAnswering && (isRead || hasLeader)) queueMicrotask(() => reply(0, 'ok'))
    else one.unanswered.push(reply)
    return 0
  }
  const native = {
    client_id: options.attach?.id ?? `session${played.length}`,
    client_password: 'secret',
    timeout: TIMEOUT_MS,
    a_create: (_path: string, _data: string, _flags: number, reply: () => void) => answer(reply),
    a_get_children: (_path: string, _watch: boolean, reply: () => void) => answer(reply, true),
    a_sync: (_path: string, reply: () => void) => answer(reply),
    a_delete_: (_path: string, _version: number, reply: () => void) => answer(reply),
  } as unknown as NativeClient
  played.push(one)
  return {
    native,
    close() {
      one.isClosed = true
    },
  }
}

const last = () => played.at(-1) as Played

beforeEach(() => {
  clock = new ManualClock()
  played = []
  isAnswering = true
  hasLeader = true
  store = createZooKeeperStore({
    servers: ['127.0.0.1:2181'],
    root: '/pvc',
    sessionTimeoutMs: TIMEOUT_MS,
    clock,
    log: silentLog,
    open,
  })
})

async function connect(): Promise<void> {
  last().events.connect()
  await clock.advance(0)
}

describe('a connection', () => {
  it('takes IP addresses only', () => {
    for (const server of ['zk1:2181', '127.0.0.1', 'localhost:2181']) {
      const make = () =>
        createZooKeeperStore({ servers: [server], root: '/', sessionTimeoutMs: 6000, clock, log: silentLog, open })
      expect(make).toThrow(expect.objectContaining({ code: 'PVC_CONFIG_INVALID' }))
    }
  })

  it('whose client never connects is given a new client, again and again', async () => {
    await clock.advance(TIMEOUT_MS * 2.5)
    expect(played.map(({ isClosed }) => isClosed)).toEqual([true, true, false])
    await connect()
    expect(store.session.value?.state.value).toBe('connected')
  })

  it('whose client gets stuck while it reconnects is given a new client that takes up the same session', async () => {
    await connect()
    const session = store.session.value
    last().events.connecting()
    expect(session?.state.value).toBe('suspended')
    await clock.advance(TIMEOUT_MS)
    expect(played).toHaveLength(2)
    expect(last().attach).toEqual({ id: 'session0', password: 'secret' })
    await connect()
    expect(store.session.value).toBe(session)
    expect(session?.state.value).toBe('connected')
  })

  it('asks the servers once when the client calls a session over that can still live', async () => {
    await connect()
    const session = store.session.value
    last().events.close(-112)
    expect(session?.state.value).toBe('suspended')
    await clock.advance(100)
    expect(last().attach?.id).toBe('session0')
    last().events.close(-112)
    expect(session?.state.value).toBe('lost')
    expect(store.session.value).toBeUndefined()
    await clock.advance(100)
    expect(last().attach).toBeUndefined()
    await connect()
    expect(store.session.value?.id).toBe('session2')
  })

  it('asks again after a session that was taken up is called over once more', async () => {
    await connect()
    for (let round = 0; round < 3; round += 1) {
      last().events.close(-112)
      await clock.advance(100)
      await connect()
    }
    expect(store.session.value?.id).toBe('session0')
  })

  it('believes the client when the session cannot live any more', async () => {
    await connect()
    const session = store.session.value
    last().events.connecting()
    isAnswering = false
    await clock.advance(TIMEOUT_MS - 1)
    await clock.advance(1)
    last().events.close(-112)
    expect(session?.state.value).toBe('lost')
  })

  it.each([
    { ends: 'unknown when the session lives on', isAlive: true, code: 'PVC_STORE_TIMEOUT' },
    { ends: 'with the session when that is over', isAlive: false, code: 'PVC_STORE_SESSION_LOST' },
  ])('ends a write in flight as $ends', async ({ isAlive, code }) => {
    await connect()
    isAnswering = false
    // As after a freeze: the session is over, and nobody has noticed yet.
    if (!isAlive) clock.advanceSync(TIMEOUT_MS)
    const removal = store.session.value?.remove('/a').catch((error: { code: string }) => error.code)
    const { unanswered, events } = last()
    // The library ends what is in flight first and reports the end of the session afterwards.
    for (const reply of unanswered) reply(-116, 'closing')
    events.close(-112)
    await clock.advance(100)
    if (isAlive) await connect()
    expect(await removal).toBe(code)
  })

  it('gives up on an answer that does not come', async () => {
    await connect()
    isAnswering = false
    const removal = store.session.value?.remove('/a').catch((error: { code: string }) => error.code)
    await clock.advance(5000)
    expect(await removal).toBe('PVC_STORE_TIMEOUT')
  })

  it('is not certain of its session by reads alone', async () => {
    await connect()
    await clock.advance(2000)
    const session = store.session.value
    hasLeader = false
    const lostAtMs = clock.nowMs()
    for (let read = 0; read < 40; read += 1) {
      await session?.children('/')
      await clock.advance(100)
    }
    expect(session?.lastAckSentAtMs()).toBeLessThanOrEqual(lostAtMs)
    expect(session?.leaseValidForMs()).toBeLessThan(TIMEOUT_MS - 4000)
    expect(session?.leaseValidForMs()).toBeGreaterThan(0)
    hasLeader = true
    await clock.advance(6000)
    expect(session?.leaseValidForMs()).toBeGreaterThan(TIMEOUT_MS - 2000)
  })

  it('is not shown before the root of the tree exists', async () => {
    isAnswering = false
    await connect()
    expect(store.session.value).toBeUndefined()
    isAnswering = true
    await clock.advance(5100)
    expect(store.session.value?.state.value).toBe('connected')
  })

  it('being closed does not begin anew when its client ends first', async () => {
    await connect()
    const closed = store.close()
    last().events.close(-112)
    await closed
    await clock.advance(60_000)
    expect(played).toHaveLength(1)
    expect(store.session.value).toBeUndefined()
  })

  it('once closed does nothing more', async () => {
    await connect()
    await store.close()
    await clock.advance(60_000)
    expect(played).toHaveLength(1)
    expect(clock.pendingTimers).toBe(0)
  })
})
