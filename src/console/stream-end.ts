/** Finds the end of a stream in the store, and takes it over from the writer before. */
import type { Clock } from '../base/clock.ts'
import { type ConsoleSegment, endOfSegment, type LogPlace } from '../model/console.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import type { StoreSession } from '../ports/store.ts'
import { type StreamKeys, segmentName, tree } from '../schema/tree.ts'
import type { StreamEnd } from './plan.ts'

/** A writer that lives is given this long to write what it still has. */
const HANDOVER_MS = 5000
const HANDOVER_LOOK_MS = 50

/** The last segment of a stream and the number of the first. */
export type StreamState = {
  readonly oldest: number
  readonly newest: number
  /** Undefined: the stream is empty. */
  readonly last: { readonly segment: ConsoleSegment; readonly version: number } | undefined
}

/** Who writes. */
export type Writer = { readonly node: NodeName; readonly seq: number }

/** Reads the ends of a stream; undefined: it does not exist. */
export async function readStream(session: StoreSession, keys: StreamKeys): Promise<StreamState | undefined> {
  const names = await session.children(keys.segments.path)
  if (names === undefined) return undefined
  const numbers = names.map(Number).filter(Number.isSafeInteger)
  if (numbers.length === 0) return { oldest: 1, newest: 0, last: undefined }
  const newest = Math.max(...numbers)
  const last = await session.get(keys.segments.child(segmentName(newest)))
  // Removed meanwhile: somebody else is at work here.
  if (last === undefined) throw new PvcError('PVC_STORE_VERSION', `${keys.segments.path} changes`)
  return { oldest: Math.min(...numbers), newest, last: { segment: last.value, version: last.version } }
}

/** Position and size after all of a stream. */
export function endOf(state: StreamState): StreamEnd {
  if (state.last === undefined) return { line: 1, column: 0, before: 0 }
  const { segment } = state.last
  return { ...endOfSegment(segment), before: segment.before + new TextEncoder().encode(segment.text).length }
}

/** Creates the stream when it is missing. @returns false when what it belongs to is gone */
export async function createStream(session: StoreSession, keys: StreamKeys): Promise<boolean> {
  try {
    await session.create(keys.head, { places: {} })
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_MISSING')) return false
    if (!hasCode(error, 'PVC_STORE_EXISTS')) throw error
  }
  return true
}

/** Where this node stopped reading its file; `isSameRun`: in the run that goes on now. */
export type Located = { readonly place: LogPlace | undefined; readonly isSameRun: boolean }

/** Looks up where the writer's node stopped. */
export async function locate(session: StoreSession, keys: StreamKeys, writer: Writer): Promise<Located> {
  const segment = (await readStream(session, keys))?.last?.segment
  if (segment?.node === writer.node) {
    return { place: segment.place ?? undefined, isSameRun: segment.seq === writer.seq }
  }
  const head = await session.get(keys.head)
  return { place: head?.value.places[writer.node], isSameRun: false }
}

export type Claim =
  /** The stream is this writer's. `lost`: the writer before did not say that it was done. */
  | { readonly kind: 'ours'; readonly state: StreamState; readonly lost: NodeName | undefined }
  /** The writer before is still at it. */
  | { readonly kind: 'wait'; readonly waitMs: number }
  /** A newer writer has it, or what it belongs to is gone. */
  | { readonly kind: 'superseded' }

/**
 * Takes the stream over. Of two writers that both believe it is theirs, the one with the lower seq gives way; an orderly one
 * is waited for, so that its last lines come before the first ones of the next. The last segment is written once more
 * with the same text: a writer that does not know yet can no longer change it.
 */
export async function claimStream(
  session: StoreSession,
  keys: StreamKeys,
  writer: Writer,
  since: { readonly clock: Clock; readonly startedMs: number },
): Promise<Claim> {
  const state = (await readStream(session, keys)) ?? (await createAndRead(session, keys))
  if (state === undefined) return { kind: 'superseded' }
  const { last, newest } = state
  if (last === undefined) return { kind: 'ours', state, lost: undefined }
  const { segment, version } = last
  const isOurs = segment.node === writer.node
  if (segment.seq > writer.seq || (segment.seq === writer.seq && !isOurs)) return { kind: 'superseded' }
  if (isOurs) return { kind: 'ours', state, lost: undefined }
  if (!segment.isLast && since.clock.nowMs() - since.startedMs < HANDOVER_MS) {
    const isAlive = (await session.get(tree.node(segment.node).alive)) !== undefined
    if (isAlive) return { kind: 'wait', waitMs: HANDOVER_LOOK_MS }
  }
  await keepPlace(session, keys, segment)
  if (segment.isLast) return { kind: 'ours', state, lost: undefined }
  const sealed = { ...segment, isLast: true }
  const written = await session.set(keys.segments.child(segmentName(newest)), sealed, version)
  return {
    kind: 'ours',
    state: { ...state, last: { segment: sealed, version: written.version } },
    lost: segment.node,
  }
}

async function createAndRead(session: StoreSession, keys: StreamKeys): Promise<StreamState | undefined> {
  return (await createStream(session, keys)) ? readStream(session, keys) : undefined
}

/** Remembers where the writer before stopped, for the day the console comes back to its node. */
async function keepPlace(session: StoreSession, keys: StreamKeys, { node, place }: ConsoleSegment): Promise<void> {
  const head = await session.get(keys.head)
  if (head === undefined || place === null) return
  const known = head.value.places[node]
  if (known?.file === place.file && known.offset === place.offset) return
  await session.set(keys.head, { places: { ...head.value.places, [node]: place } }, head.version)
}
