import type { AuditEntry } from '../model/cluster.ts'
import { hasCode } from '../model/errors.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps } from './deps.ts'

/** Entries kept unless said otherwise; older ones are removed. */
const DEFAULT_KEPT = 5000
/** Removed at a time, so that one request never pays for much. */
const PRUNE_BATCH = 50
/** A look at the number of entries every so many writes. */
const PRUNE_EVERY = 25
/** Read at the same time. */
const READ_BATCH = 50

/** The log of changes in the store: sequential documents, the oldest removed in small batches. */
export class AuditLog {
  readonly #deps: OperationsDeps
  readonly #kept: number
  #written = 0
  #pruning: Promise<void> | undefined

  constructor(deps: OperationsDeps, options: { readonly kept?: number } = {}) {
    this.#deps = deps
    this.#kept = options.kept ?? DEFAULT_KEPT
  }

  /** Writes an entry. @throws PVC_STORE_UNAVAILABLE, PVC_STORE_TIMEOUT */
  async append(entry: AuditEntry): Promise<void> {
    await connectedSession(this.#deps).create(tree.audit.child('entry-'), entry, 'sequential')
    this.#written += 1
    if (this.#written % PRUNE_EVERY !== 1 || this.#pruning !== undefined) return
    this.#pruning = this.#prune()
      .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'old audit entries could not be removed'))
      .finally(() => {
        this.#pruning = undefined
      })
  }

  /** The latest entries, newest first. Read from the store: they are too many to be watched. */
  async latest(count: number): Promise<readonly AuditEntry[]> {
    const session = connectedSession(this.#deps)
    const names = [...((await session.children(tree.audit.path)) ?? [])].sort().slice(-count).reverse()
    const entries: AuditEntry[] = []
    for (let at = 0; at < names.length; at += READ_BATCH) {
      const batch = names.slice(at, at + READ_BATCH).map((name) => session.get(tree.audit.child(name)))
      for (const document of await Promise.all(batch)) if (document !== undefined) entries.push(document.value)
    }
    return entries
  }

  /** Waits for a removal in flight, at the daemon's end. */
  async settle(): Promise<void> {
    await this.#pruning
  }

  async #prune(): Promise<void> {
    const session = connectedSession(this.#deps)
    const names = [...((await session.children(tree.audit.path)) ?? [])].sort()
    for (const name of names.slice(0, Math.max(0, Math.min(names.length - this.#kept, PRUNE_BATCH)))) {
      try {
        await session.remove(tree.audit.child(name).path)
      } catch (error) {
        if (!hasCode(error, 'PVC_STORE_MISSING')) throw error
      }
    }
  }
}
