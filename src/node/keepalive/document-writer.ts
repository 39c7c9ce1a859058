import { hasCode } from '../../model/errors.ts'
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
      try {
        known = { session, version: (await session.set(key, value, version)).version }
      } catch (error) {
        // Somebody repaired it by hand: it is ours, so the present version is as good.
        if (!hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_MISSING')) throw error
        const now = (await session.readWatched(key.path))?.version
        if (now === undefined) await session.create(key, value)
        else await session.set(key, value, now)
      }
    },
  }
}
