/** An HTTP server that answers as it is told and remembers what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Reply = {
  readonly status?: number
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is, as text/html, instead of JSON. */
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as server-sent events, and then the connection breaks unless `ends`. */
  readonly events?: string
  readonly ends?: boolean
  /** Closes the connection without an answer. */
  readonly hangUp?: boolean
}

/** Replies by `METHOD /path` below /api/v1; of a list, each is used once and the last one for ever. */
export type Routes = Readonly<Record<string, Reply | readonly Reply[]>>

export type FakeApi = {
  readonly port: number
  /** `METHOD /path?query`, and the form when there is one, in the order of arrival. */
  readonly requests: readonly string[]
  readonly headers: readonly IncomingMessage['headers'][]
  close(): Promise<void>
}

const PREFIX = '/api/v1'

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks).toString('utf8')
}

/** Shows a request as the record of the older client does; the form is decoded so that a person can read it. */
function describeRequest(request: IncomingMessage, body: string): string {
  const line = `${request.method} ${(request.url ?? '').slice(PREFIX.length)}`
  if (body === '') return line
  const fields = [...new URLSearchParams(body)].map(([name, value]) => `${name}=${value}`)
  return `${line}\n  [${request.headers['content-type']}]\n${fields.join('\n').replace(/^/gm, '  | ')}`
}

function send(response: ServerResponse, reply: Reply): void {
  if (reply.hangUp) {
    response.socket?.destroy()
    return
  }
  if (reply.events !== undefined) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write(reply.events, () => (reply.ends ? response.end() : response.socket?.destroy()))
    return
  }
  const type = reply.text === undefined ? 'application/json' : 'text/html; charset=utf-8'
  response.writeHead(reply.status ?? 200, { 'Content-Type': type, ...reply.headers })
  response.end(reply.text ?? JSON.stringify(reply.json))
}

/** Starts a server; without a place, on a free port of 127.0.0.1. */
export async function startFakeApi(routes: Routes, place = { host: '127.0.0.1', port: 0 }): Promise<FakeApi> {
  const requests: string[] = []
  const headers: IncomingMessage['headers'][] = []
  const used = new Map<string, number>()
  const server = createServer(async (request, response) => {
    const body = await readBody(request)
    requests.push(describeRequest(request, body))
    headers.push(request.headers)
    const path = new URL(request.url ?? '', 'http://fake').pathname.slice(PREFIX.length)
    const key = `${request.method} ${path}`
    const replies = [routes[key] ?? { status: 404, json: { message: `no reply for ${key}` } }].flat()
    const turn = used.get(key) ?? 0
    used.set(key, turn + 1)
    send(response, replies[Math.min(turn, replies.length - 1)] ?? { status: 500, json: {} })
  })
  await new Promise<void>((resolve) => server.listen(place.port, place.host, resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    requests,
    headers,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
