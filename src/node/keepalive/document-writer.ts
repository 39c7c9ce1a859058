import type { StoreSession } from '../../ports/store.ts'
import type { Key } from '../../schema/key.ts'

/** Writes one document that only this node writes, and creates it when it is missing. */
export type DocumentWriter<T> = {
  /** @throws PvcError PVC_STORE_*; the next write looks at the znode again */
  write(session: StoreSession, value: T): Promise<void>
}

/**
 * Keeps the version between writes, so that a write costs one request. The version is forgotten whenever the outcome of a
 * write is not known, and with the session.
 */
export function createDocumentWriter<T>(key: Key<T>): DocumentWriter<T> {
  let known: { readonly session: StoreSession; readonly version: number } | undefined

  async function versionIn(session: StoreSession): Promise<number | undefined> {
    if (known?.session === session) return known.version
    // Read without its codec: what an older release left there is replaced, not understood.
    return (await session.readWatched(key.path))?.version
  }

  return {
    async write(session, value) {
      const version = await versionIn(session)
      known = undefined
      if (version === undefined) {
        await session.create(key, value)
        known = { session, version: 0 }
        return
      }
      // A version that is not ours any more means that somebody repaired the document by hand; the next write takes it over.
      known = { session, version: (await session.set(key, value, version)).version }
    },
  }
}
