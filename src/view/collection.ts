/** What an index watches: documents, and directories whose children are found as they come and go. */
import type { Key } from '../schema/key.ts'

/** What a document's values obey. */
export type DocumentRules<T> = {
  /** A number that never goes backwards, such as the generation; a document that breaks this is refused. */
  readonly order?: (value: T) => number
  /**
   * May a document with this last value disappear in good order? Default: yes, and its order is forgotten with it.
   * When it may not, the order is remembered, and a znode made anew must not start below it.
   */
  readonly mayVanish?: (value: T) => boolean
  /**
   * Comes into being before the last change of the document that its directory lists: while absent, it is looked for when
   * that one changes. Otherwise a watch waits for it, and one that waits for a deleted VM can never be taken back.
   */
  readonly isCompanion?: boolean
}

export type WatchedDocument = {
  readonly kind: 'document'
  readonly path: string
  readonly decode: (text: string) => unknown
  readonly order: ((value: unknown) => number) | undefined
  readonly mayVanish: (value: unknown) => boolean
  readonly isCompanion: boolean
}

export type WatchedDirectory = {
  readonly kind: 'directory'
  readonly path: string
  readonly each: (name: string) => readonly Watched[]
}

export type Watched = WatchedDocument | WatchedDirectory

/** Watches one document, also before it exists. */
export function document<T>(key: Key<T>, rules: DocumentRules<T> = {}): WatchedDocument {
  const { order, mayVanish, isCompanion = false } = rules
  // The index hands a value only to the rules of the document it was decoded for.
  return {
    kind: 'document',
    path: key.path,
    decode: (text) => key.codec.decode(text, key.path),
    order: order && ((value) => order(value as T)),
    mayVanish: mayVanish ? (value) => mayVanish(value as T) : () => true,
    isCompanion,
  }
}

/**
 * Watches the children of a path. `each` says what to watch of a child; it throws or returns nothing for a name that is
 * none of ours. A listed document comes first, its companions after it.
 */
export function directory(path: string, each: (name: string) => readonly Watched[]): WatchedDirectory {
  return { kind: 'directory', path, each }
}
