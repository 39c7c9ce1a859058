import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { systemErrorCode } from './failure.ts'

export type WireRequest = {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly verifyTls: boolean
  readonly connectTimeoutMs: number
  /** From the request to the last byte of the answer. */
  readonly answerTimeoutMs: number
}

/** What an answer says, whichever way it came. */
export type AnswerText = {
  readonly status: number
  readonly contentType: string
  readonly text: string
  /** Code of the error; empty: the server gave none. */
  readonly errorCode: string
}

/** The answer to one request. */
export type WireAnswer = AnswerText & {
  /** Number of the request in the log of pvcapid; empty: the server gave none. */
  readonly requestId: string
}

/** A request that got no answer. `wasSent` is false when it can not have reached the server. */
export class TransportError extends Error {
  readonly code: string
  readonly wasSent: boolean
  constructor(code: string, message: string, wasSent: boolean, cause?: unknown) {
    super(message, { cause })
    this.name = 'TransportError'
    this.code = code
    this.wasSent = wasSent
  }
}

type Send = (url: string, options: RequestOptions, onAnswer: (answer: IncomingMessage) => void) => ClientRequest

/** The function that sends requests to this URL. */
export async function senderFor(url: string): Promise<Send> {
  // Loaded on first use: `pvc --help` needs no network.
  return url.startsWith('https:') ? (await import('node:https')).request : (await import('node:http')).request
}

/**
 * Sends one request on a connection of its own.
 * @throws TransportError when no complete answer came within the time limits.
 */
export async function sendRequest(request: WireRequest): Promise<WireAnswer> {
  const send = await senderFor(request.url)
  return await new Promise((resolve, reject) => {
    let isConnected = false
    const wire = send(
      request.url,
      {
        method: request.method,
        agent: false,
        headers: {
          ...request.headers,
          ...(request.body === undefined ? {} : { 'Content-Length': Buffer.byteLength(request.body) }),
        },
        // Also set for plain HTTP, where it means nothing.
        ...({ rejectUnauthorized: request.verifyTls } as RequestOptions),
      },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.once('error', fail)
        answer.once('end', () => {
          finish()
          resolve({
            status: answer.statusCode ?? 0,
            contentType: answer.headers['content-type'] ?? '',
            text: Buffer.concat(chunks).toString('utf8'),
            errorCode: errorCodeOf(answer),
            requestId: headerOf(answer, 'x-request-id'),
          })
        })
      },
    )
    const connectTimer = setTimeout(
      () => fail(timeout('ETIMEDOUT', 'the connection was not accepted in time')),
      request.connectTimeoutMs,
    )
    const answerTimer = setTimeout(
      () => fail(timeout('EANSWER', `no answer came within ${request.answerTimeoutMs / 1000} s`)),
      request.answerTimeoutMs,
    )
    function finish() {
      clearTimeout(connectTimer)
      clearTimeout(answerTimer)
    }
    function fail(error: unknown) {
      finish()
      reject(new TransportError(systemErrorCode(error), messageOf(error), isConnected, error))
      wire.destroy()
    }
    const onConnected = () => {
      isConnected = true
      clearTimeout(connectTimer)
    }
    wire.once('socket', (socket) =>
      socket.once(request.url.startsWith('https:') ? 'secureConnect' : 'connect', onConnected),
    )
    wire.on('error', fail)
    wire.end(request.body)
  })
}

function timeout(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : systemErrorCode(error)
}

/** The code of an error answer; empty: the server gave none. */
export function errorCodeOf(answer: IncomingMessage): string {
  return headerOf(answer, 'x-pvc-error')
}

function headerOf({ headers }: IncomingMessage, name: string): string {
  return String(headers[name] ?? '')
}
