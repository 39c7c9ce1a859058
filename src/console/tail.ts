/** Follows the log file of one console: through growth, truncation, rotation, absence and errors, from a known place on. */
import { type Clock, sleep } from '../base/clock.ts'
import { Reconciler } from '../base/reconciler.ts'
import { type LogPlace, MAX_STREAM_BYTES } from '../model/console.ts'
import { PvcError } from '../model/errors.ts'
import type { LogFiles, OpenLogFile } from '../ports/log-files.ts'
import { type Candidate, candidatePaths, decideLook, decideNext, decideStart } from './decide.ts'
import { splitLines } from './line-splitter.ts'
import { breakPiece, fingerprint, markerPieces, PRINT_BYTES, type Piece } from './piece.ts'

/** A look although nothing was reported: changes of a file are hints only. */
const LOOK_MS = 500
const READ_BYTES = 64 * 1024
const NEWLINE = 10
/** An end without a further byte for this long is the end: virtlogd writes on for a moment after its guest. */
const QUIET_MS = 300
const DRAIN_MS = 3000

export type TailOptions = {
  readonly files: LogFiles
  readonly path: string
  /** Where an earlier reader stopped; undefined: nobody read this console here before. */
  readonly place: LogPlace | undefined
  /** Lines taken of a file that nobody read before. */
  readonly firstLines: number
  /** The guest had been started already: its start has emptied the file before. */
  readonly isStarted: boolean
  readonly clock: Clock
  readonly onPieces: (pieces: readonly Piece[]) => void
  /** Told of a problem at every failed look, and of undefined when looks succeed. */
  readonly onProblem: (problem: PvcError | undefined) => void
}

export class Tail {
  readonly #options: TailOptions
  readonly #loop: Reconciler
  #file: OpenLogFile | undefined
  /** Where reading goes on; kept when the file cannot be opened. */
  #place: LogPlace | undefined
  /** Bytes of the line that is open. */
  #openBytes = 0
  #isFirstFile: boolean
  /** The file was emptied since the last start. */
  #hasTruncated: boolean
  #wasRestarted = false

  constructor(options: TailOptions) {
    this.#options = options
    this.#place = options.place
    this.#isFirstFile = options.place === undefined
    this.#hasTruncated = options.isStarted
    this.#loop = new Reconciler({
      clock: options.clock,
      rescanMs: LOOK_MS,
      retryMs: LOOK_MS,
      pass: async () => {
        await this.#look()
        options.onProblem(undefined)
        return {}
      },
      onError: (error) => this.#onError(error),
    })
  }

  /** Looks at the file now. */
  trigger(): void {
    this.#loop.trigger()
  }

  /**
   * The guest was started. libvirt has emptied the file for it unless the definition says `append='on'`; a file that has
   * grown back to the same text would look unchanged.
   */
  restarted(isEmptied: boolean): void {
    if (isEmptied && !this.#hasTruncated) this.#wasRestarted = true
    this.#hasTruncated = false
    this.trigger()
  }

  /** Reads until nothing comes any more, bounded, and stops. */
  async drain(): Promise<void> {
    const { clock } = this.#options
    const endMs = clock.nowMs() + DRAIN_MS
    let quietMs = clock.nowMs()
    let seen = this.#mark()
    while (clock.nowMs() < endMs && clock.nowMs() - quietMs < QUIET_MS) {
      this.trigger()
      await sleep(clock, QUIET_MS / 6)
      if (this.#mark() === seen) continue
      seen = this.#mark()
      quietMs = clock.nowMs()
    }
    await this.stop()
  }

  /** Stops looking; what was not read stays in the file for the next reader. */
  async stop(): Promise<void> {
    await this.#loop.stop()
    await this.#file?.close()
    this.#file = undefined
  }

  #mark(): string {
    return `${this.#place?.file}:${this.#place?.offset}`
  }

  async #look(): Promise<void> {
    for (;;) {
      const file = this.#file ?? (await this.#open())
      if (file === undefined) return
      const named = await this.#options.files.identify(this.#options.path)
      const openBytes = await file.sizeBytes()
      if (this.#wasRestarted) {
        this.#wasRestarted = false
        if (named?.id === file.id) this.#begin(file)
      }
      const offset = this.#place?.offset ?? 0
      const look = decideLook({ file: file.id, offset }, { openBytes, named }, MAX_STREAM_BYTES)
      switch (look.kind) {
        case 'wait':
          return
        case 'truncated':
          this.#hasTruncated = true
          this.#begin(file)
          break
        case 'skip':
          await this.#skip(file, look)
          break
        case 'read':
          if (!(await this.#read(file, openBytes))) return
          break
        case 'next':
          if (!(await this.#next(file))) return
      }
    }
  }

  async #candidates(): Promise<Candidate[]> {
    const { files, path } = this.#options
    const found: Candidate[] = []
    for (const candidate of candidatePaths(path)) {
      const named = await files.identify(candidate)
      // The newest file may be there already although nothing is in it: the old one counts until then.
      if (named !== undefined) found.push({ path: candidate, id: named.id })
    }
    return found
  }

  async #open(): Promise<OpenLogFile | undefined> {
    const candidates = await this.#candidates()
    if (candidates.length === 0) return undefined
    // Backups of a console that nobody read before are history.
    const start = decideStart(this.#place, candidates)
    const file = await this.#openCandidate(candidates[start.at])
    if (file === undefined) return undefined
    this.#file = file
    if (start.isGap) this.#say('[output dropped]')
    if (this.#place === undefined || file.id !== this.#place.file) this.#begin(file)
    if (this.#isFirstFile) await this.#readFirst(file)
    this.#isFirstFile = false
    return file
  }

  /** @returns undefined when the name means another file by now: the next look sees which */
  async #openCandidate(candidate: Candidate | undefined): Promise<OpenLogFile | undefined> {
    const file = candidate && (await this.#options.files.open(candidate.path))
    if (file === undefined || file.id === candidate?.id) return file
    await file.close()
    return undefined
  }

  /** Reading begins at the start of a file; a line that is open ends, because its rest is not in there. */
  #begin(file: OpenLogFile): void {
    if (this.#place !== undefined) this.#give([breakPiece(this.#options.clock.wallMs())])
    this.#openBytes = 0
    this.#place = { file: file.id, offset: 0, print: fingerprint(new Uint8Array(), 0) }
  }

  /** Takes the last lines of a file that nobody read before, however large it is. */
  async #readFirst(file: OpenLogFile): Promise<void> {
    const sizeBytes = await file.sizeBytes()
    const from = Math.max(0, sizeBytes - MAX_STREAM_BYTES)
    if (from > 0) await this.#moveTo(file, from)
    const pieces: Piece[] = []
    for (;;) {
      const read = await this.#readPieces(file, sizeBytes)
      if (read === undefined || read.length === 0) break
      pieces.push(...read)
    }
    const lastLines = pieces.findLastIndex(endsBefore(this.#options.firstLines))
    this.#give(pieces.slice(lastLines + 1))
  }

  async #skip(
    file: OpenLogFile,
    look: { readonly offset: number; readonly skippedBytes: number },
  ): Promise<void> {
    await this.#moveTo(file, look.offset)
    this.#say(`[${look.skippedBytes} bytes dropped]`)
  }

  /** Goes to the first line that begins after an offset. */
  async #moveTo(file: OpenLogFile, offset: number): Promise<void> {
    const before = Math.min(PRINT_BYTES, offset)
    const bytes = await file.read(offset - before, READ_BYTES)
    const newline = bytes.indexOf(NEWLINE, before)
    const at = newline < 0 ? before : newline + 1
    this.#place = { file: file.id, offset: offset - before + at, print: fingerprint(bytes, at) }
    this.#openBytes = 0
  }

  /** @returns false when nothing more can be read now */
  async #read(file: OpenLogFile, sizeBytes: number): Promise<boolean> {
    const pieces = await this.#readPieces(file, sizeBytes)
    if (pieces === undefined) {
      this.#hasTruncated = true
      this.#begin(file)
      return true
    }
    this.#give(pieces)
    return pieces.length > 0
  }

  /** @returns undefined when what was read before is not in the file any more */
  async #readPieces(file: OpenLogFile, sizeBytes: number): Promise<Piece[] | undefined> {
    const place = this.#place
    if (place === undefined) return []
    const before = Math.min(PRINT_BYTES, place.offset)
    const wanted = before + Math.min(READ_BYTES, sizeBytes - place.offset)
    const bytes = await file.read(place.offset - before, wanted)
    if (bytes.length < before || fingerprint(bytes, before) !== place.print) return undefined
    const split = splitLines(bytes.subarray(before), this.#openBytes)
    this.#openBytes = split.openBytes
    const at = this.#options.clock.wallMs()
    const pieces = split.pieces.map(({ text, isEnd, consumed }): Piece => {
      const end = before + consumed
      return { text, isEnd, at, place: { file: file.id, offset: place.offset + consumed, print: fingerprint(bytes, end) } }
    })
    this.#place = pieces.at(-1)?.place ?? place
    return pieces
  }

  /** Turns to the file that follows. @returns false when there is none */
  async #next(file: OpenLogFile): Promise<boolean> {
    const candidates = await this.#candidates()
    const next = decideNext(file.id, candidates)
    const opened = await this.#openCandidate(next && candidates[next.at])
    if (next === undefined || opened === undefined) return false
    await file.close()
    this.#file = opened
    if (next.isGap) this.#say('[output dropped]')
    // A line may go on in the next file: virtlogd changes files in the middle of one.
    this.#place = { file: opened.id, offset: 0, print: fingerprint(new Uint8Array(), 0) }
    return true
  }

  #say(text: string): void {
    this.#give(markerPieces(text, this.#options.clock.wallMs()))
    this.#openBytes = 0
  }

  #give(pieces: readonly Piece[]): void {
    if (pieces.length > 0) this.#options.onPieces(pieces)
  }

  /** The file is opened anew at the next look, and reading goes on where it stopped. */
  #onError(error: unknown): void {
    if (!(error instanceof PvcError)) throw error
    const file = this.#file
    this.#file = undefined
    void file?.close().catch(() => undefined)
    this.#options.onProblem(error)
  }
}

/** Finds, from the end, the piece after which the last `lines` lines begin. */
function endsBefore(lines: number): (piece: Piece, index: number, all: readonly Piece[]) => boolean {
  let seen = 0
  return (piece, index, all) => {
    // The last piece's own end does not begin another line.
    if (piece.isEnd && index < all.length - 1) seen += 1
    return seen >= lines && piece.isEnd
  }
}
