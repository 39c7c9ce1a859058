/** The cluster key: 32 random bytes that every node has. Each use gets a key of its own, derived from it. */
import { createHmac, hkdfSync } from 'node:crypto'
import { open } from 'node:fs/promises'
import { PvcError } from '../../model/errors.ts'

/** What the cluster key is used for. A key of one use tells nothing about another's. */
export type KeyUse = 'peer' | 'seal' | 'fingerprint'

/** The cluster key in memory. It has no text form, so that it cannot get into a log by mistake. */
export class ClusterKey {
  readonly #bytes: Buffer

  /** @param bytes 32 random bytes */
  constructor(bytes: Buffer) {
    if (bytes.length !== KEY_BYTES) throw new Error(`a cluster key has ${KEY_BYTES} bytes`)
    this.#bytes = Buffer.from(bytes)
  }

  /** The 32-byte key of one use (HKDF-SHA256). */
  derive(use: KeyUse): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#bytes, '', `pvc ${use} 1`, KEY_BYTES))
  }

  /** HMAC-SHA256 of a text under the key of fingerprints, as hex: equal texts are told without being shown. */
  fingerprint(text: string): string {
    return createHmac('sha256', this.derive('fingerprint')).update(text).digest('hex')
  }
}

const KEY_BYTES = 32
const MAKE = 'Make it on one node: (umask 077; openssl rand -base64 32 >FILE), then copy it to all others.'

/**
 * Reads the key file. It must belong to whoever runs the daemon (root) and nobody else may read it: a key that others saw is no
 * key.
 * @throws PvcError PVC_CONFIG_INVALID, as a sentence with the fix; it never holds a byte of the file
 */
export async function readClusterKey(path: string): Promise<ClusterKey> {
  const bytes = Buffer.from(await readPrivateFile(path, 'cluster key', MAKE.replace('FILE', path)), 'base64')
  if (bytes.length !== KEY_BYTES) {
    const make = MAKE.replace('FILE', path)
    throw new PvcError('PVC_CONFIG_INVALID', `The cluster key ${path} does not hold 32 bytes in base64. ${make}`)
  }
  return new ClusterKey(bytes)
}

/**
 * Reads a short file with a secret: a plain file that belongs to this user and that nobody else may read or write.
 * @param what names the secret, for messages; `hint` says how to get the file
 * @returns its text without white space at the ends
 * @throws PvcError PVC_CONFIG_INVALID; the message never holds the contents
 */
export async function readPrivateFile(path: string, what: string, hint: string): Promise<string> {
  try {
    const file = await open(path, 'r')
    try {
      const stat = await file.stat()
      const problem = privacyProblem(stat)
      if (problem !== undefined) throw new PvcError('PVC_CONFIG_INVALID', `The ${what} ${path} ${problem}.`)
      return (await file.readFile('utf8')).trim()
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof PvcError) throw cause
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    const problem = isMissing ? `is missing. ${hint}` : 'cannot be read.'
    throw new PvcError('PVC_CONFIG_INVALID', `The ${what} ${path} ${problem}`, isMissing ? {} : { cause })
  }
}

const MAX_SECRET_FILE_BYTES = 64 * 1024

type Stat = { readonly uid: number; readonly mode: number; readonly size: number; isFile(): boolean }

function privacyProblem(stat: Stat): string | undefined {
  if (!stat.isFile()) return 'is not a plain file'
  if (stat.uid !== process.getuid?.()) return 'belongs to another user: chown root:root it'
  if ((stat.mode & 0o077) !== 0)
    return 'can be read by others: chmod 600 it; if others may have read it, make a new one'
  return stat.size > MAX_SECRET_FILE_BYTES ? 'is too large' : undefined
}
