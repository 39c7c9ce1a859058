/**
 * The ZooKeeper client is the patched build, and each patch does what it is for. A socket server that speaks just enough
 * of the protocol shows it without an ensemble; what the patches mean for writes is measured by the store's own tests.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

type NativeClient = {
  a_set(path: string, data: Buffer, version: number, done: (rc: number) => void): number
  constructor: { PVC_PATCHES?: string }
}
type Client = {
  native: NativeClient
  init(options: object): void
  close(): void
  once(event: string, listener: () => void): void
}

const ZooKeeper = createRequire(import.meta.url)('zookeeper') as new (options: object) => Client
const timeoutMs = 6000

/** Answer to a connect request: a session with the timeout asked for. */
function connectResponse(): Buffer {
  const response = Buffer.alloc(4 + 4 + 4 + 8 + 4 + 16 + 1)
  response.writeInt32BE(response.length - 4, 0)
  response.writeInt32BE(timeoutMs, 8)
  response.writeInt32BE(1, 16)
  response.writeInt32BE(16, 20)
  return response
}

describe('ZooKeeper client build', () => {
  let server: Server
  let client: Client
  let sockets: Socket[]
  let onSocket: (socket: Socket) => void

  beforeEach(async () => {
    sockets = []
    server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => socket.destroy())
      onSocket(socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    client = new ZooKeeper({ connect: `127.0.0.1:${port}`, timeout: timeoutMs, debug_level: 1 })
  })
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    client.close()
    server.close()
    await once(server, 'close')
  })

  /** Lets the client connect and then hands every byte it sends to `receive`. */
  async function connect(receive: (bytes: Buffer) => void): Promise<void> {
    onSocket = (socket) => {
      socket.once('data', () => {
        socket.write(connectResponse())
        socket.on('data', receive)
      })
    }
    const connected = new Promise<void>((resolve) => client.once('connect', resolve))
    client.init({})
    await connected
    // Out of the client's own callback: what is sent from there is looked at again in any case.
    await new Promise((resolve) => setImmediate(resolve))
  }

  it('carries the patches', () => {
    expect(client.native.constructor.PVC_PATCHES).toBe('yield-timer,large-request,sock-cloexec,send-failure,replace')
    onSocket = () => undefined
    client.init({})
  })

  it('tries again at once when a server refuses it, instead of waiting for a third of the session timeout', async () => {
    const begun = performance.now()
    const attempts = new Promise<number>((resolve) => {
      onSocket = (socket) => {
        socket.destroy()
        if (sockets.length === 4) resolve(performance.now() - begun)
      }
    })
    client.init({})
    // Unpatched, each of the three retries waits 2 s.
    expect(await attempts).toBeLessThan(4000)
  }, 20_000)

  it('sends a request larger than the send buffer without waiting for the ping timer', async () => {
    const size = 16 * 1024 * 1024
    let received = 0
    let whole: () => void = () => undefined
    const complete = new Promise<void>((resolve) => {
      whole = resolve
    })
    await connect((bytes) => {
      received += bytes.length
      if (received >= size) whole()
    })
    const begun = performance.now()
    expect(client.native.a_set('/x', Buffer.alloc(size), -1, () => undefined)).toBe(0)
    await complete
    // Unpatched, the rest goes out with the ping, after 2 s.
    expect(performance.now() - begun).toBeLessThan(1500)
  }, 20_000)

  it('hides its socket from child processes', async () => {
    await connect(() => undefined)
    const local = sockets[0]?.remotePort
    const inode = readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .find((row) => row[1]?.endsWith(`:${local?.toString(16).toUpperCase().padStart(4, '0')}`))?.[9]
    expect(inode).toMatch(/^\d+$/)
    const open = (pid: string): string[] =>
      execFileSync('ls', [join('/proc', pid, 'fd')], { encoding: 'utf8', timeout: 5000 })
        .split('\n')
        .filter(Boolean)
    const own = open(String(process.pid)).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        return [] // closed meanwhile
      }
    })
    expect(own).toContain(`socket:[${inode}]`)
    const inherited = execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8', timeout: 5000 })
    expect(inherited).not.toContain(`socket:[${inode}]`)
  })
})
