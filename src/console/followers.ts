/** Which streams somebody follows now: while they do, text is written at once. */
import { followedStream, type StreamId } from '../model/console.ts'
import { tree } from '../schema/tree.ts'
import { directory } from '../view/collection.ts'
import { createIndex } from '../view/index.ts'
import type { ConsoleDeps } from './deps.ts'

export type Followers = {
  has(stream: StreamId): boolean
  onChange(listener: () => void): () => void
  close(): void
}

/** Watches the documents by which APIs say what they are asked for. */
export function watchFollowers({ store, clock, log }: Pick<ConsoleDeps, 'store' | 'clock' | 'log'>): Followers {
  const { path } = tree.followers
  const index = createIndex({ store, clock, log, collections: [directory(path, () => [])] })
  let followed: ReadonlySet<string> = new Set()
  const listeners = new Set<() => void>()
  const unsubscribe = index.onChange(() => {
    followed = new Set(index.children(path).map(followedStream))
    for (const listener of [...listeners]) listener()
  })
  return {
    has: (stream) => followed.has(stream),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      unsubscribe()
      index.close()
    },
  }
}
