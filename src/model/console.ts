import { z } from 'zod'
import { NodeName } from './ids.ts'

/**
 * A console (and a node's log) is one stream of text over all nodes and restarts. Its lines are numbered from 1; it is kept
 * in segments, each a piece of the text, numbered without gaps. Older segments are removed when enough lines follow them.
 */

/** Most bytes of text in one segment, and in one line: a longer line goes on in the next one. */
export const MAX_SEGMENT_BYTES = 16 * 1024
export const MAX_LINE_BYTES = MAX_SEGMENT_BYTES
/** Most bytes of one stream that are kept, whatever the number of lines. */
export const MAX_STREAM_BYTES = 512 * 1024

/** How far a node has read the log file of a console. */
export const LogPlace = z.object({
  /** `device:inode`. */
  file: z.string(),
  /** Bytes of the file that are in the stream. */
  offset: z.number().int().nonnegative(),
  /** Fingerprint of the bytes before `offset`: tells a file that was cut off and grew again. */
  print: z.string(),
})
export type LogPlace = z.infer<typeof LogPlace>

/** A piece of a console's text. Writer: the node that holds the run record; a node's log: that node. */
export const ConsoleSegment = z.object({
  node: NodeName,
  /** run.seq of the VM under which it was written: a higher one has taken the stream over. 0 in a node's log. */
  seq: z.number().int().nonnegative(),
  /** Number of the line in which the text begins. */
  line: z.number().int().positive(),
  /** Characters of that line that stand in the segments before. */
  column: z.number().int().nonnegative(),
  /** Bytes of text in all segments before, also removed ones. */
  before: z.number().int().nonnegative(),
  /** When its first line arrived at the node (wall time, for display only), and for the next ones how long after the one before. */
  at: z.number().int(),
  gapsMs: z.array(z.number().int()),
  /** Place in the node's file after this text; null for a text that comes from no file. */
  place: LogPlace.nullable(),
  /** The writer has given the stream up in order: nothing of it is missing. */
  isLast: z.boolean(),
  /** Lines end with \n; a last line without it is not over. */
  text: z.string(),
})
export type ConsoleSegment = z.infer<typeof ConsoleSegment>

/** What outlives the segments of a stream: where nodes other than the writer stopped reading their files. */
export const ConsoleHead = z.object({ places: z.record(z.string(), LogPlace) })
export type ConsoleHead = z.infer<typeof ConsoleHead>

/** Says that somebody follows a stream now. Writer: the API that serves him. */
export const StreamFollower = z.object({
  /** Wall time, for display only. */
  since: z.number(),
})
export type StreamFollower = z.infer<typeof StreamFollower>

/** Which stream: a VM's console by its UUID, or a node's log by its name. */
export type StreamId = `vm-${string}` | `node-${string}`

/** Name of the document that says that somebody follows; `owner` tells the processes apart that serve followers. */
export function followerName(stream: StreamId, owner: string): string {
  return `${stream}@${owner}`
}

/** The stream that such a name is about. */
export function followedStream(name: string): string {
  return name.slice(0, name.lastIndexOf('@'))
}

/** A place in the stream: a line, and how many characters of it are before. */
export type StreamPosition = { readonly line: number; readonly column: number }

/** One line of a segment, or the part of it that stands there. */
export type SegmentLine = {
  readonly line: number
  /** Where in the line the text begins. */
  readonly column: number
  readonly text: string
  readonly isEnd: boolean
  /** When it arrived at the node, milliseconds since 1970. */
  readonly at: number
}

/** Where the text after this segment begins. */
export function endOfSegment({ line, column, text }: Pick<ConsoleSegment, 'line' | 'column' | 'text'>): StreamPosition {
  const lastBreak = text.lastIndexOf('\n')
  if (lastBreak < 0) return { line, column: column + text.length }
  return { line: line + countBreaks(text), column: text.length - lastBreak - 1 }
}

/** Number of line ends in a text. */
export function countBreaks(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1
  return count
}

/** The lines of a segment, the first and the last of which may be parts. */
export function linesOfSegment(segment: ConsoleSegment): SegmentLine[] {
  const parts = segment.text.split('\n')
  let at = segment.at
  const lines = parts.map((text, index) => {
    at += index === 0 ? 0 : (segment.gapsMs[index - 1] ?? 0)
    const column = index === 0 ? segment.column : 0
    return { line: segment.line + index, column, text, isEnd: index < parts.length - 1, at }
  })
  // What follows the last line end is no line before it has a character.
  return lines.filter((line) => line.isEnd || line.text !== '')
}

/** Orders positions. */
export function comparePositions(a: StreamPosition, b: StreamPosition): number {
  return a.line - b.line || a.column - b.column
}

/** `line.column` as clients send it back. */
export function formatPosition({ line, column }: StreamPosition): string {
  return `${line}.${column}`
}

/** Reads `line` or `line.column`; undefined when it is neither. */
export function parsePosition(text: string): StreamPosition | undefined {
  const match = /^(\d{1,15})(?:\.(\d{1,9}))?$/.exec(text)
  return match ? { line: Number(match[1]), column: Number(match[2] ?? 0) } : undefined
}
