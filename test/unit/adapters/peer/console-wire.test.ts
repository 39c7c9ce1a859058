/** The pump between a guest and a WebSocket, over real sockets. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { ConsoleWire, MAX_WAITING_BYTES, PING_MS } from '../../../../src/adapters/peer/console-wire.ts'
import type { OpenConsole } from '../../../../src/ports/hypervisor.ts'
import { pollUntil } from '../../../lab/poll.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

const soon = (what: string, look: () => boolean) =>
  pollUntil({ what, timeoutMs: 5000, intervalMs: 10 }, async () => look())

/** A guest that takes what is typed when it is told to. */
class Guest implements OpenConsole {
  typed = ''
  closed = 0
  isBusy = false
  readonly #waiting: (() => void)[] = []
  async write(data: Buffer): Promise<void> {
    this.typed += data.toString()
    if (this.isBusy) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
  async close(): Promise<void> {
    this.closed += 1
  }
  rest(): void {
    this.isBusy = false
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** A client that is connected to a wire; `attach` joins the wire to the guest. */
async function connect(options: { readonly autoPong?: boolean } = {}) {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  listener.close()
  await once(listener, 'close')
  const server = new WebSocketServer({ port, host: '127.0.0.1', perMessageDeflate: false })
  await once(server, 'listening')
  ends.push(() => server.close())
  const accepted = once(server, 'connection')
  const client = new WebSocket(`ws://127.0.0.1:${port}`, options)
  ends.push(() => client.terminate())
  const seen = { text: '', end: undefined as string | undefined }
  client.on('message', (data) => {
    seen.text += (data as Buffer).toString()
  })
  client.on('close', (code, reason) => {
    seen.end = `${code} ${reason}`
  })
  const [socket] = (await accepted) as [WebSocket]
  if (client.readyState !== WebSocket.OPEN) await once(client, 'open')
  const clock = new ManualClock()
  const guest = new Guest()
  const wire = new ConsoleWire(clock)
  const attach = () => wire.attach(socket, guest, () => undefined)
  return { client, seen, clock, guest, wire, attach }
}

describe('the wire of a console', () => {
  it('keeps what the guest says before the client is there', async () => {
    const { seen, wire, attach, guest } = await connect()
    wire.onData(Buffer.from('early '))
    attach()
    wire.onData(Buffer.from('late'))
    await soon('the text', () => seen.text === 'early late')
    wire.onEnd(undefined)
    await soon('the end', () => seen.end !== undefined)
    expect(seen.end).toBe('1000 the guest ended or moved, or its console was taken from outside')
    await soon('the console is closed', () => guest.closed === 1)
  })

  it('tells an end that came before the client, after the text', async () => {
    const { seen, wire, attach } = await connect()
    wire.onData(Buffer.from('last words'))
    wire.onEnd('ä'.repeat(200))
    attach()
    await soon('the end', () => seen.end !== undefined)
    expect(seen.text).toBe('last words')
    expect(seen.end).toBe(`1000 ${'ä'.repeat(60)}`)
  })

  it('skips output for a client that does not read, and says how much', async () => {
    const { client, seen, wire, attach } = await connect()
    attach()
    client.pause()
    const piece = Buffer.alloc(64 * 1024, 'x')
    // More than the sockets between both take by themselves.
    const pieces = 400
    for (let count = 0; count < pieces; count += 1) {
      wire.onData(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
    client.resume()
    const told = () => [...seen.text.matchAll(/\[pvc: (\d+) bytes of output were skipped/g)]
    await soon('the notice', () => told().length > 0)
    const skipped = told().reduce((sum, [, bytes]) => sum + Number(bytes), 0)
    const shown = seen.text.replaceAll(/\r\n\[pvc: [^\]]*\]\r\n/g, '').length
    expect(skipped).toBeGreaterThan(0)
    expect(shown + skipped).toBe(pieces * piece.length)
    expect(MAX_WAITING_BYTES).toBeLessThan(pieces * piece.length)
    wire.onData(Buffer.from('and on'))
    await soon('the next text', () => seen.text.endsWith('and on'))
  })

  it('holds back who types faster than the guest takes it, and loses none of it', async () => {
    const { client, guest, attach } = await connect()
    attach()
    guest.isBusy = true
    const text = Array.from({ length: 20_000 }, (_, index) => `${index};`.padStart(64)).join('')
    for (let at = 0; at < text.length; at += 16_384) client.send(Buffer.from(text.slice(at, at + 16_384)))
    await soon('the guest has all it can', () => guest.typed.length > 64 * 1024)
    // Everything that is not held back has time to come.
    for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(guest.typed.length).toBeLessThan(256 * 1024)
    guest.rest()
    await soon('all is typed', () => guest.typed.length === text.length)
    expect(guest.typed).toBe(text)
  })

  it('ends when the guest takes no more, with the reason', async () => {
    const { client, seen, guest, attach } = await connect()
    guest.write = async () => {
      throw new Error('it is closed')
    }
    attach()
    client.send(Buffer.from('x'))
    await soon('the end', () => seen.end !== undefined)
    expect(seen.end).toBe('1000 it is closed')
  })

  it('closes the console when the client goes, also without a word', async () => {
    const leaver = await connect()
    leaver.attach()
    leaver.client.close()
    await soon('the console is closed', () => leaver.guest.closed === 1)
    expect(leaver.clock.pendingTimers).toBe(0)
    const silent = await connect({ autoPong: false })
    silent.attach()
    await silent.clock.advance(PING_MS)
    expect(silent.guest.closed).toBe(0)
    await silent.clock.advance(PING_MS)
    await soon('the console is closed', () => silent.guest.closed === 1)
  })

  it('keeps a client that answers', async () => {
    const { client, clock, guest, attach } = await connect()
    attach()
    for (let beat = 0; beat < 3; beat += 1) {
      const pinged = once(client, 'ping')
      await clock.advance(PING_MS)
      await pinged
      await new Promise((resolve) => client.ping(undefined, undefined, resolve))
      await once(client, 'pong')
    }
    expect(guest.closed).toBe(0)
  })
})
