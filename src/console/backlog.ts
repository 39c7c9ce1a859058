/** What was read and is not in the store yet: bounded, the oldest lines give way, and a marker says how many did. Pure. */
import { MAX_STREAM_BYTES } from '../model/console.ts'
import { markerPieces, type Piece, pieceBytes } from './piece.ts'

const MAX_MARKERS = 3

export class Backlog {
  #pieces: Piece[] = []
  #bytes = 0
  /** Line ends among the pieces. */
  #lines = 0
  /** Lines that gave way since the last take. */
  #dropped = 0
  /** Markers among them; only the last few are told. */
  #markers: string[] = []
  #maxLines: number

  constructor(maxLines: number) {
    this.#maxLines = maxLines
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Changes how many lines may wait. */
  limit(maxLines: number): void {
    this.#maxLines = maxLines
    this.#trim()
  }

  push(pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      this.#pieces.push(piece)
      this.#bytes += pieceBytes(piece)
      if (isLine(piece)) this.#lines += 1
    }
    this.#trim()
  }

  /** Takes the oldest pieces, at most `maxBytes` of them but at least one. */
  take(maxBytes: number): Piece[] {
    const taken: Piece[] = []
    const first = this.#pieces[0]
    if (first) {
      for (const text of this.#markers.splice(0)) taken.push(...markerPieces(text, first.at))
      if (this.#dropped > 0) {
        const text = `[${this.#dropped} ${this.#dropped === 1 ? 'line' : 'lines'} dropped]`
        taken.push(...markerPieces(text, first.at))
      }
      this.#dropped = 0
    }
    let bytes = 0
    let count = 0
    for (const piece of this.#pieces) {
      bytes += pieceBytes(piece)
      if (count > 0 && bytes > maxBytes) break
      count += 1
    }
    for (const piece of this.#pieces.splice(0, count)) {
      this.#forget(piece)
      taken.push(piece)
    }
    return taken
  }

  #trim(): void {
    let count = 0
    let lines = this.#lines
    let bytes = this.#bytes
    while (count < this.#pieces.length && (lines > this.#maxLines || bytes > MAX_STREAM_BYTES)) {
      // Whole lines: what remains begins with a line of its own.
      do {
        const piece = this.#pieces[count]
        if (piece === undefined) break
        bytes -= pieceBytes(piece)
        count += 1
        if (piece.isBreak) break
        if (!piece.isEnd) continue
        lines -= 1
        break
      } while (count < this.#pieces.length)
    }
    if (count === 0) return
    for (const piece of this.#pieces.splice(0, count)) {
      this.#forget(piece)
      if (piece.isMarker) this.#markers = [...this.#markers, piece.text].slice(-MAX_MARKERS)
      else if (isLine(piece)) this.#dropped += 1
    }
  }

  #forget(piece: Piece): void {
    this.#bytes -= pieceBytes(piece)
    if (isLine(piece)) this.#lines -= 1
  }
}

function isLine(piece: Piece): boolean {
  return piece.isEnd && piece.isBreak === undefined
}
