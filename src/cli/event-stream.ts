import type { IncomingMessage, RequestOptions } from 'node:http'
import { systemErrorCode } from './failure.ts'
import { type AnswerText, errorCodeOf, senderFor, TransportError } from './transport.ts'

/** One server-sent event. */
export type ServerEvent = { readonly id: string; readonly event: string; readonly data: string }

export type StreamRequest = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly verifyTls: boolean
  readonly connectTimeoutMs: number
  /** Longest silence on the connection: the server says something more often, also when there is nothing to say. */
  readonly silenceMs: number
  readonly signal: AbortSignal
}

/** Splits text that arrives in chunks into events. Comments are dropped. */
export class EventParser {
  #rest = ''

  /** @returns the events that are complete with this chunk */
  push(chunk: string): ServerEvent[] {
    const blocks = (this.#rest + chunk).split('\n\n')
    this.#rest = blocks.pop() ?? ''
    return blocks.flatMap((block) => {
      const fields = new Map<string, string>()
      for (const line of block.split('\n')) {
        const colon = line.indexOf(':')
        if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).replace(/^ /, ''))
      }
      const data = fields.get('data')
      return data === undefined ? [] : [{ id: fields.get('id') ?? '', event: fields.get('event') ?? 'text', data }]
    })
  }
}

/**
 * Opens a stream of events on a connection of its own and calls `onEvent` for each. Resolves when the server ended it or
 * `signal` aborted; an answer that is no stream is given back.
 * @throws TransportError when the connection fails or is silent
 */
export async function receiveEvents(
  request: StreamRequest,
  onEvent: (event: ServerEvent) => void,
): Promise<AnswerText | undefined> {
  const send = await senderFor(request.url)
  return await new Promise((resolve, reject) => {
    let isConnected = false
    const options: RequestOptions = {
      method: 'GET',
      agent: false,
      headers: { ...request.headers, Accept: 'text/event-stream' },
      ...({ rejectUnauthorized: request.verifyTls } as RequestOptions),
    }
    const wire = send(request.url, options, (answer) => take(answer))
    let timer = setTimeout(() => fail(timeout('the connection was not accepted in time')), request.connectTimeoutMs)
    const onAbort = () => finish(() => resolve(undefined))
    function alive(): void {
      clearTimeout(timer)
      timer = setTimeout(() => fail(timeout('the connection fell silent')), request.silenceMs)
    }
    function finish(settle: () => void): void {
      clearTimeout(timer)
      request.signal.removeEventListener('abort', onAbort)
      settle()
      wire.destroy()
    }
    function fail(error: unknown): void {
      const message = error instanceof Error && error.message !== '' ? error.message : systemErrorCode(error)
      finish(() => reject(new TransportError(systemErrorCode(error), message, isConnected, error)))
    }
    function take(answer: IncomingMessage): void {
      const contentType = answer.headers['content-type'] ?? ''
      const isStream = answer.statusCode === 200 && contentType.startsWith('text/event-stream')
      const parser = new EventParser()
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        alive()
        if (!isStream) text += chunk
        else for (const event of parser.push(chunk)) onEvent(event)
      })
      answer.once('error', fail)
      answer.once('end', () =>
        finish(() => {
          const errorCode = errorCodeOf(answer)
          resolve(isStream ? undefined : { status: answer.statusCode ?? 0, contentType, text, errorCode })
        }),
      )
    }
    request.signal.addEventListener('abort', onAbort, { once: true })
    wire.once('socket', (socket) =>
      socket.once(request.url.startsWith('https:') ? 'secureConnect' : 'connect', () => {
        isConnected = true
        alive()
      }),
    )
    wire.on('error', fail)
    wire.end()
    if (request.signal.aborted) onAbort()
  })
}

function timeout(message: string): Error {
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' })
}
