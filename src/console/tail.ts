/** Follows the log file of one console: through growth, truncation, rotation, absence and errors, from a known place on. */
import { type Clock, sleep } from '../base/clock.ts'
import { Reconciler } from '../base/reconciler.ts'
import { type LogPlace, MAX_STREAM_BYTES } from '../model/console.ts'
import { PvcError } from '../model/errors.ts'
import type { LogFiles, OpenLogFile } from '../ports/log-files.ts'
import { type Candidate, candidatePaths, decideLook, decideNext, decideStart } from './decide.ts'
import { LogReading } from './log-reading.ts'
import { breakPiece, markerPieces, type Piece } from './piece.ts'

/** A look although nothing was reported: changes of a file are hints only. */
const LOOK_MS = 500
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
  /** Kept when the file cannot be opened. */
  readonly #reading: LogReading
  #isFirstFile: boolean
  /** The file was emptied since the last start. */
  #hasTruncated: boolean
  #wasRestarted = false

  constructor(options: TailOptions) {
    this.#options = options
    this.#reading = new LogReading(options.place)
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
    const { place } = this.#reading
    return `${place?.file}:${place?.offset}`
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
      const { offset } = this.#reading
      const look = decideLook({ file: file.id, offset }, { openBytes, namedFile: named?.id }, MAX_STREAM_BYTES)
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
          if (await this.#read(file, openBytes)) {
            // What comes meanwhile is told, or seen at the next look.
            if (named?.id === file.id && this.#reading.offset >= openBytes) return
            break
          }
          if (named?.id === file.id || !(await this.#next(file, openBytes))) return
          break
        case 'next':
          if (!(await this.#next(file, openBytes))) return
      }
    }
  }

  async #candidates(): Promise<Candidate[]> {
    const { files, path } = this.#options
    const found: Candidate[] = []
    for (const candidate of candidatePaths(path)) {
      const named = await files.identify(candidate)
      if (named !== undefined) found.push({ path: candidate, ...named })
    }
    return found
  }

  async #open(): Promise<OpenLogFile | undefined> {
    const candidates = await this.#candidates()
    if (candidates.length === 0) return undefined
    // Backups of a console that nobody read before are history.
    const start = decideStart(this.#reading.place, candidates)
    const file = await this.#openCandidate(candidates[start.at])
    if (file === undefined) return undefined
    this.#file = file
    if (start.isGap) this.#say('[output dropped]')
    const isKnown = file.id === this.#reading.place?.file && (await this.#reading.isValid(file))
    if (!isKnown) this.#begin(file)
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
    const isFirst = this.#reading.place === undefined
    const place = this.#reading.begin(file)
    // The new place is told even if no text is: a file that grows back must not look like the old one to the next reader.
    if (!isFirst) this.#give([{ ...breakPiece(this.#options.clock.wallMs()), place }])
  }

  /** Takes the last lines of a file that nobody read before, however large it is. */
  async #readFirst(file: OpenLogFile): Promise<void> {
    const sizeBytes = await file.sizeBytes()
    const from = Math.max(0, sizeBytes - MAX_STREAM_BYTES)
    if (from > 0) await this.#reading.moveTo(file, from)
    const pieces: Piece[] = []
    for (;;) {
      const read = await this.#reading.read(file, sizeBytes, this.#options.clock.wallMs())
      if (read === undefined || read.length === 0) break
      pieces.push(...read)
    }
    const lastLines = pieces.findLastIndex(endsBefore(this.#options.firstLines))
    this.#give(pieces.slice(lastLines + 1))
  }

  async #skip(file: OpenLogFile, look: { readonly offset: number; readonly skippedBytes: number }): Promise<void> {
    await this.#reading.moveTo(file, look.offset)
    this.#say(`[${look.skippedBytes} bytes dropped]`)
  }

  /** @returns false when nothing more can be read now */
  async #read(file: OpenLogFile, sizeBytes: number): Promise<boolean> {
    const pieces = await this.#reading.read(file, sizeBytes, this.#options.clock.wallMs())
    if (pieces === undefined) {
      this.#hasTruncated = true
      this.#begin(file)
      return true
    }
    this.#give(pieces)
    return pieces.length > 0
  }

  /** Turns to the file that follows. @returns false when there is none */
  async #next(file: OpenLogFile, sizeBytes: number): Promise<boolean> {
    const candidates = await this.#candidates()
    const next = decideNext(file.id, candidates)
    const opened = await this.#openCandidate(next && candidates[next.at])
    if (next === undefined || opened === undefined) return false
    await this.#reading.goOn(file, sizeBytes, opened)
    await file.close()
    this.#file = opened
    if (next.isGap) this.#say('[output dropped]')
    return true
  }

  #say(text: string): void {
    this.#give(markerPieces(text, this.#options.clock.wallMs()))
    this.#reading.endLine()
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
