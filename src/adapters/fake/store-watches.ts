import type { ChangeKind } from '../../ports/store.ts'
import type { TreeChange } from './store-tree.ts'

type Listener = (path: string, kind: ChangeKind) => void

/** One-shot watches of one session, and what fired while it was cut off. */
export class FakeWatches {
  readonly #data = new Set<string>()
  readonly #children = new Set<string>()
  readonly #listeners = new Set<Listener>()
  #held: [string, ChangeKind][] = []
  #isHeld = false

  /** Number of armed watches. */
  get size(): number {
    return this.#data.size + this.#children.size
  }

  arm(path: string, kind: ChangeKind): void {
    if (kind === 'data') this.#data.add(path)
    else this.#children.add(path)
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Keeps what fires until {@link release}: the servers tell a client at its reconnect what it missed. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    const held = this.#held
    this.#held = []
    for (const [path, kind] of held) this.#tell(path, kind)
  }

  /** The session is over: nothing fires any more. */
  drop(): void {
    this.#data.clear()
    this.#children.clear()
    this.#listeners.clear()
    this.#held = []
  }

  fire(changes: readonly TreeChange[]): void {
    for (const { path, kind } of changes) {
      if (kind !== 'children' && this.#data.delete(path)) this.#tell(path, 'data')
      // A children watch also sees its own znode appear and disappear.
      if (kind !== 'changed' && this.#children.delete(path)) this.#tell(path, 'children')
    }
  }

  #tell(path: string, kind: ChangeKind): void {
    if (this.#isHeld) this.#held.push([path, kind])
    else queueMicrotask(() => this.#deliver(path, kind))
  }

  #deliver(path: string, kind: ChangeKind): void {
    for (const listener of [...this.#listeners]) listener(path, kind)
  }
}
