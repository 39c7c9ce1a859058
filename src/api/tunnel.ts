/** Requests that become WebSockets: let in like any other, then passed on byte by byte to whoever answers them. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { ServerResponse } from 'node:http'
import { type Duplex, pipeline } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock, Timer } from '../base/clock.ts'
import { PvcError } from '../model/errors.ts'
import type { ConsoleLink } from '../ports/console-door.ts'

/** An answer that makes the connection of the client one with another. */
export class Tunnel {
  readonly link: ConsoleLink
  /** What was done, for the audit log. */
  readonly message: string
  constructor(link: ConsoleLink, message: string) {
    this.link = link
    this.message = message
  }
}

type Upgrade = { readonly socket: Duplex; readonly head: Buffer }

const NO_UPGRADE =
  'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n{"message":"Only a GET may ask for an upgrade."}'

/** A token that was taken back ends what was opened with it after this. */
const LOOK_MS = 2000

/** Connections whose client asked for an upgrade. */
export class Upgrades {
  readonly #upgrades = new WeakMap<IncomingMessage, Upgrade>()

  /** Routes requests for an upgrade like the others; on paths that know of none they are answered as usual. */
  attach(app: FastifyInstance): void {
    app.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // What is wrong with the connection shows as its end.
      socket.on('error', () => socket.destroy())
      // Its body could not be read any more, and a change must not be made without its arguments.
      if (request.method !== 'GET') return void socket.end(NO_UPGRADE)
      this.#upgrades.set(request, { socket, head })
      const response = new ServerResponse(request)
      // Nobody reads a second request from this connection.
      response.shouldKeepAlive = false
      response.assignSocket(socket as Parameters<typeof response.assignSocket>[0])
      response.on('finish', () => socket.end())
      app.routing(request, response)
    })
  }

  /** The WebSocket headers of a request. @throws PVC_ARGUMENT_INVALID when it asks for no WebSocket */
  handshakeOf({ raw }: FastifyRequest): Readonly<Record<string, string>> {
    const handshake = websocketHeaders(raw.headers)
    if (handshake !== undefined && this.#upgrades.has(raw)) return handshake
    throw new PvcError('PVC_ARGUMENT_INVALID', 'This is a WebSocket: the request must ask for an upgrade to it')
  }

  /** Answers the client and joins both connections until one ends, the server does, or the token is not valid any more. */
  join(tunnel: Tunnel, reply: FastifyReply, { clock, signal, isStillAllowed }: JoinOptions): void {
    const { link } = tunnel
    const upgrade = this.#upgrades.get(reply.request.raw)
    if (upgrade === undefined || upgrade.socket.destroyed) return void link.socket.destroy()
    const { socket, head } = upgrade
    reply.hijack()
    reply.raw.detachSocket(socket as Parameters<typeof reply.raw.detachSocket>[0])
    let timer: Timer
    const end = () => {
      timer.cancel()
      signal.removeEventListener('abort', end)
      socket.destroy()
      link.socket.destroy()
    }
    const look = () => {
      if (!isStillAllowed()) return end()
      timer = clock.setTimer(LOOK_MS, look)
    }
    timer = clock.setTimer(LOOK_MS, look)
    signal.addEventListener('abort', end, { once: true })
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${link.accept}\r\n\r\n`,
    )
    socket.write(link.head)
    link.socket.write(head)
    pipeline(link.socket, socket, end)
    pipeline(socket, link.socket, end)
    if (signal.aborted) end()
  }
}

export type JoinOptions = {
  readonly clock: Clock
  /** Ends the tunnel. */
  readonly signal: AbortSignal
  readonly isStillAllowed: () => boolean
}

function websocketHeaders(headers: IncomingHttpHeaders): Readonly<Record<string, string>> | undefined {
  const key = headers['sec-websocket-key']
  const version = headers['sec-websocket-version']
  if (headers.upgrade?.toLowerCase() !== 'websocket' || key === undefined || version === undefined) return undefined
  return { 'sec-websocket-key': key, 'sec-websocket-version': version }
}
