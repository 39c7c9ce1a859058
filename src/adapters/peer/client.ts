/** Asks other nodes. Each question is a connection of its own: whether it is taken says whether the machine is there. */
import { request as httpRequest } from 'node:http'
import type { z } from 'zod'
import { errorChain } from '../../model/errors.ts'
import type { NodeName } from '../../model/ids.ts'
import type { Log } from '../../ports/log.ts'
import { readBody } from './body.ts'
import { answerMac, HEADER, isSameMac, requestMac } from './signature.ts'
import { type Answer, type Question, Stale, VERBS, type Verb } from './verbs.ts'

export type ClientOptions = {
  readonly self: NodeName
  /** Key of this use, derived from the cluster key. */
  readonly key: Buffer
  readonly port: number
  readonly log: Log
  /** A fresh unguessable text. */
  readonly newToken: () => string
}

/** How a question ended. `reached`: the machine's network stack answered, a pvcnoded of this cluster did not. */
export type Outcome<T> =
  | { readonly kind: 'answer'; readonly value: T }
  | { readonly kind: 'reached'; readonly reason: string }
  | { readonly kind: 'silent'; readonly reason: string }

export type PeerClient = {
  /** Asks a node at one of its addresses. Ends within `deadlineMs` and never rejects. */
  ask<V extends Verb>(target: Target, verb: V, question: Question<V>, deadlineMs: number): Promise<Outcome<Answer<V>>>
  /** Headers for a request of another kind (an upgrade, with an empty body), good for one use within a minute. */
  sign(target: Target, method: string, path: string): Promise<Outcome<Record<string, string>>>
}

export type Target = { readonly node: NodeName; readonly address: string }

type Message = { readonly method: string; readonly path: string; readonly body: string }
type Reply = { readonly status: number; readonly body: string }

const SIGN_MS = 1000

/** Creates a client; it keeps no connection, only the challenge that each node gave last. */
export function createPeerClient(options: ClientOptions): PeerClient {
  const challenges = new Map<NodeName, string>()
  const warned = new Set<NodeName>()

  const signed = (node: NodeName, { method, path, body }: Message) => {
    const nonce = options.newToken()
    const challenge = challenges.get(node) ?? ''
    const mac = requestMac(options.key, { method, path, from: options.self, to: node, challenge, nonce, body })
    const headers = { from: options.self, to: node, challenge, nonce, mac }
    const named = Object.entries(headers).map(([name, value]) => [HEADER[name as keyof typeof HEADER], value] as const)
    return { nonce, headers: Object.fromEntries(named) }
  }

  const exchange = async (target: Target, message: Message, deadlineMs: number): Promise<Outcome<Reply>> => {
    const { nonce, headers } = signed(target.node, message)
    const outcome = await send({ address: target.address, port: options.port, ...message, headers, deadlineMs })
    if (outcome.kind !== 'answer') return outcome
    const { status, mac, body } = outcome.value
    if (isSameMac(answerMac(options.key, { status, from: target.node, nonce, body }), mac)) {
      warned.delete(target.node)
      return { kind: 'answer', value: { status, body } }
    }
    const reason = `${target.address} answers, but not as node ${target.node} of this cluster: has it another cluster key?`
    if (!warned.has(target.node)) options.log.warn({ node: target.node, address: target.address }, reason)
    warned.add(target.node)
    return { kind: 'reached', reason }
  }

  const ask = async <V extends Verb>(target: Target, verb: V, question: Question<V>, deadlineMs: number) => {
    const message = { method: 'POST', path: VERBS[verb].path, body: JSON.stringify(question) }
    const endsAtMs = performance.now() + deadlineMs
    let outcome = await exchange(target, message, deadlineMs)
    if (outcome.kind === 'answer' && outcome.value.status === 409) {
      challenges.set(target.node, parse(Stale, outcome.value.body)?.challenge ?? '')
      outcome = await exchange(target, message, Math.max(1, endsAtMs - performance.now()))
    }
    if (outcome.kind !== 'answer') return outcome
    const { status, body } = outcome.value
    const value = status === 200 ? (parse(VERBS[verb].answer, body) as Answer<V> | undefined) : undefined
    if (value === undefined) return { kind: 'reached', reason: `pvcnoded answered ${status}` } as const
    return { kind: 'answer', value } as const
  }

  return {
    ask,
    async sign(target, method, path) {
      // A question first: it brings the present challenge, which is good for a minute at least.
      const outcome = await ask(target, 'probe', {}, SIGN_MS)
      if (outcome.kind !== 'answer') return outcome
      return { kind: 'answer', value: signed(target.node, { method, path, body: '' }).headers }
    },
  }
}

function parse<S extends z.ZodType>(schema: S, text: string): z.output<S> | undefined {
  const result = schema.safeParse(json(text))
  return result.success ? result.data : undefined
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Whoever wrote it has our key, so this is another release: no answer that we understand.
    return undefined
  }
}

type Sending = Message & {
  readonly address: string
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  readonly deadlineMs: number
}

/** Sends one request. A refusal is an answer of the machine: its kernel sent it. */
function send(sending: Sending): Promise<Outcome<Reply & { readonly mac: string }>> {
  const { address, port, method, path, headers, body, deadlineMs } = sending
  return new Promise((resolve) => {
    let isReached = false
    const call = httpRequest({
      host: address,
      port,
      method,
      path,
      agent: false,
      headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    })
    const end = (outcome: Outcome<Reply & { readonly mac: string }>): void => {
      clearTimeout(timer)
      resolve(outcome)
      call.destroy()
    }
    const fail = (reason: string): void => end({ kind: isReached ? 'reached' : 'silent', reason })
    const timer = setTimeout(() => fail(`no answer within ${deadlineMs} ms`), deadlineMs)
    call.on('socket', (socket) => {
      socket.on('connect', () => {
        isReached = true
      })
    })
    call.on('error', (error: NodeJS.ErrnoException) => {
      isReached ||= error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET'
      fail(errorChain(error))
    })
    call.on('response', (response) => {
      readBody(response).then(
        (text) => {
          const mac = String(response.headers[HEADER.mac] ?? '')
          end({ kind: 'answer', value: { status: response.statusCode ?? 0, body: text, mac } })
        },
        (error: unknown) => fail(errorChain(error)),
      )
    })
    call.end(body)
  })
}
