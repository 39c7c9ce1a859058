import { type Backoff, backoffDelayMs } from '../base/backoff.ts'
import { type Clock, sleep } from '../base/clock.ts'
import { pathArguments, type RouteId, routeAddress, routePath, TOKEN_HEADER } from '../contract/paths.ts'
import type { RouteArguments, RouteOutput } from '../contract/routes.ts'
import { PASSING_STATUSES, readAnswer, unreachableFailure } from './answer.ts'
import { originOf } from './connection.ts'
import { receiveEvents, type ServerEvent } from './event-stream.ts'
import { sendRequest, TransportError, type WireAnswer } from './transport.ts'

export type ClientOptions = {
  readonly scheme: 'http' | 'https'
  /** Tried in order until one accepts a connection; the one that answered is tried first the next time. */
  readonly addresses: readonly string[]
  readonly port: number
  readonly apiKey: string | null
  /** It is the connection `local`, whose key is this machine's. */
  readonly isLocal: boolean
  readonly verifyTls: boolean
  readonly userAgent: string
  readonly clock: Clock
  /** Told of every request, for --debug. Never given the key. */
  readonly trace: (line: string) => void
}

export type CallOptions = {
  /** From the request to the last byte of the answer. */
  readonly timeoutMs?: number
}

export type SocketRequest = {
  /** Scheme, address and port, as of an HTTP request. */
  readonly origin: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly verifyTls: boolean
}

const CONNECT_TIMEOUT_MS = 2050
const READ_TIMEOUT_MS = 60_000
/** A change may wait for a guest to be destroyed or for Ceph. */
const CHANGE_TIMEOUT_MS = 300_000
/** A stream says something every 2 s, also when there is nothing to say. */
const STREAM_SILENCE_MS = 6000
const RETRIES = 3
const RETRY_BACKOFF: Backoff = { firstMs: 200, maxMs: 2000 }

/** Text of an argument as recorded clients send it: True and False with a capital. */
function argumentText(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return String(value)
}

function encode(args: Readonly<Record<string, unknown>>, names: readonly string[]): string {
  const parameters = new URLSearchParams()
  for (const name of names) {
    const value = args[name]
    const values = Array.isArray(value) ? value : [value]
    for (const each of values) if (each !== undefined) parameters.append(name, argumentText(each as string))
  }
  return parameters.toString()
}

/** Speaks the contract to one cluster. */
export class ApiClient {
  readonly #options: ClientOptions
  #preferred = 0

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /**
   * Calls a route and gives back its answer.
   * Reads are repeated a few times when the server or the way to it fails for a moment; changes never are, because they
   * may have been carried out. Only when no connection was accepted is the next address tried for a change too.
   * @throws ApiFailure when the server refuses; CommandFailure when it cannot be reached or does not speak the contract.
   */
  async call<Id extends RouteId>(
    id: Id,
    args: RouteArguments<Id>,
    { timeoutMs }: CallOptions = {},
  ): Promise<RouteOutput<Id>> {
    const isRead = routeAddress(id).method === 'GET'
    const limitMs = timeoutMs ?? (isRead ? READ_TIMEOUT_MS : CHANGE_TIMEOUT_MS)
    for (let attempt = 1; ; attempt += 1) {
      const isLast = !isRead || attempt > RETRIES
      try {
        const answer = await this.#try(id, args, limitMs)
        if (isLast || !PASSING_STATUSES.includes(answer.status)) {
          return readAnswer(answer, this.#origin(this.#preferred), this.#options.isLocal) as RouteOutput<Id>
        }
        this.#preferred = (this.#preferred + 1) % this.#options.addresses.length
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        if (isLast || error.code === 'EANSWER' || !isPassing(error)) {
          throw unreachableFailure(error, this.#origins(), isRead)
        }
      }
      await sleep(this.#options.clock, backoffDelayMs(RETRY_BACKOFF, attempt))
    }
  }

  /**
   * Receives a stream of events until the server ends it or `signal` aborts. One attempt at one address; after a failure the
   * next call tries the next one.
   * @throws ApiFailure when the server refuses; CommandFailure when the connection fails or falls silent
   */
  async stream<Id extends RouteId>(
    id: Id,
    args: RouteArguments<Id>,
    signal: AbortSignal,
    onEvent: (event: ServerEvent) => void,
  ): Promise<void> {
    const origin = this.#origin(this.#preferred)
    const query = encode(
      args,
      Object.keys(args).filter((name) => !pathArguments(id).includes(name)),
    )
    const url = `${origin}${routePath(id, args)}?${query}`
    const turn = () => {
      this.#preferred = (this.#preferred + 1) % this.#options.addresses.length
    }
    this.#options.trace(`GET ${url} (stream)`)
    try {
      const answer = await receiveEvents(
        {
          url,
          headers: this.#headers(false),
          verifyTls: this.#options.verifyTls,
          connectTimeoutMs: CONNECT_TIMEOUT_MS,
          silenceMs: STREAM_SILENCE_MS,
          signal,
        },
        onEvent,
      )
      if (answer === undefined) return
      if (PASSING_STATUSES.includes(answer.status)) turn()
      readAnswer(answer, origin, this.#options.isLocal)
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      turn()
      throw unreachableFailure(error, this.#origins(), true)
    }
  }

  /** Where and how a route that is a WebSocket is opened, at the address that last answered. */
  socketRequest<Id extends RouteId>(id: Id, args: RouteArguments<Id>): SocketRequest {
    const origin = this.#origin(this.#preferred)
    const query = encode(
      args,
      Object.keys(args).filter((name) => !pathArguments(id).includes(name)),
    )
    const path = `${routePath(id, args)}?${query}`
    this.#options.trace(`GET ${origin}${path} (WebSocket)`)
    return { origin, path, headers: this.#headers(false), verifyTls: this.#options.verifyTls }
  }

  /** One round over the addresses, starting with the one that last answered. */
  async #try(id: RouteId, args: Readonly<Record<string, unknown>>, timeoutMs: number): Promise<WireAnswer> {
    const count = this.#options.addresses.length
    let failure: TransportError | undefined
    for (let step = 0; step < count; step += 1) {
      const index = (this.#preferred + step) % count
      try {
        const answer = await this.#send(this.#origin(index), id, args, timeoutMs)
        this.#preferred = index
        return answer
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        failure ??= error
        if (error.wasSent) throw error
      }
    }
    throw failure ?? new Error('a connection has at least one address')
  }

  async #send(
    origin: string,
    id: RouteId,
    args: Readonly<Record<string, unknown>>,
    timeoutMs: number,
  ): Promise<WireAnswer> {
    const { method, form = [] } = routeAddress(id)
    const inPath = pathArguments(id)
    const query = encode(
      args,
      Object.keys(args).filter((name) => !inPath.includes(name) && !form.includes(name)),
    )
    const body = form.some((name) => args[name] !== undefined) ? encode(args, form) : undefined
    const path = routePath(id, args) + (query === '' ? '' : `?${query}`)
    const startMs = this.#options.clock.nowMs()
    const elapsed = () => `${Math.round(this.#options.clock.nowMs() - startMs)} ms`
    try {
      const answer = await sendRequest({
        method,
        url: origin + path,
        headers: this.#headers(body !== undefined),
        body,
        verifyTls: this.#options.verifyTls,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        answerTimeoutMs: timeoutMs,
      })
      const what = [answer.status, answer.errorCode, answer.requestId && `(request ${answer.requestId})`]
      this.#options.trace(`${method} ${origin}${path} -> ${what.filter(Boolean).join(' ')} in ${elapsed()}`)
      return answer
    } catch (error) {
      this.#options.trace(
        `${method} ${origin}${path} -> ${error instanceof Error ? error.message : ''} in ${elapsed()}`,
      )
      throw error
    }
  }

  #headers(hasForm: boolean): Record<string, string> {
    return {
      Accept: 'application/json',
      'User-Agent': this.#options.userAgent,
      ...(this.#options.apiKey === null ? {} : { [TOKEN_HEADER]: this.#options.apiKey }),
      ...(hasForm ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}),
    }
  }

  #origin(index: number): string {
    return originOf(this.#options.scheme, this.#options.addresses[index] ?? '', this.#options.port)
  }

  #origins(): string[] {
    return this.#options.addresses.map((_, index) => this.#origin(index))
  }
}

/** Errors that may be gone at the next try; a wrong name or certificate will not. */
function isPassing(error: TransportError): boolean {
  return ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'].includes(
    error.code,
  )
}
