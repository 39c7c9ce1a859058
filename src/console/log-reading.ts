/** Reading one log file after the other: the place, and what stands between two reads. */
import type { LogPlace } from '../model/console.ts'
import type { OpenLogFile } from '../ports/log-files.ts'
import { splitLines } from './line-splitter.ts'
import { fingerprint, type Piece, PRINT_BYTES } from './piece.ts'

const READ_BYTES = 64 * 1024
const NEWLINE = 10
const NOTHING = new Uint8Array()

export class LogReading {
  #place: LogPlace | undefined
  /** Bytes of the line that is open. */
  #openBytes = 0
  /** The end of the file before, which only means something together with the beginning of this one. */
  #carried: Uint8Array = NOTHING

  /** Begins where an earlier reader stopped. */
  constructor(place: LogPlace | undefined) {
    this.#place = place
  }

  get place(): LogPlace | undefined {
    return this.#place
  }

  get offset(): number {
    return this.#place?.offset ?? 0
  }

  /** What is read next begins a line. */
  endLine(): void {
    this.#openBytes = 0
  }

  /** Reads a file from its beginning; what it held before is over. */
  begin(file: OpenLogFile): LogPlace {
    this.#openBytes = 0
    this.#carried = NOTHING
    this.#place = { file: file.id, offset: 0, print: fingerprint(NOTHING, 0) }
    return this.#place
  }

  /** Goes on in the next file; a line may go on as well: virtlogd changes files in the middle of one. */
  async goOn(from: OpenLogFile, fromBytes: number, to: OpenLogFile): Promise<void> {
    this.#carried = joined(this.#carried, await from.read(this.offset, fromBytes - this.offset))
    this.#place = { file: to.id, offset: 0, print: fingerprint(NOTHING, 0) }
  }

  /** Goes to the first line that begins after an offset. */
  async moveTo(file: OpenLogFile, offset: number): Promise<void> {
    const before = Math.min(PRINT_BYTES, offset)
    const bytes = await file.read(offset - before, READ_BYTES)
    const newline = bytes.indexOf(NEWLINE, before)
    const at = newline < 0 ? before : newline + 1
    this.#place = { file: file.id, offset: offset - before + at, print: fingerprint(bytes, at) }
    this.#openBytes = 0
  }

  /** Whether what was read is still in the file. */
  async isValid(file: OpenLogFile): Promise<boolean> {
    return (await this.read(file, this.offset, 0)) !== undefined
  }

  /**
   * Reads on, at most 64 KiB.
   * @param at wall time for the pieces
   * @returns undefined when what was read before is not in the file any more
   */
  async read(file: OpenLogFile, sizeBytes: number, at: number): Promise<Piece[] | undefined> {
    const place = this.#place
    if (place === undefined) return []
    const before = Math.min(PRINT_BYTES, place.offset)
    const wanted = before + Math.min(READ_BYTES, sizeBytes - place.offset)
    const bytes = await file.read(place.offset - before, wanted)
    if (bytes.length < before || fingerprint(bytes, before) !== place.print) return undefined
    const carried = this.#carried
    const split = splitLines(joined(carried, bytes.subarray(before)), this.#openBytes)
    const pieces = split.pieces.map(({ text, isEnd, consumed }): Piece => {
      const here = Math.max(0, consumed - carried.length)
      const print = fingerprint(bytes, before + here)
      return { text, isEnd, at, place: { file: file.id, offset: place.offset + here, print } }
    })
    const last = pieces.at(-1)
    if (last?.place) {
      this.#place = last.place
      this.#openBytes = split.openBytes
      this.#carried = NOTHING
    }
    return pieces
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}
