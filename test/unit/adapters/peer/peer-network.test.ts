import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSystemClock } from '../../../../src/adapters/clock/system.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { createPeerClient } from '../../../../src/adapters/peer/client.ts'
import { createPeerNetwork, newToken } from '../../../../src/adapters/peer/peer-network.ts'
import type { PeerUpgrade } from '../../../../src/adapters/peer/server.ts'
import { HEADER, requestMac } from '../../../../src/adapters/peer/signature.ts'
import { NodeName } from '../../../../src/model/ids.ts'
import type { PeerEndpoint, PeerHandlers } from '../../../../src/ports/peer.ts'
import { pollUntil } from '../../../lab/poll.ts'

const [hv1, hv2] = [NodeName.parse('hv1'), NodeName.parse('hv2')]
const key = randomBytes(32)
const clock = createSystemClock()
const address = '127.0.0.1'
const log = new FakeLog()
const ends: (() => Promise<unknown>)[] = []
let port = 0

/** A port that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, address)
  await new Promise((resolve) => server.once('listening', resolve))
  const found = (server.address() as AddressInfo).port
  await new Promise((resolve) => server.close(resolve))
  return found
}

const quiet: PeerHandlers = { probeFor: async () => [], notServingForMs: async () => 7, wake: () => undefined }

async function listen(handlers = quiet, upgrades?: ReadonlyMap<string, PeerUpgrade>): Promise<PeerEndpoint> {
  const extra = upgrades === undefined ? {} : { upgrades }
  const network = createPeerNetwork({ self: hv2, key, port, addresses: [address], clock, log, ...extra })
  const endpoint = network.serve(handlers)
  ends.push(() => endpoint.close())
  const outcome = async () => (await client().ask({ node: hv2, address }, 'probe', {}, 500)).kind === 'answer'
  await pollUntil({ what: 'the endpoint listens', timeoutMs: 3000, intervalMs: 10 }, outcome)
  return endpoint
}

function client(secret = key, name = hv1) {
  return createPeerClient({ self: name, key: secret, port, log, newToken })
}

beforeEach(async () => {
  port = await freePort()
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

describe('a question to another node', () => {
  it('is answered', async () => {
    await listen()
    expect(await client().ask({ node: hv2, address }, 'quorum', {}, 1000)).toEqual({
      kind: 'answer',
      value: { notServingForMs: 7 },
    })
  })

  it('is not answered to whoever has another key, and says so once', async () => {
    await listen()
    const stranger = client(randomBytes(32))
    const before = log.messages('warn').length
    for (let i = 0; i < 3; i++) {
      expect(await stranger.ask({ node: hv2, address }, 'quorum', {}, 1000)).toMatchObject({
        kind: 'reached',
        reason: expect.stringContaining('has it another cluster key?'),
      })
    }
    expect(log.messages('warn').length).toBe(before + 1)
  })

  it('is not taken by a node of another name: two machines have one address', async () => {
    await listen()
    const outcome = await client().ask({ node: NodeName.parse('hv3'), address }, 'probe', {}, 1000)
    expect(outcome.kind).toBe('reached')
  })

  it('ends in its time when the machine takes the connection and says nothing', async () => {
    const mute = createServer(() => undefined).listen(port, address)
    ends.push(async () => mute.close())
    const began = performance.now()
    expect((await client().ask({ node: hv2, address }, 'probe', {}, 200)).kind).toBe('reached')
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('is refused by a machine whose pvcnoded is down', async () => {
    expect((await client().ask({ node: hv2, address }, 'probe', {}, 1000)).kind).toBe('reached')
  })

  it('gets nowhere when no packet can be sent', async () => {
    const outcome = await client().ask({ node: hv2, address: '255.255.255.255' }, 'probe', {}, 200)
    expect(outcome.kind).toBe('silent')
  })

  it('fails alone when the answer cannot be made', async () => {
    await listen({ ...quiet, notServingForMs: () => Promise.reject(new Error('no')) })
    expect((await client().ask({ node: hv2, address }, 'quorum', {}, 1000)).kind).toBe('reached')
    expect((await client().ask({ node: hv2, address }, 'probe', {}, 1000)).kind).toBe('answer')
  })
})

/** A request as somebody on the wire could send it. */
function raw(headers: Record<string, string>, body: string, path = '/quorum'): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ host: address, port, method: 'POST', path, headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    call.on('error', reject)
    call.end(body)
  })
}

async function signedHeaders(): Promise<Record<string, string>> {
  const outcome = await client().sign({ node: hv2, address }, 'POST', '/quorum')
  if (outcome.kind !== 'answer') throw new Error(outcome.reason)
  return outcome.value
}

/** Signed for the body `{}`, with the challenge of `headers`. */
function resign(headers: Record<string, string>, changed: Partial<Record<keyof typeof HEADER, string>>) {
  const of = (name: keyof typeof HEADER) => changed[name] ?? headers[HEADER[name]] ?? ''
  const [from, to, challenge, nonce] = [of('from'), of('to'), of('challenge'), of('nonce')]
  const mac = requestMac(key, { method: 'POST', path: '/quorum', from, to, challenge, nonce, body: '{}' })
  const all = { from, to, challenge, nonce, mac }
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [HEADER[name as keyof typeof HEADER], value]))
}

describe('an onlooker on the wire', () => {
  it('cannot send a recorded request again', async () => {
    await listen()
    const recorded = resign(await signedHeaders(), {})
    expect(await raw(recorded, '{}')).toBe(200)
    expect(await raw(recorded, '{}')).toBe(403)
  })

  it('cannot send it again after a restart of the node', async () => {
    const first = await listen()
    const recorded = resign(await signedHeaders(), {})
    await first.close()
    await listen()
    expect(await raw(recorded, '{}')).toBe(409)
  })

  it.each([
    ['another body', (h: Record<string, string>) => raw(h, '{"a":1}')],
    ['another verb', (h: Record<string, string>) => raw(h, '{}', '/wake')],
    ['another nonce', (h: Record<string, string>) => raw({ ...h, [HEADER.nonce]: 'x' }, '{}')],
    ['another sender', (h: Record<string, string>) => raw({ ...h, [HEADER.from]: 'hv9' }, '{}')],
    ['no signature', () => raw({}, '{}')],
  ])('cannot use the signature with %s', async (_, send) => {
    await listen()
    expect(await send(resign(await signedHeaders(), {}))).toBe(401)
  })

  it('cannot fill the memory', async () => {
    await listen()
    await expect(raw({}, 'x'.repeat(100_000)).then((status) => status)).rejects.toThrow()
    expect((await client().ask({ node: hv2, address }, 'probe', {}, 1000)).kind).toBe('answer')
  })
})

describe('the endpoint', () => {
  it('reports an address it cannot listen on, and listens once it can', async () => {
    const other = createServer().listen(port, address)
    await new Promise((resolve) => other.once('listening', resolve))
    const network = createPeerNetwork({ self: hv2, key, port, addresses: [address], clock, log })
    const endpoint = network.serve(quiet)
    ends.push(() => endpoint.close())
    const until = (what: string, wanted: boolean) =>
      pollUntil(
        { what, timeoutMs: 5000, intervalMs: 20 },
        async () => (endpoint.problem.value !== undefined) === wanted,
      )
    await until('the problem shows', true)
    expect(endpoint.problem.value).toContain(`port ${port} cannot be opened at ${address}`)
    await new Promise((resolve) => other.close(resolve))
    await until('the problem is gone', false)
  })

  it('gives an authenticated upgrade to its stream, and no other', async () => {
    const taken: string[] = []
    const stream: PeerUpgrade = ({ socket, from }) => {
      taken.push(from)
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
    }
    await listen(quiet, new Map([['/stream', stream]]))
    const signed = await client().sign({ node: hv2, address }, 'GET', '/stream?vm=1')
    const headers = signed.kind === 'answer' ? signed.value : {}
    expect(await upgrade('/stream?vm=1', headers)).toBe(101)
    expect(await upgrade('/stream?vm=1', headers)).toBe(401)
    expect(await upgrade('/stream?vm=2', headers)).toBe(401)
    expect(taken).toEqual(['hv1'])
  })
})

function upgrade(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ host: address, port, path, headers: { ...headers, connection: 'Upgrade', upgrade: 'test' } })
    call.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve(response.statusCode ?? 0)
    })
    call.on('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    call.on('error', reject)
    call.end()
  })
}
