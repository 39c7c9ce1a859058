/** How pieces become segments, and which segments are kept. Pure. */
import {
  type ConsoleSegment,
  endOfSegment,
  linesOfSegment,
  MAX_STREAM_BYTES,
  type SegmentLine,
  type StreamPosition,
} from '../model/console.ts'
import type { Piece } from './piece.ts'

/** Where a stream ends: the next character's position, and the bytes before it. */
export type StreamEnd = StreamPosition & { readonly before: number }

/** The text of a segment to be. */
export type Batch = Pick<ConsoleSegment, 'line' | 'column' | 'before' | 'at' | 'gapsMs' | 'text'>

/** A segment that has fewer lines and bytes than this is written again with more: few segments, and each line written about once. */
const SMALL_LINES = 4
const SMALL_BYTES = 2048

/** Puts pieces together behind a stream's end; undefined when they say nothing. */
export function planBatch(pieces: readonly Piece[], end: StreamEnd): Batch | undefined {
  const lines: SegmentLine[] = []
  let isOpen = end.column > 0
  let last: SegmentLine | undefined
  for (const piece of pieces) {
    if (piece.isBreak && !isOpen) continue
    // Of an open line only its end is new.
    if (last !== undefined && !last.isEnd) last = { ...last, text: last.text + piece.text, isEnd: piece.isEnd }
    else {
      if (last !== undefined) lines.push(last)
      last = { line: 0, column: 0, text: piece.text, isEnd: piece.isEnd, at: piece.at }
    }
    isOpen = !piece.isEnd && (isOpen || piece.text !== '')
  }
  if (last !== undefined) lines.push(last)
  if (textOf(lines) === '') return undefined
  return { line: end.line, column: end.column, before: end.before, ...timesOf(lines), text: textOf(lines) }
}

/** A segment with more text behind. */
export function mergeBatch(segment: ConsoleSegment, batch: Batch): ConsoleSegment {
  const lines = linesOfSegment(segment)
  const [first, ...rest] = linesOfSegment({ ...segment, ...batch })
  const last = lines.at(-1)
  if (first === undefined) return segment
  if (last === undefined || last.isEnd) lines.push(first)
  else lines[lines.length - 1] = { ...last, text: last.text + first.text, isEnd: first.isEnd }
  lines.push(...rest)
  return { ...segment, ...timesOf(lines), text: textOf(lines) }
}

/** Whether the next text should go into this segment too. */
export function hasRoom(segment: ConsoleSegment, batch: Batch): boolean {
  const { line } = endOfSegment(segment)
  return line - segment.line < SMALL_LINES && segment.text.length + batch.text.length <= SMALL_BYTES
}

function textOf(lines: readonly SegmentLine[]): string {
  return lines.map(({ text, isEnd }) => (isEnd ? `${text}\n` : text)).join('')
}

function timesOf(lines: readonly SegmentLine[]): Pick<ConsoleSegment, 'at' | 'gapsMs'> {
  const gapsMs = lines.slice(1).map((line, index) => line.at - (lines[index]?.at ?? line.at))
  while (gapsMs.at(-1) === 0) gapsMs.pop()
  return { at: lines[0]?.at ?? 0, gapsMs }
}

/** Where a segment begins. */
export type SegmentStart = { readonly line: number; readonly before: number }

/** Whether the oldest segment can go: enough lines follow it, or more bytes are kept than may be. */
export function isDispensable(
  oldest: SegmentStart,
  second: SegmentStart,
  end: { readonly line: number; readonly before: number },
  maxLines: number,
): boolean {
  return end.line - second.line >= maxLines || end.before - oldest.before > MAX_STREAM_BYTES
}
