/** Reading for a look at many nodes: one document that cannot be decoded must not stop it. */

import { errorChain, hasCode } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { StoreSession, Versioned } from '../ports/store.ts'
import type { Key } from '../schema/key.ts'

/** What cannot be decoded, of another release or by somebody's hand, counts as absent; the log says so once. */
export type Documents = {
  get<T>(session: StoreSession, key: Key<T>): Promise<Versioned<T> | undefined>
  /** For a document that only the caller writes: what cannot be decoded is taken away, so that it can be made anew. */
  getOwn<T>(session: StoreSession, key: Key<T>): Promise<Versioned<T> | undefined>
}

export function createDocuments(log: Log): Documents {
  const unreadable = new Set<string>()
  const get = async <T>(session: StoreSession, key: Key<T>, onCorrupt: () => Promise<void>) => {
    try {
      const document = await session.get(key)
      unreadable.delete(key.path)
      return document
    } catch (error) {
      if (!hasCode(error, 'PVC_STORE_CORRUPT')) throw error
      if (!unreadable.has(key.path)) log.warn({ error: errorChain(error) }, 'a document counts as absent')
      unreadable.add(key.path)
      await onCorrupt()
      return undefined
    }
  }
  return {
    get: (session, key) => get(session, key, async () => undefined),
    getOwn: (session, key) => get(session, key, () => session.remove(key.path)),
  }
}
