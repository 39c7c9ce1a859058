/** Documents as znode text: the same rules for the real store and the fake. */
import { PvcError } from '../../model/errors.ts'
import type { RawNode, Versioned } from '../../ports/store.ts'
import type { Key } from '../../schema/key.ts'

/** Largest document that is sent. The servers cut the connection at 1 MiB, which looks like a network failure. */
export const MAX_DOCUMENT_BYTES = 512 * 1024

/** Text of a document. @throws PVC_STORE_TOO_LARGE, before anything is sent */
export function encodeDocument<T>(key: Key<T>, value: T): string {
  const text = key.codec.encode(value)
  const bytes = Buffer.byteLength(text)
  if (bytes <= MAX_DOCUMENT_BYTES) return text
  throw new PvcError('PVC_STORE_TOO_LARGE', `${key.path} would be ${bytes} bytes, ${MAX_DOCUMENT_BYTES} are allowed`, {
    details: { path: key.path, bytes },
  })
}

/** Checked value of a znode. @throws PVC_STORE_CORRUPT */
export function decodeDocument<T>(key: Key<T>, node: RawNode): Versioned<T> {
  const { text, ...numbers } = node
  return { value: key.codec.decode(text, key.path), ...numbers }
}

/** Parent of a path, or undefined for the root. */
export function parentPath(path: string): string | undefined {
  if (path === '/') return undefined
  return path.slice(0, path.lastIndexOf('/')) || '/'
}
