import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { LoadedConfig } from '../adapters/config/config-file.ts'
import { createToken, hashToken } from '../api/auth.ts'
import type { Clock } from '../base/clock.ts'
import type { Role } from '../model/cluster.ts'
import type { Log } from '../ports/log.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'

export type TokenWish = { readonly role: Role; readonly description: string; readonly wallMs: number }

/**
 * Makes a token known to the cluster. With a file, the token is there before the cluster knows it, and the file takes its
 * place only when the cluster does, so that neither is left without the other.
 */
export async function issueToken(session: StoreSession, wish: TokenWish, file: string | undefined): Promise<string> {
  const { token, stored } = createToken(wish.role, wish.description, wish.wallMs)
  const create = () => session.create(tree.tokens.child(stored.id), stored)
  if (file === undefined) {
    await create()
    return token
  }
  const temporary = `${file}.${randomBytes(4).toString('hex')}`
  await writeFile(temporary, `${token}\n`, { mode: 0o600, flag: 'wx' })
  try {
    await create()
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  return token
}

export type LocalTokenDeps = {
  readonly session: StoreSession
  readonly config: LoadedConfig
  readonly clock: Clock
  readonly log: Log
}

/**
 * Gives root on this machine a token, so that `pvc` works here at once. A file that is there is never replaced: a token
 * that was revoked must not come back by a restart.
 */
export async function ensureLocalToken({ session, config, clock, log }: LocalTokenDeps): Promise<void> {
  const file = config.api.localTokenFile
  try {
    const present = await readToken(file)
    if (present !== undefined) {
      if (!(await isKnown(session, present))) log.warn({ file }, 'the token in this file is not valid; remove the file')
      return
    }
    const description = `root on ${config.node.name}`
    await issueToken(session, { role: 'admin', description, wallMs: clock.wallMs() }, file)
    log.info({ file }, 'created a token for root on this machine')
  } catch (error) {
    if (!isFileError(error)) throw error
    log.warn({ err: error, file }, 'no token for root on this machine')
  }
}

async function readToken(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    if (isFileError(error) && error.code === 'ENOENT') return undefined
    throw error
  }
}

function isFileError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'code' in error && /^E[A-Z]+$/.test(String(error.code))
}

async function isKnown(session: StoreSession, token: string): Promise<boolean> {
  const hash = hashToken(token)
  for (const id of (await session.children(tree.tokens.path)) ?? []) {
    if ((await session.get(tree.tokens.child(id)))?.value.sha256 === hash) return true
  }
  return false
}
