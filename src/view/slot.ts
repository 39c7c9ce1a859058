import type { Watched, WatchedDirectory, WatchedDocument } from './collection.ts'

/** One watched path of a feed. A path is read by one reader at a time; a wish that comes meanwhile causes one more reading. */
export type Slot = DocumentSlot | DirectorySlot

type Reading = {
  running: Promise<void> | undefined
  again: boolean
  /** Connection on which it was last read with success; -1: never, or the last reading failed. */
  readEpoch: number
  /** No longer wanted: its directory lost it. */
  isDropped: boolean
}

export type DocumentSlot = Reading & {
  readonly watched: WatchedDocument
  /** True when a watched directory tells of its creation, so that no watch has to wait for that. */
  readonly isListed: boolean
  /** What the directory watches under the same name, itself included. */
  siblings: readonly Slot[]
}

export type DirectorySlot = Reading & {
  readonly watched: WatchedDirectory
  readonly children: Map<string, readonly Slot[]>
}

/** A slot that was never read. */
export function newSlot(watched: Watched, isListed: boolean): Slot {
  const reading = { running: undefined, again: false, readEpoch: -1, isDropped: false }
  return watched.kind === 'document'
    ? { ...reading, watched, isListed, siblings: [] }
    : { ...reading, watched, children: new Map() }
}

export function isDirectory(slot: Slot): slot is DirectorySlot {
  return slot.watched.kind === 'directory'
}

/** A slot and everything below it, itself first. */
export function* withDescendants(slot: Slot): Generator<Slot> {
  yield slot
  if (isDirectory(slot))
    for (const child of slot.children.values()) for (const each of child) yield* withDescendants(each)
}
