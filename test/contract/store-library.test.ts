/** The client library's own faults, and what was put around them. */
import { spawn } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Connection, type NativeEvents, openConnection } from '../../src/adapters/zookeeper/native.ts'
import { WATCH_LIMITS } from '../../src/adapters/zookeeper/watches.ts'
import { recordStates, SESSION_TIMEOUT_MS, serverOf, useEnsemble } from './store-ensemble.ts'
import { codeOf, DEADLINE_MS, level, note } from './store-note.ts'
import { clock } from './store-world.ts'

const fixture = useEnsemble()

describe('when the client library is wrong or stuck', () => {
  let clients: { connection: Connection; events: NativeEvents }[]
  const open: typeof openConnection = (options, events) => {
    const connection = openConnection(options, events)
    clients.push({ connection, events })
    return connection
  }
  beforeEach(() => {
    clients = []
  })

  it('a session that it calls expired while it lives is taken up again: same object, same ephemerals', async () => {
    const client = await fixture.world.connect({ open })
    const session = await client.store.connected(DEADLINE_MS)
    await session.create(note('/e'), { n: 1 }, 'ephemeral')
    const states = recordStates(session)
    client.cut()
    await level('suspended', () => session.state.value === 'suspended')
    client.heal()
    clients[0]?.connection.close()
    clients[0]?.events.close(-112)
    expect(await client.store.connected(DEADLINE_MS)).toBe(session)
    expect(clients).toHaveLength(2)
    expect(states).toEqual(['suspended', 'connected'])
    expect((await session.get(note('/e')))?.ephemeralOwner).toBe(session.id)
    const seen: string[] = []
    session.onChange((path) => seen.push(path))
    await session.readWatched('/e')
    await session.set(note('/e'), { n: 2 }, 0)
    await level('a watch of the new client', () => seen.includes('/e'))
  })

  it('a session that the servers have ended is asked for once, then replaced', async () => {
    const client = await fixture.world.connect({ open })
    const session = await client.store.connected(DEADLINE_MS)
    const { id, password } = session as unknown as { id: string; password: string }
    await endSession({ id, password })
    await level('lost', () => session.state.value === 'lost')
    const next = await client.store.connected(DEADLINE_MS)
    expect(next.id).not.toBe(id)
    expect(clients.length).toBeLessThanOrEqual(3)
  })

  it('one that gets no answer to its first connection is replaced', async () => {
    const client = await fixture.world.connect({ open, sessionTimeoutMs: 4000 })
    client.proxy.mute()
    client.proxy.heal()
    const session = await client.store.connected(DEADLINE_MS)
    expect(session.state.value).toBe('connected')
  })

  it('a request that meets a broken connection harms no other socket, and the loss is noticed at once', async () => {
    const client = await fixture.world.connect()
    const session = await client.store.connected(DEADLINE_MS)
    const echo = await openEcho()
    try {
      for (let round = 0; round < 5; round += 1) {
        const cutAtMs = clock.nowMs()
        client.cut()
        // Sent before the event loop has seen the broken socket; the files opened next would get its number.
        const failed = [session.sync(), session.children('/'), session.children('/')].map(codeOf)
        const sockets = Array.from({ length: 4 }, () => echo.connect())
        await level('suspended', () => session.state.value === 'suspended')
        expect(clock.nowMs() - cutAtMs).toBeLessThan(SESSION_TIMEOUT_MS / 6)
        expect(await Promise.all(failed)).toEqual(Array(3).fill('PVC_STORE_UNAVAILABLE'))
        for (let turn = 1; turn <= 2; turn += 1) {
          for (const { socket } of sockets) socket.write('x')
          await level('every echo', () => sockets.every(({ received }) => received() === turn))
        }
        for (const { socket } of sockets) socket.destroy()
        client.heal()
        await client.store.connected(DEADLINE_MS)
      }
    } finally {
      echo.close()
    }
  })

  it('a connection is not inherited by a child process, and its end is seen although the child lives', async () => {
    const client = await fixture.world.connect()
    const session = await client.store.connected(DEADLINE_MS)
    const states = recordStates(session)
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    try {
      const fds = readdirSync(`/proc/${child.pid}/fd`)
      const targets = fds.map((fd) => readlinkSync(`/proc/${child.pid}/fd/${fd}`))
      expect(targets.filter((target) => target.startsWith('socket:'))).toEqual([])
      const server = await serverOf(client)
      const cpu = process.cpuUsage()
      await fixture.ensemble.kill(server)
      await level('connected again', () => states.includes('connected'))
      await fixture.ensemble.restart(server)
      expect(states.filter((state) => state === 'lost')).toEqual([])
      expect(process.cpuUsage(cpu).user / 1000).toBeLessThan(2000)
      expect(client.store.session.value).toBe(session)
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('many watches', () => {
  it('5,000 outlive a reconnect and fire after it; more than the limit are refused, and the rest goes on', async () => {
    const client = await fixture.world.connect()
    const session = await client.store.connected(DEADLINE_MS)
    const writer = await fixture.world.connectDirectly().connected(DEADLINE_MS)
    const path = (n: number) => `/00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
    const watch = (from: number, to: number) =>
      Promise.all(Array.from({ length: to - from }, (_, at) => session.readWatched(path(from + at))))
    await watch(0, 5000)
    const states = recordStates(session)
    const seen: string[] = []
    session.onChange((changed) => seen.push(changed))
    client.cut()
    await level('suspended', () => session.state.value === 'suspended')
    await writer.create(note(path(17)), { n: 1 })
    client.heal()
    await level('connected again', () => session.state.value === 'connected')
    await level('the watch that fired meanwhile', () => seen.includes(path(17)))
    await writer.create(note(path(4999)), { n: 1 })
    await level('a watch that fires after it', () => seen.includes(path(4999)))
    expect(states).toEqual(['suspended', 'connected'])
    await watch(5000, WATCH_LIMITS.count + 2)
    expect(await codeOf(session.readWatched(path(99_999)))).toBe('PVC_STORE_WATCH_LIMIT')
    expect(await codeOf(session.get(note(path(17))))).toBeUndefined()
  })
})

/** Ends a session from another client, as an operator's tool or a second process with the same identity would. */
async function endSession(attach: { id: string; password: string }): Promise<void> {
  const servers = fixture.ensemble.connectString.split(',')
  let isConnected = false
  const connect = () => {
    isConnected = true
  }
  const ignore = () => undefined
  const connection = openConnection(
    { servers, timeoutMs: SESSION_TIMEOUT_MS, attach },
    { connect, connecting: ignore, close: ignore, watch: ignore },
  )
  await level('the second client', () => isConnected)
  connection.close()
}

/** A server that sends back what it gets, and clients of it that count what comes back. */
async function openEcho() {
  const server = createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    connect() {
      const socket = createConnection({ host: '127.0.0.1', port })
      let bytes = 0
      socket.on('data', (chunk) => {
        bytes += chunk.length
      })
      return { socket, received: () => bytes }
    },
    close: () => server.close(),
  }
}
