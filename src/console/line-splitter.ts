/** Turns what a guest printed into pieces of lines. Pure. */
import { MAX_LINE_BYTES } from '../model/console.ts'

/** A piece of a line. `isEnd`: the line ends after it. */
export type TextPiece = {
  readonly text: string
  readonly isEnd: boolean
  /** Bytes of the input that it and all pieces before it stand for. */
  readonly consumed: number
}

const NEWLINE = 10
const RETURN = 13

/** Text of bytes; what is no UTF-8 becomes U+FFFD. NUL is left out: a terminal ignores it, and pagers do not. */
function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replaceAll('\0', '')
}

/**
 * Splits bytes into pieces of lines. A return before a newline belongs to the line end; other returns and escape sequences
 * stay. What may still become part of something (a return, the beginning of a character) is not consumed: read it again
 * together with what follows.
 * @param openBytes bytes of the present line that came before; a line ends when it has MAX_LINE_BYTES
 * @returns the pieces, and the bytes of the line that is open after them
 */
export function splitLines(
  bytes: Uint8Array,
  openBytes: number,
): { readonly pieces: readonly TextPiece[]; readonly openBytes: number } {
  const pieces: TextPiece[] = []
  let open = openBytes
  let start = 0
  while (start < bytes.length) {
    const newline = bytes.indexOf(NEWLINE, start)
    const lineEnd = newline < 0 ? bytes.length - unfinishedBytes(bytes) : newline
    const limit = start + MAX_LINE_BYTES - open
    if (lineEnd > limit) {
      // At least one character, or a line that is just full would never go on.
      const end = Math.max(characterStart(bytes, limit), start)
      pieces.push({ text: decode(bytes.subarray(start, end)), isEnd: true, consumed: end })
      start = end
      open = 0
      continue
    }
    if (newline < 0) {
      if (lineEnd > start) {
        pieces.push({ text: decode(bytes.subarray(start, lineEnd)), isEnd: false, consumed: lineEnd })
        open += lineEnd - start
      }
      break
    }
    const textEnd = newline > start && bytes[newline - 1] === RETURN ? newline - 1 : newline
    pieces.push({ text: decode(bytes.subarray(start, textEnd)), isEnd: true, consumed: newline + 1 })
    start = newline + 1
    open = 0
  }
  return { pieces, openBytes: open }
}

/** Bytes at the end that cannot be judged yet: a return, or a character of which not all bytes are there. */
function unfinishedBytes(bytes: Uint8Array): number {
  if (bytes[bytes.length - 1] === RETURN) return 1
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0
    if ((byte & 0xc0) === 0x80) continue
    const length = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1
    return byte < 0xf8 && length > back ? back : 0
  }
  return 0
}

/** The nearest place at or before `at` that is not inside a character. */
function characterStart(bytes: Uint8Array, at: number): number {
  let start = at
  while (start > at - 4 && start > 0 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start -= 1
  return start
}
