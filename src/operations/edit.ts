import { hasCode, PvcError } from '../model/errors.ts'
import type { Versioned } from '../ports/store.ts'
import type { Key } from '../schema/key.ts'
import { connectedSession, type OperationsDeps, seeOwnWrite } from './deps.ts'

/** Somebody else may change the document this often while we try. */
const MAX_ATTEMPTS = 5

/**
 * Changes one document by compare-and-set. `change` is pure and may run several times: it sees the newest document, and
 * returns the new one, or the same one when nothing has to change. What it throws is only believed when the document was
 * read from the store itself, since the index may lag.
 * @throws what `change` throws, PVC_OBJECT_NOT_FOUND, PVC_OBJECT_CONFLICT after five lost races
 */
export async function editDocument<T>(
  deps: OperationsDeps,
  key: Key<T>,
  what: string,
  change: (value: T) => T,
): Promise<T> {
  const session = connectedSession(deps)
  let current: Versioned<T> | undefined = deps.index.get(key)
  let isCertain = false
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    if (current === undefined) {
      current = await session.get(key)
      isCertain = true
    }
    if (current === undefined) throw new PvcError('PVC_OBJECT_NOT_FOUND', `${what} does not exist`)
    const next = tryChange(change, current.value, isCertain)
    if (next !== STALE) {
      if (next === current.value) return next
      const written = await trySet(() => session.set(key, next, (current as Versioned<T>).version))
      if (written !== undefined) {
        await seeOwnWrite(deps, key, written.mzxid)
        return next
      }
    }
    current = undefined
  }
  throw new PvcError('PVC_OBJECT_CONFLICT', `${what} is being changed by others all the time; try again`)
}

const STALE = Symbol('stale')

function tryChange<T>(change: (value: T) => T, value: T, isCertain: boolean): T | typeof STALE {
  try {
    return change(value)
  } catch (error) {
    if (isCertain || !(error instanceof PvcError)) throw error
    return STALE
  }
}

/** Undefined: the version was not the expected one, or the document is gone; read again. */
async function trySet<W>(set: () => Promise<W>): Promise<W | undefined> {
  try {
    return await set()
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_MISSING')) return undefined
    throw error
  }
}
