import type { Codec } from './codec.ts'

/** A path of the tree with the codec of its document. Paths are relative to the configured root and start with `/`. */
export type Key<T> = {
  readonly path: string
  readonly codec: Codec<T>
}

/** A path that only has children. `child` gives the key of one of them. */
export type Dir<T> = {
  readonly path: string
  child(name: string): Key<T>
}
