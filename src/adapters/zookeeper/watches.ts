import { PvcError } from '../../model/errors.ts'
import type { ChangeKind } from '../../ports/store.ts'
import type { WatchEvent } from './native.ts'

/**
 * At a reconnect the client names all its watches in one packet, and the servers refuse one over 1 MiB: the client
 * then fails for ever. Measured: 10,000 watches pass, 30,000 of 45 bytes do not.
 */
export const WATCH_LIMITS = { count: 10_000, bytes: 700_000 } as const

/** Length prefix of each path in that packet. */
const PREFIX_BYTES = 4

/** The armed one-shot watches of a connection, counted before they are asked for. */
export class Watches {
  readonly #armed = { data: new Set<string>(), children: new Set<string>() }
  readonly #limits: { readonly count: number; readonly bytes: number }
  #bytes = 0

  constructor(limits: { readonly count: number; readonly bytes: number } = WATCH_LIMITS) {
    this.#limits = limits
  }

  get count(): number {
    return this.#armed.data.size + this.#armed.children.size
  }

  /** Takes a place for a watch that is about to be asked for. @throws PVC_STORE_WATCH_LIMIT */
  reserve(path: string, kind: ChangeKind): void {
    if (this.#armed[kind].has(path)) return
    const bytes = Buffer.byteLength(path) + PREFIX_BYTES
    if (this.count >= this.#limits.count || this.#bytes + bytes > this.#limits.bytes) {
      throw new PvcError('PVC_STORE_WATCH_LIMIT', `watch ${path}: this session has ${this.count} watches`, {
        details: { path, watches: this.count, bytes: this.#bytes },
      })
    }
    this.#armed[kind].add(path)
    this.#bytes += bytes
  }

  /** Gives back a place: the watch was not armed, or has fired. @returns whether there was one */
  release(path: string, kind: ChangeKind): boolean {
    if (!this.#armed[kind].delete(path)) return false
    this.#bytes -= Buffer.byteLength(path) + PREFIX_BYTES
    return true
  }

  /** What a fired watch means for those who armed it. */
  fired(event: WatchEvent, path: string): readonly ChangeKind[] {
    const kinds: ChangeKind[] = []
    if (event !== 'child' && this.release(path, 'data')) kinds.push('data')
    // A children watch also sees its own znode appear and disappear.
    if (event !== 'changed' && this.release(path, 'children')) kinds.push('children')
    return kinds
  }

  /** The connection is gone with all its watches. */
  clear(): void {
    this.#armed.data.clear()
    this.#armed.children.clear()
    this.#bytes = 0
  }
}
