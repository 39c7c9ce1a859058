import type { Versioned } from '../ports/store.ts'
import type { Key } from '../schema/key.ts'

/**
 * What operations need of the watch-fed index. Reading it costs no request to ZooKeeper; it may lag behind, so whoever
 * decides on it writes with the version read and lets the store refuse.
 */
export type DocumentIndex = {
  /** False until everything was read once, and while the connection has been away for longer than is acceptable. */
  readonly isUsable: boolean
  /** The newest document seen; undefined when there is none, or when its text cannot be read. */
  get<T>(key: Key<T>): Versioned<T> | undefined
  /** Names of the children; empty when the path does not exist. */
  children(path: string): readonly string[]
  /** Called after any change the index has taken up. */
  onChange(listener: () => void): () => void
}
