/**
 * Who may speak on the peer endpoint: whoever has the cluster key. Every request and every answer carries an HMAC-SHA256.
 *
 * No clock of another machine is believed, so there is no time in it. Instead: the answer is bound to the nonce of its
 * request, so an old answer is worth nothing; the request is bound to a challenge that the asked node made up, of which it
 * remembers every nonce it has seen (see challenge.ts), so an old request is worth nothing either. Both are bound to the names
 * of the two nodes, the method, the path and the whole body. Nothing is encrypted: no verb carries a secret.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** Names of the headers, as node:http gives them. */
export const HEADER = {
  from: 'x-pvc-from',
  to: 'x-pvc-to',
  challenge: 'x-pvc-challenge',
  nonce: 'x-pvc-nonce',
  mac: 'x-pvc-mac',
} as const

/** What the HMAC of a request covers. */
export type SignedRequest = {
  readonly method: string
  /** Path with query, as it stands in the request line. */
  readonly path: string
  readonly from: string
  readonly to: string
  /** Empty while the sender knows none. */
  readonly challenge: string
  readonly nonce: string
  readonly body: string
}

/** What the HMAC of an answer covers: also the nonce of its request. */
export type SignedAnswer = {
  readonly status: number
  /** Node that answers. */
  readonly from: string
  readonly nonce: string
  readonly body: string
}

/** HMAC of a request, as hex. */
export function requestMac(key: Buffer, request: SignedRequest): string {
  const { method, path, from, to, challenge, nonce, body } = request
  return mac(key, ['pvc peer request 1', method, path, from, to, challenge, nonce, digest(body)])
}

/** HMAC of an answer, as hex. */
export function answerMac(key: Buffer, answer: SignedAnswer): string {
  const { status, from, nonce, body } = answer
  return mac(key, ['pvc peer answer 1', String(status), from, nonce, digest(body)])
}

/** Compares in constant time. */
export function isSameMac(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function digest(body: string): string {
  return createHash('sha256').update(body).digest('hex')
}

/** JSON keeps the parts apart: no two lists have the same text. */
function mac(key: Buffer, parts: readonly string[]): string {
  return createHmac('sha256', key).update(JSON.stringify(parts)).digest('hex')
}
