/** What a look at a log file means. Pure. */
import type { LogPlace } from '../model/console.ts'

/** The file that is being read. */
export type Reading = { readonly file: string; readonly offset: number }

/** What a look saw: the size of the file that is held open, and which file has its name now (undefined: none). */
export type Seen = { readonly openBytes: number; readonly namedFile: string | undefined }

export type Look =
  /** Nothing new. */
  | { readonly kind: 'wait' }
  /** The file was cut off: it is read from its beginning. */
  | { readonly kind: 'truncated' }
  /** More has come than is kept: reading goes on at `offset`. */
  | { readonly kind: 'skip'; readonly offset: number; readonly skippedBytes: number }
  | { readonly kind: 'read' }
  /** All of this file was read, and it has the name no more: what follows may be in another one. */
  | { readonly kind: 'next' }

/**
 * Decides what to do with a file. The name was looked at before the size of the open file, so that what a writer put into
 * the old file before it turned to the new one is read.
 */
export function decideLook(reading: Reading, seen: Seen, maxBacklogBytes: number): Look {
  if (seen.openBytes < reading.offset) return { kind: 'truncated' }
  const newBytes = seen.openBytes - reading.offset
  if (newBytes > maxBacklogBytes) {
    const offset = seen.openBytes - maxBacklogBytes
    return { kind: 'skip', offset, skippedBytes: newBytes - maxBacklogBytes }
  }
  if (newBytes > 0) return { kind: 'read' }
  return { kind: seen.namedFile === reading.file ? 'wait' : 'next' }
}

/** A file of a console: virtlogd renames `log` to `log.0`, `log.0` to `log.1` and so on. */
export type Candidate = { readonly path: string; readonly id: string; readonly sizeBytes: number }

/** Names under which the files of a console may be, oldest first. */
export function candidatePaths(path: string): readonly string[] {
  return [`${path}.2`, `${path}.1`, `${path}.0`, path]
}

/**
 * Where reading goes on after a place: in the file it names if that is still there. Otherwise from the beginning of the
 * newest one; `isGap` says that a file in between is gone.
 */
export function decideStart(
  place: LogPlace | undefined,
  candidates: readonly Candidate[],
): { readonly at: number; readonly offset: number; readonly isGap: boolean } {
  const known = candidates.findIndex(({ id }) => id === place?.file)
  if (place !== undefined && known >= 0) return { at: known, offset: place.offset, isGap: false }
  return { at: candidates.length - 1, offset: 0, isGap: place !== undefined && candidates.length > 1 }
}

/**
 * The file after the one that was read to its end; undefined: there is none with content. An empty one does not count:
 * whoever renamed the old one may still have a writer in it.
 */
export function decideNext(
  file: string,
  candidates: readonly Candidate[],
): { readonly at: number; readonly isGap: boolean } | undefined {
  const known = candidates.findIndex(({ id }) => id === file)
  // A file that is gone has left all of these behind it, and perhaps others.
  const at = candidates.findIndex(({ sizeBytes }, index) => index > known && sizeBytes > 0)
  if (at < 0) return undefined
  if (known >= 0) return { at, isGap: false }
  const newest = candidates.length - 1
  return { at: newest, isGap: newest > 0 }
}
