/** Following a stream: every piece once and in order, from a position on, for as long as somebody listens. */
import { type Clock, sleep } from '../base/clock.ts'
import { type ConsoleSegment, linesOfSegment, type StreamPosition } from '../model/console.ts'
import { errorChain, PvcError } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { Store, StoreSession } from '../ports/store.ts'
import { type StreamKeys, segmentName } from '../schema/tree.ts'
import { findSegment } from './stream-read.ts'

/** A quiet stream says so this often: whoever listens knows that the connection lives. */
export const IDLE_MS = 2000
const RETRY_MS = 500

export type StreamEvent =
  /** A piece of a line; `next` is the position behind it. */
  | {
      readonly kind: 'text'
      readonly line: number
      readonly column: number
      readonly text: string
      readonly isEnd: boolean
      readonly at: number
      readonly next: StreamPosition
    }
  /** These lines were removed before they could be read. */
  | { readonly kind: 'dropped'; readonly lines: number; readonly next: StreamPosition }
  /** Nothing for a while. */
  | { readonly kind: 'idle' }
  /** All that was there is said; more may come. */
  | { readonly kind: 'caught-up' }

export type FollowDeps = { readonly store: Store; readonly clock: Clock; readonly log: Log }

/** Pieces of a segment from a position on. */
export function piecesFrom(segment: ConsoleSegment, position: StreamPosition): StreamEvent[] {
  const events: StreamEvent[] = []
  let at = position
  for (const line of linesOfSegment(segment)) {
    if (line.line < at.line) continue
    if (line.line > at.line) {
      const next = { line: line.line, column: 0 }
      events.push({ kind: 'dropped', lines: line.line - at.line, next })
      at = { line: line.line, column: line.column }
    }
    const known = at.column - line.column
    if (known > line.text.length || (known === line.text.length && !line.isEnd)) continue
    // What is before a segment's beginning is gone.
    const skipped = Math.max(0, known)
    const column = line.column + skipped
    const next = line.isEnd
      ? { line: line.line + 1, column: 0 }
      : { line: line.line, column: line.column + line.text.length }
    const { isEnd, at: arrivedAt } = line
    events.push({ kind: 'text', line: line.line, column, text: line.text.slice(skipped), isEnd, at: arrivedAt, next })
    at = next
  }
  return events
}

/**
 * Delivers a stream from `from` on, until `signal` aborts. Losing the store only makes it pause. A segment is final once there
 * is another one behind it, so it is read again then.
 */
export async function* followStream(
  deps: FollowDeps,
  keys: StreamKeys,
  from: StreamPosition,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  let position = from
  let number: number | undefined
  let of: StoreSession | undefined
  while (!signal.aborted) {
    const session = deps.store.session.value
    if (session?.state.value !== 'connected') {
      yield { kind: 'idle' }
      await sleep(deps.clock, RETRY_MS, signal)
      continue
    }
    if (session !== of) number = undefined
    of = session
    const changes = new Changes(session)
    try {
      number ??= await findSegment(session, keys, position)
      const step = await readStep(session, keys, number)
      for (const event of step.segment ? piecesFrom(step.segment, position) : []) {
        yield event
        if ('next' in event) position = event.next
      }
      if (step.move === 'next' && number !== undefined) number += 1
      else if (step.move === 'search') number = undefined
      else {
        yield { kind: 'caught-up' }
        if (!(await changes.wait(deps.clock, step.paths, signal))) yield { kind: 'idle' }
      }
    } catch (error) {
      if (!(error instanceof PvcError)) throw error
      deps.log.debug({ path: keys.segments.path, error: errorChain(error) }, 'a stream could not be read, trying again')
      await sleep(deps.clock, RETRY_MS, signal)
      number = undefined
    } finally {
      changes.end()
    }
  }
}

type Step = {
  readonly segment: ConsoleSegment | undefined
  /** next: the segment is final. wait: until one of `paths` changes. search: it was removed. */
  readonly move: 'next' | 'wait' | 'search'
  readonly paths: readonly string[]
}

async function readStep(session: StoreSession, keys: StreamKeys, number: number | undefined): Promise<Step> {
  if (number === undefined) {
    const names = await session.childrenWatched(keys.segments.path)
    const isEmpty = names === undefined || names.length === 0
    return { segment: undefined, move: isEmpty ? 'wait' : 'search', paths: [keys.segments.path] }
  }
  const key = keys.segments.child(segmentName(number))
  const next = keys.segments.child(segmentName(number + 1))
  const present = await session.readWatched(key.path, 'ignore')
  if (await session.readWatched(next.path)) {
    const final = await session.get(key)
    return { segment: final?.value, move: 'next', paths: [] }
  }
  if (present === undefined) return { segment: undefined, move: 'search', paths: [] }
  return { segment: key.codec.decode(present.text, key.path), move: 'wait', paths: [key.path, next.path] }
}

/** Changes told since its creation. */
class Changes {
  readonly #told = new Set<string>()
  readonly #stops: (() => void)[]
  #wake: (() => void) | undefined

  constructor(session: StoreSession) {
    this.#stops = [
      session.onChange((path) => {
        this.#told.add(path)
        this.#wake?.()
      }),
      session.state.subscribe(() => this.#wake?.()),
    ]
  }

  /** @returns false when none of these paths changed in time */
  async wait(clock: Clock, paths: readonly string[], signal: AbortSignal): Promise<boolean> {
    const isTold = () => paths.some((path) => this.#told.has(path))
    if (isTold() || signal.aborted) return true
    const isLate = await new Promise<boolean>((resolve) => {
      const finish = (late: boolean) => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
        this.#wake = undefined
        resolve(late)
      }
      const onAbort = () => finish(false)
      const timer = clock.setTimer(IDLE_MS, () => finish(true))
      this.#wake = () => finish(false)
      signal.addEventListener('abort', onAbort, { once: true })
    })
    return !isLate
  }

  end(): void {
    for (const stop of this.#stops) stop()
  }
}
