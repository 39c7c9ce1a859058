/** Reading of streams: the text of guests' consoles and of nodes' logs. */
import {
  type ConsoleSegment,
  comparePositions,
  endOfSegment,
  linesOfSegment,
  type SegmentLine,
  type StreamPosition,
} from '../model/console.ts'
import { hasCode } from '../model/errors.ts'
import type { VmUuid } from '../model/ids.ts'
import type { StoreSession } from '../ports/store.ts'
import { type StreamKeys, segmentName, tree } from '../schema/tree.ts'

/** Segments read at the same time. */
const READ_BATCH = 16

/** Numbers of a stream's segments, the newest first; none when there is no stream. */
export async function segmentNumbers(session: StoreSession, keys: StreamKeys): Promise<readonly number[]> {
  const names = (await session.children(keys.segments.path)) ?? []
  return names
    .map(Number)
    .filter(Number.isSafeInteger)
    .sort((a, b) => b - a)
}

export type NumberedSegment = { readonly number: number; readonly segment: ConsoleSegment }

/** Reads segments from the newest back, a batch at a time, until the caller has enough. */
export async function* readBackwards(session: StoreSession, keys: StreamKeys): AsyncGenerator<NumberedSegment> {
  const numbers = await segmentNumbers(session, keys)
  for (let at = 0; at < numbers.length; at += READ_BATCH) {
    const batch = numbers.slice(at, at + READ_BATCH)
    const documents = await Promise.all(batch.map((number) => session.get(keys.segments.child(segmentName(number)))))
    for (const [index, document] of documents.entries()) {
      // Removed meanwhile: so is everything before it.
      if (document === undefined) return
      yield { number: batch[index] ?? 0, segment: document.value }
    }
  }
}

/** The last lines of a stream, oldest first. A line that is not over yet is one of them. */
export async function readLastLines(session: StoreSession, keys: StreamKeys, count: number): Promise<SegmentLine[]> {
  const lines: SegmentLine[] = []
  for await (const { segment } of readBackwards(session, keys)) {
    const found = linesOfSegment(segment)
    const last = found.at(-1)
    const next = lines[0]
    // The rest of the line stands in the segment behind.
    if (last !== undefined && next !== undefined && !last.isEnd && next.line === last.line) {
      lines[0] = { ...last, text: last.text + next.text, isEnd: next.isEnd }
      found.pop()
    }
    lines.unshift(...found)
    // One more than wanted: the first one may have begun in a segment before.
    if (lines.length > count) break
  }
  return count === 0 ? [] : lines.slice(-count)
}

/** Where the text after all that is there now will begin. */
export async function endOfStream(session: StoreSession, keys: StreamKeys): Promise<StreamPosition> {
  for await (const { segment } of readBackwards(session, keys)) return endOfSegment(segment)
  return { line: 1, column: 0 }
}

/** Number of the segment in which a position is, or of the nearest one behind it; undefined: the stream is empty. */
export async function findSegment(
  session: StoreSession,
  keys: StreamKeys,
  position: StreamPosition,
): Promise<number | undefined> {
  let nearest: number | undefined
  for await (const { number, segment } of readBackwards(session, keys)) {
    nearest = number
    if (comparePositions(segment, position) <= 0) break
  }
  return nearest
}

/** Removes the console of a VM that is gone. */
export async function dropConsole(session: StoreSession, uuid: VmUuid): Promise<void> {
  const { head, segments } = tree.vm(uuid).console
  for (const name of (await session.children(segments.path)) ?? [])
    await removeIfThere(session, segments.child(name).path)
  await removeIfThere(session, head.path)
}

/** Its node may be writing the last lines at the same moment, and then the rest stays: it is removed with the next VM of this UUID. */
async function removeIfThere(session: StoreSession, path: string): Promise<void> {
  try {
    await session.remove(path)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_MISSING', 'PVC_STORE_NOT_EMPTY')) throw error
  }
}
