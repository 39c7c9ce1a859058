/** Writes one stream of text into the store: paced, within a budget, each piece once, behind whoever wrote before. */
import { type Clock, sleep } from '../base/clock.ts'
import { withDeadline } from '../base/deadline.ts'
import { Reconciler } from '../base/reconciler.ts'
import {
  type ConsoleSegment,
  comparePositions,
  endOfSegment,
  type LogPlace,
  MAX_SEGMENT_BYTES,
} from '../model/console.ts'
import { errorChain, hasCode, PvcError } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { StoreSession } from '../ports/store.ts'
import { type StreamKeys, segmentName } from '../schema/tree.ts'
import { Backlog } from './backlog.ts'
import type { ByteBudget } from './budget.ts'
import { breakPiece, markerPieces, type Piece } from './piece.ts'
import { type Batch, hasRoom, isDispensable, mergeBatch, planBatch, type SegmentStart, type StreamEnd } from './plan.ts'
import { claimStream, endOf, type Writer } from './stream-end.ts'

/** At most one write in this time while nobody follows; then many small pieces are one write. */
export const PACE_MS = 500
/** While somebody follows: what comes within this time is one write. */
export const FOLLOWED_PACE_MS = 20
const RETRY_MS = 500
const RESCAN_MS = 30_000
/** Removals after one write, so that a stream that was cut shorter does not cause a storm. */
const MAX_REMOVALS = 20
const FINISH_MS = 5000

export type StreamWriterOptions = {
  readonly keys: StreamKeys
  readonly writer: Writer
  /** The session to write in; undefined: none now. */
  readonly session: () => StoreSession | undefined
  /** Lines that are kept. */
  readonly lines: number
  readonly isFollowed: () => boolean
  readonly budget: ByteBudget
  readonly clock: Clock
  /** None for the stream that holds the log itself. */
  readonly log: Log | undefined
}

/** The end of the stream as this writer left it. */
type Tail = {
  readonly session: StoreSession
  number: number
  /** Undefined: the stream is empty. */
  last: { segment: ConsoleSegment; version: number } | undefined
  end: StreamEnd
  oldest: number
}

export class StreamWriter {
  readonly #options: StreamWriterOptions
  readonly #loop: Reconciler
  readonly #backlog: Backlog
  #lines: number
  #tail: Tail | undefined
  /** Taken from the backlog and not known to be written; `after`: where the stream ends if it is. */
  #batch: { readonly pieces: readonly Piece[]; readonly after: StreamEnd | undefined } | undefined
  #place: LogPlace | null
  #claimingSinceMs: number | undefined
  #isSuperseded = false
  #isFinishing = false
  #lastWriteMs = Number.NEGATIVE_INFINITY
  #waitingSinceMs = 0
  /** After a failure, more text is no reason to try sooner. */
  #retryAtMs = Number.NEGATIVE_INFINITY
  /** Where segments begin, as far as this writer has seen. */
  readonly #starts = new Map<number, SegmentStart>()

  constructor(options: StreamWriterOptions, place: LogPlace | undefined) {
    this.#options = options
    this.#lines = options.lines
    this.#place = place ?? null
    this.#backlog = new Backlog(options.lines)
    this.#loop = new Reconciler({
      clock: options.clock,
      rescanMs: RESCAN_MS,
      retryMs: RETRY_MS,
      pass: async () => ({ wakeInMs: await this.#step() }),
      onError: (error) => this.#onError(error),
    })
  }

  /** Adds text; what does not fit into memory while the store is away gives way, oldest first. */
  push(pieces: readonly Piece[]): void {
    if (this.#isSuperseded) return
    if (this.#backlog.isEmpty) this.#waitingSinceMs = this.#options.clock.nowMs()
    this.#backlog.push(pieces)
    this.#loop.trigger()
  }

  /** Looks again: somebody began to follow, or the store is back. */
  trigger(): void {
    this.#loop.trigger()
  }

  keep(lines: number): void {
    this.#lines = lines
    this.#backlog.limit(lines)
  }

  /**
   * Writes what there is without further pauses, bounded, and stops. With `end` the stream is given up: `line` ends an open
   * line, `console` leaves it to the next writer.
   */
  async finish(end: 'line' | 'console' | undefined): Promise<void> {
    const { clock, log } = this.#options
    if (end === 'line') this.push([breakPiece(clock.wallMs())])
    this.#isFinishing = true
    try {
      await withDeadline(clock, FINISH_MS, 'writing the rest of a console', this.#flush())
      await this.#loop.stop()
      if (end !== undefined) await withDeadline(clock, FINISH_MS, 'giving up a console', this.#giveUp())
    } catch (error) {
      const { path } = this.#options.keys.segments
      log?.warn({ path, error: errorChain(error) }, 'the end of a console is not written')
    }
    this.#isSuperseded = true
    await this.#loop.stop()
  }

  async #flush(): Promise<void> {
    const { session } = this.#options
    // Without a connection the text stays where it came from, for the next reader.
    while (!this.#isSuperseded && session() !== undefined && (this.#batch !== undefined || !this.#backlog.isEmpty)) {
      this.#loop.trigger()
      await sleep(this.#options.clock, FOLLOWED_PACE_MS)
    }
  }

  /** @returns after how many milliseconds to look again */
  async #step(): Promise<number> {
    const session = this.#options.session()
    if (this.#isSuperseded) return RESCAN_MS
    if (session === undefined) return RETRY_MS
    const retryMs = this.#retryAtMs - this.#options.clock.nowMs()
    if (retryMs > 0) return Math.ceil(retryMs)
    // What was found in one session is looked up anew in the next.
    if (this.#tail?.session !== session) {
      this.#tail = undefined
      const waitMs = await this.#claim(session)
      if (waitMs > 0) return waitMs
    }
    const tail = this.#tail
    if (tail === undefined) return RESCAN_MS
    if (this.#batch === undefined && this.#backlog.isEmpty) return RESCAN_MS
    const dueMs = this.#dueInMs()
    if (dueMs > 0) return dueMs
    this.#batch ??= { pieces: this.#backlog.take(MAX_SEGMENT_BYTES), after: undefined }
    const batch = planBatch(this.#batch.pieces, tail.end)
    if (batch === undefined) await this.#move(tail, this.#batch.pieces)
    else {
      const waitMs = this.#options.budget.take(batch.text.length)
      if (waitMs > 0) return waitMs
      await this.#write(tail, batch)
      this.#lastWriteMs = this.#options.clock.nowMs()
    }
    this.#batch = undefined
    await this.#prune(tail)
    return this.#backlog.isEmpty ? RESCAN_MS : this.#dueInMs()
  }

  #dueInMs(): number {
    const { clock, isFollowed } = this.#options
    if (this.#isFinishing) return 0
    const paceMs = isFollowed() ? FOLLOWED_PACE_MS : PACE_MS
    const dueMs = Math.max(this.#lastWriteMs + paceMs, this.#waitingSinceMs + FOLLOWED_PACE_MS)
    return Math.max(0, Math.ceil(dueMs - clock.nowMs()))
  }

  /** @returns how long to wait before the next try; 0 when the stream is ours, or will never be */
  async #claim(session: StoreSession): Promise<number> {
    const { clock, keys, writer, log } = this.#options
    this.#claimingSinceMs ??= clock.nowMs()
    const claim = await claimStream(session, keys, writer, { clock, startedMs: this.#claimingSinceMs })
    if (claim.kind === 'wait') return claim.waitMs
    if (claim.kind === 'superseded') {
      this.#isSuperseded = true
      log?.debug({ path: keys.segments.path, seq: writer.seq }, 'a console has another writer')
      return 0
    }
    const { state, lost } = claim
    this.#tail = { session, number: state.newest, last: state.last, end: endOf(state), oldest: state.oldest }
    this.#claimingSinceMs = undefined
    this.#settleBatch(this.#tail.end)
    if (lost !== undefined) {
      const text = `[${lost} stopped without notice: the last that was printed there may be missing]`
      const pieces = [...markerPieces(text, clock.wallMs()), ...(this.#batch?.pieces ?? [])]
      this.#batch = { pieces, after: undefined }
    }
    return 0
  }

  /** A batch whose write was left in doubt is done if the stream ends where it would then. */
  #settleBatch(end: StreamEnd): void {
    const after = this.#batch?.after
    if (after !== undefined && comparePositions(after, end) === 0 && after.before === end.before)
      this.#batch = undefined
  }

  async #write(tail: Tail, batch: Batch): Promise<void> {
    const { keys, writer } = this.#options
    const pieces = this.#batch?.pieces ?? []
    const bytes = new TextEncoder().encode(batch.text).length
    const end: StreamEnd = { ...endOfSegment(batch), before: batch.before + bytes }
    this.#batch = { pieces, after: end }
    // Places of markers do not move.
    const place = pieces.findLast((piece) => piece.place !== undefined)?.place
    if (place !== undefined) this.#place = place
    const { last } = tail
    const isOwn = last?.segment.node === writer.node && last.segment.seq === writer.seq && !last.segment.isLast
    if (last !== undefined && isOwn && hasRoom(last.segment, batch)) {
      const segment = { ...mergeBatch(last.segment, batch), place: this.#place }
      const written = await tail.session.set(keys.segments.child(segmentName(tail.number)), segment, last.version)
      tail.last = { segment, version: written.version }
    } else {
      await this.#append(tail, { ...batch, ...writer, place: this.#place, isLast: false })
    }
    tail.end = end
  }

  /** The place in the file changed, and no text comes with it. */
  async #move(tail: Tail, pieces: readonly Piece[]): Promise<void> {
    const place = pieces.findLast((piece) => piece.place !== undefined)?.place
    if (place === undefined || tail.last?.segment.node !== this.#options.writer.node) return
    this.#place = place
    const segment = { ...tail.last.segment, place }
    const key = this.#options.keys.segments.child(segmentName(tail.number))
    tail.last = { segment, version: (await tail.session.set(key, segment, tail.last.version)).version }
  }

  async #append(tail: Tail, segment: ConsoleSegment): Promise<void> {
    const number = tail.number + 1
    await tail.session.create(this.#options.keys.segments.child(segmentName(number)), segment)
    this.#starts.set(number, segment)
    tail.number = number
    tail.last = { segment, version: 0 }
  }

  /** Says that nothing more follows from here. */
  async #giveUp(): Promise<void> {
    const tail = this.#tail
    const { writer, keys, clock } = this.#options
    if (tail?.last === undefined || this.#isSuperseded || this.#options.session() !== tail.session) return
    const { segment, version } = tail.last
    if (segment.node !== writer.node || segment.isLast) return
    if (segment.text.length <= FULL_REWRITE_BYTES) {
      const key = keys.segments.child(segmentName(tail.number))
      await tail.session.set(key, { ...segment, seq: writer.seq, isLast: true }, version)
      return
    }
    const empty = { ...tail.end, at: clock.wallMs(), gapsMs: [], text: '' }
    await this.#append(tail, { ...empty, ...writer, place: this.#place, isLast: true })
  }

  async #prune(tail: Tail): Promise<void> {
    const { segments } = this.#options.keys
    for (let count = 0; count < MAX_REMOVALS && tail.oldest < tail.number; count += 1) {
      const oldest = await this.#startOf(tail.session, tail.oldest)
      const second = await this.#startOf(tail.session, tail.oldest + 1)
      if (second === undefined) return
      if (oldest !== undefined && !isDispensable(oldest, second, tail.end, this.#lines)) return
      try {
        await tail.session.remove(segments.child(segmentName(tail.oldest)).path)
      } catch (error) {
        if (!hasCode(error, 'PVC_STORE_MISSING')) throw error
      }
      this.#starts.delete(tail.oldest)
      tail.oldest += 1
    }
  }

  async #startOf(session: StoreSession, number: number): Promise<SegmentStart | undefined> {
    const known = this.#starts.get(number)
    if (known !== undefined) return known
    const document = await session.get(this.#options.keys.segments.child(segmentName(number)))
    if (document === undefined) return undefined
    const { line, before } = document.value
    this.#starts.set(number, { line, before })
    return { line, before }
  }

  #onError(error: unknown): void {
    if (!(error instanceof PvcError)) throw error
    // Whatever it was: what is in the store is looked up before anything is written again.
    this.#tail = undefined
    const { log, keys, clock } = this.#options
    this.#retryAtMs = clock.nowMs() + RETRY_MS
    log?.debug({ path: keys.segments.path, error: errorChain(error) }, 'a console could not be written, trying again')
  }
}

/** A segment up to this size is written again to say that it is the last; behind a larger one comes an empty one. */
const FULL_REWRITE_BYTES = 2048
