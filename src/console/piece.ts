import type { LogPlace } from '../model/console.ts'

/** A piece of a stream on its way to the store. */
export type Piece = {
  readonly text: string
  /** The line ends after it. */
  readonly isEnd: boolean
  /** No text: a line that is open here ends, and nothing happens when none is. */
  readonly isBreak?: true
  /** Says itself that something is missing. */
  readonly isMarker?: true
  /** Wall time at which it was read. */
  readonly at: number
  /** Place in the file after it; null: it comes from no file. Undefined: the place does not move (a marker). */
  readonly place: LogPlace | null | undefined
}

/** Bytes of a piece in the store. */
export function pieceBytes(piece: Pick<Piece, 'text' | 'isEnd'>): number {
  let bytes = piece.isEnd ? 1 : 0
  for (let at = 0; at < piece.text.length; at += 1) {
    const code = piece.text.charCodeAt(at)
    // A pair of surrogates is one character of four bytes.
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code >= 0xd800 && code < 0xe000 ? 2 : 3
  }
  return bytes
}

/** Ends the line that is open, if one is. */
export function breakPiece(at: number): Piece {
  return { text: '', isEnd: true, isBreak: true, at, place: undefined }
}

/** A line of our own in the stream. */
export function markerPieces(text: string, at: number): Piece[] {
  return [breakPiece(at), { text, isEnd: true, isMarker: true, at, place: undefined }]
}

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** Bytes before a place that its fingerprint covers. */
export const PRINT_BYTES = 64

/** Fingerprint (FNV-1a) of the up to 64 bytes before `end`. */
export function fingerprint(bytes: Uint8Array, end: number): string {
  let hash = FNV_OFFSET
  for (let at = Math.max(0, end - PRINT_BYTES); at < end; at += 1)
    hash = Math.imul(hash ^ (bytes[at] ?? 0), FNV_PRIME) >>> 0
  return hash.toString(36)
}
