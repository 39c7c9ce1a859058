import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { type Access, TOKEN_HEADER } from '../contract/paths.ts'
import type { AuthToken, Role } from '../model/cluster.ts'
import { PvcError } from '../model/errors.ts'

/** Who asks. */
export type Principal = {
  /** Id and description of the token, for the audit log; never the token. */
  readonly who: string
  readonly role: Role
}

/** Everybody is an admin when authentication is switched off by configuration. */
export const UNCHECKED: Principal = { who: 'unchecked', role: 'admin' }

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

const RANK = { anyone: 0, 'read-only': 1, operator: 2, admin: 3 } as const satisfies Record<Access, number>

/** The token of a request: `X-Api-Key: TOKEN` or `Authorization: Bearer TOKEN`. */
export function presentedToken(headers: Headers): string | undefined {
  const key = headers[TOKEN_HEADER]
  if (typeof key === 'string' && key !== '') return key
  const authorization = headers['authorization']
  if (typeof authorization !== 'string') return undefined
  return /^Bearer +([^\s]+)\s*$/i.exec(authorization)?.[1]
}

/** What is stored of a token. The token has 256 random bits, so a plain hash cannot be guessed back. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/**
 * Finds who a token belongs to. Every stored hash is compared in constant time, so that neither the answer's time nor its
 * order tells anything.
 * @throws PVC_AUTH_REQUIRED
 */
export function authenticate(headers: Headers, tokens: readonly AuthToken[]): Principal {
  const presented = presentedToken(headers)
  if (presented === undefined) throw new PvcError('PVC_AUTH_REQUIRED', 'This needs an API token')
  const hash = Buffer.from(hashToken(presented), 'hex')
  let found: AuthToken | undefined
  for (const token of tokens) {
    if (timingSafeEqual(hash, Buffer.from(token.sha256, 'hex'))) found = token
  }
  if (found === undefined) throw new PvcError('PVC_AUTH_REQUIRED', 'The API token is not valid')
  return { who: `${found.id} (${found.description})`, role: found.role }
}

/** @throws PVC_AUTH_FORBIDDEN */
export function authorise(principal: Principal, access: Access): void {
  if (RANK[principal.role] >= RANK[access]) return
  throw new PvcError('PVC_AUTH_FORBIDDEN', `This needs the role ${access}; the token has the role ${principal.role}`)
}

/** A new token, and what is stored of it. The token itself exists only here. */
export function createToken(
  role: Role,
  description: string,
  wallMs: number,
): { readonly token: string; readonly stored: AuthToken } {
  // The prefix lets people and scanners recognise it, and keeps it from beginning with a hyphen.
  const token = `pvc_${randomBytes(32).toString('base64url')}`
  const id = randomBytes(4).toString('hex')
  return { token, stored: { id, description, role, sha256: hashToken(token), createdAt: wallMs } }
}
