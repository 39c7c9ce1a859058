/** The listening side of the peer endpoint: authenticates, dispatches, answers. It never throws for what a caller does. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { errorChain } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import type { Log } from '../../ports/log.ts'
import { readBody } from './body.ts'
import type { Challenges } from './challenge.ts'
import { answerMac, HEADER, isSameMac, requestMac } from './signature.ts'
import { ANSWER_MS, MAX_BODY_BYTES } from './verbs.ts'

/** Answers one verb with a status and a JSON value. What it throws is logged and answered as 500. */
export type PeerRoute = (
  question: unknown,
  from: string,
) => Promise<{ readonly status: number; readonly body: unknown }>

/** Takes over the connection of an authenticated upgrade request (a WebSocket). It must end the socket itself. */
export type PeerUpgrade = (call: {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  /** Node that asks. */
  readonly from: string
}) => void

export type ServerOptions = {
  readonly self: NodeName
  /** Key of this use, derived from the cluster key. */
  readonly key: Buffer
  readonly challenges: Challenges
  readonly routes: ReadonlyMap<string, PeerRoute>
  /** By path without query. */
  readonly upgrades: ReadonlyMap<string, PeerUpgrade>
  readonly log: Log
}

const MAX_CONNECTIONS = 64

/** A server for one address; it listens when told to. */
export function createPeerServer(options: ServerOptions): Server {
  const { self, key, routes, upgrades, log } = options
  const server = createServer({
    headersTimeout: ANSWER_MS,
    requestTimeout: ANSWER_MS,
    connectionsCheckingInterval: ANSWER_MS / 2,
    keepAlive: false,
    maxHeaderSize: MAX_BODY_BYTES,
  })
  server.maxConnections = MAX_CONNECTIONS

  const answer = (response: ServerResponse, nonce: string, status: number, value: unknown): void => {
    const body = JSON.stringify(value)
    const mac = answerMac(key, { status, from: self, nonce, body })
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close', [HEADER.mac]: mac }).end(body)
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request)
    const verdict = judge(options, request, body)
    // Without a signature: nothing is told to a stranger, not even who answers.
    if (verdict.kind === 'stranger') return void response.writeHead(401, { connection: 'close' }).end()
    const { nonce, from } = verdict
    if (verdict.kind === 'refused') return answer(response, nonce, verdict.status, verdict.body)
    const route = request.method === 'POST' ? routes.get(pathOf(request)) : undefined
    if (route === undefined) return answer(response, nonce, 404, {})
    try {
      const { status, body: value } = await route(JSON.parse(body), from)
      answer(response, nonce, status, value)
    } catch (error) {
      log.warn({ from, path: pathOf(request), error: errorChain(error) }, 'a question of another node failed')
      answer(response, nonce, 500, {})
    }
  }

  server.on('request', (request, response) => {
    serve(request, response).catch((error: unknown) => {
      log.debug({ error: errorChain(error) }, 'a connection of another node broke off')
      response.destroy()
    })
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', (error) => log.debug({ error: errorChain(error) }, 'a stream of another node broke off'))
    const verdict = judge(options, request, '')
    const upgrade = upgrades.get(pathOf(request))
    if (verdict.kind !== 'ok' || upgrade === undefined) {
      const status = verdict.kind === 'ok' ? '404 Not Found' : '401 Unauthorized'
      return void socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
    }
    upgrade({ request, socket, head, from: verdict.from })
  })
  return server
}

type Verdict =
  | { readonly kind: 'stranger' }
  | {
      readonly kind: 'refused'
      readonly nonce: string
      readonly from: string
      readonly status: number
      readonly body: unknown
    }
  | { readonly kind: 'ok'; readonly nonce: string; readonly from: string }

function judge({ self, key, challenges }: ServerOptions, request: IncomingMessage, body: string): Verdict {
  const header = (name: keyof typeof HEADER): string => String(request.headers[HEADER[name]] ?? '')
  const [from, to, challenge, nonce] = [header('from'), header('to'), header('challenge'), header('nonce')]
  const { method = '', url: path = '' } = request
  const mac = requestMac(key, { method, path, from, to, challenge, nonce, body })
  if (!isSameMac(mac, header('mac')) || nonce === '') return { kind: 'stranger' }
  // The address belongs to another node than the caller thinks.
  if (to !== self) return { kind: 'refused', nonce, from, status: 421, body: {} }
  const admission = challenges.admit(challenge, nonce)
  if (admission === 'admitted') return { kind: 'ok', nonce, from }
  if (admission === 'replayed') return { kind: 'refused', nonce, from, status: 403, body: {} }
  return { kind: 'refused', nonce, from, status: 409, body: { challenge: challenges.current() } }
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split('?')[0] ?? ''
}
