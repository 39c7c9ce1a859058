/** The index: a typed cache of a part of the tree, fed by watches. Reading it costs no request. */
import type { Clock } from '../base/clock.ts'
import { MutableSignal, type Signal } from '../base/signal.ts'
import { errorChain, PvcError } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import type { Key } from '../schema/key.ts'
import type { Watched } from './collection.ts'
import type { Entry } from './entry.ts'
import { Feed } from './feed.ts'
import { type IndexChanges, Table } from './table.ts'

/** A write should show through its watch within a millisecond; after this the index looks by itself. */
const LOOK_AFTER_MS = 100

export type IndexOptions = {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly collections: readonly Watched[]
  /** More collections over connections of their own: one session carries fewer than 10,000 watches. */
  readonly more?: readonly { readonly store: Store; readonly collections: readonly Watched[] }[]
  /** Told once of each document that is refused (PVC_STORE_ROLLBACK, PVC_STORE_CORRUPT) and each reading that fails. */
  readonly onProblem?: (problem: PvcError) => void
  /** Pause between two slow readings of everything, default 120 s. */
  readonly antiEntropyMs?: number
  /** How long the index is still usable without a connection, default 10 s. */
  readonly maxStaleMs?: number
}

/**
 * Lags behind the store, usually by a millisecond. A document that went backwards or cannot be decoded is refused: its
 * last good value stays, marked. Nothing that needs certainty is decided on it.
 */
export type Index = {
  /** True once everything was read; stays true. */
  readonly isReady: Signal<boolean>
  /** True while connected and verified since the connection began. */
  readonly isFresh: Signal<boolean>
  /** Ready, and not without a connection for longer than `maxStaleMs`. */
  readonly isUsable: boolean
  /** How long the index has not been certain to be current; 0 while fresh. */
  staleForMs(): number
  /** Waits until the index is ready. @throws PVC_STORE_UNAVAILABLE after `deadlineMs` */
  ready(deadlineMs: number): Promise<void>
  /** The last good document; undefined when there is none. */
  get<T>(key: Key<T>): Entry<T> | undefined
  /** Names below a watched directory, sorted; empty when it does not exist. */
  children(path: string): readonly string[]
  /** Documents that are refused now, by path. */
  readonly refused: ReadonlyMap<string, PvcError>
  /** Waits until the index has seen a write to `path`, or everything up to it. @returns false after `deadlineMs` */
  reached(path: string, mzxid: bigint, deadlineMs: number): Promise<boolean>
  /** Waits until the index has seen that the document of `path` was removed. @returns false after `deadlineMs` */
  removed(path: string, deadlineMs: number): Promise<boolean>
  /** Called after changes, once for all of one moment; the first call comes when the index is ready. */
  onChange(listener: (changes: IndexChanges) => void): () => void
  /** Stops watching. The contents stay as they are. */
  close(): void
}

/** Creates an index and starts to read. */
export function createIndex(options: IndexOptions): Index {
  const { clock, maxStaleMs = 10_000, antiEntropyMs = 120_000 } = options
  const log = options.log.child({ component: 'index' })
  const onProblem = (problem: PvcError) => {
    log.error({ code: problem.code, details: problem.details }, errorChain(problem))
    options.onProblem?.(problem)
  }
  const table = new Table(onProblem)
  const parts = [{ store: options.store, collections: options.collections }, ...(options.more ?? [])]
  const feeds = parts.map(({ store, collections }) => {
    return new Feed(collections, { store, table, clock, log, antiEntropyMs, onProblem })
  })
  const isReady = new MutableSignal(false)
  const isFresh = new MutableSignal(false)
  let staleSinceMs = clock.nowMs()
  const onFreshness = () => {
    const allFresh = feeds.every((feed) => feed.isFresh.value)
    if (isFresh.value && !allFresh) staleSinceMs = lastContactMs(parts, clock)
    isFresh.set(allFresh)
    if (!allFresh || isReady.value) return
    isReady.set(true)
    table.release()
  }
  const stops = feeds.flatMap((feed) => [feed.isFresh.subscribe(onFreshness), feed.start()])
  const staleForMs = () => (isFresh.value ? 0 : Math.max(0, clock.nowMs() - staleSinceMs))

  /** Waits for the watch, then looks in the store itself; a certain look that finds nothing new settles it as well. */
  const wait = async (path: string, deadlineMs: number, isReached: () => boolean): Promise<boolean> => {
    const startedAtMs = clock.nowMs()
    if (await table.wait(clock, path, Math.min(LOOK_AFTER_MS, deadlineMs), isReached)) return true
    const leftMs = deadlineMs - (clock.nowMs() - startedAtMs)
    const covering = feeds.filter((feed) => feed.covers(path))
    if (covering.length === 0 || leftMs <= 0) return false
    let isCertain = false
    Promise.all(covering.map((feed) => feed.certify(path))).then(
      () => {
        isCertain = covering.every((feed) => feed.isFresh.value)
        table.wake(path)
      },
      (error: unknown) => {
        if (!(error instanceof PvcError)) throw error
        log.debug({ path, error: errorChain(error) }, 'no certain look at a document')
      },
    )
    return table.wait(clock, path, leftMs, () => isCertain || isReached())
  }

  return {
    isReady,
    isFresh,
    get isUsable() {
      return isReady.value && staleForMs() <= maxStaleMs
    },
    staleForMs,
    ready: (deadlineMs) => waitReady(clock, isReady, deadlineMs),
    // The table holds under a path what the codec of that path has decoded.
    get: <T>(key: Key<T>) => table.entry(key.path) as Entry<T> | undefined,
    children: (path) => table.names(path),
    get refused() {
      return table.refused
    },
    reached: (path, mzxid, deadlineMs) => wait(path, deadlineMs, () => (table.known(path).seen?.mzxid ?? -1n) >= mzxid),
    removed(path, deadlineMs) {
      const czxid = table.known(path).seen?.czxid
      // Unknown to the index: it may not have seen the creation yet, so only a certain look tells.
      const isGone = () => czxid !== undefined && table.known(path).seen?.czxid !== czxid
      return wait(path, deadlineMs, isGone)
    },
    onChange: (listener) => table.subscribe(listener),
    close() {
      for (const stop of stops) stop()
    },
  }
}

function lastContactMs(parts: readonly { readonly store: Store }[], clock: Clock): number {
  const contacts = parts.map(({ store }) => store.session.value?.lastAckSentAtMs() ?? clock.nowMs())
  return Math.min(...contacts)
}

function waitReady(clock: Clock, isReady: Signal<boolean>, deadlineMs: number): Promise<void> {
  if (isReady.value) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const stop = isReady.subscribe(() => {
      stop()
      timer.cancel()
      resolve()
    })
    const timer = clock.setTimer(deadlineMs, () => {
      stop()
      reject(new PvcError('PVC_STORE_UNAVAILABLE', `the index could not be read within ${deadlineMs} ms`))
    })
  })
}
