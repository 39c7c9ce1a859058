/** The contents of an index, shared by its feeds: documents, names of children, waiters, and the notices about changes. */
import type { Clock } from '../base/clock.ts'
import type { PvcError } from '../model/errors.ts'
import type { WatchedDocument } from './collection.ts'
import { type Entry, judgeReading, type Known, UNKNOWN } from './entry.ts'

/** What happened to a path since the last notice. `children`: the set of names below it. */
export type IndexChange = 'changed' | 'removed' | 'refused' | 'children'

/** Changes since the last notice, by path; a path whose children and document both changed shows its document. */
export type IndexChanges = ReadonlyMap<string, IndexChange>

type Waiter = { readonly path: string; readonly look: () => void }

export class Table {
  readonly #known = new Map<string, Known>()
  readonly #names = new Map<string, readonly string[]>()
  readonly #listeners = new Set<(changes: IndexChanges) => void>()
  readonly #waiters = new Set<Waiter>()
  readonly #refused = new Map<string, PvcError>()
  readonly #onProblem: (problem: PvcError) => void
  #changes = new Map<string, IndexChange>()
  #isNoticeDue = false
  #isHeld = true

  /** Notices are held back until {@link release}: what is being read for the first time is not a change. */
  constructor(onProblem: (problem: PvcError) => void) {
    this.#onProblem = onProblem
  }

  entry(path: string): Entry<unknown> | undefined {
    return this.#known.get(path)?.entry
  }

  known(path: string): Known {
    return this.#known.get(path) ?? UNKNOWN
  }

  names(path: string): readonly string[] {
    return this.#names.get(path) ?? []
  }

  /** Documents that are refused now, by path. */
  get refused(): ReadonlyMap<string, PvcError> {
    return this.#refused
  }

  /** Takes up a reading of a document. @returns whether it was news */
  take(rules: WatchedDocument, node: Parameters<typeof judgeReading>[2]): boolean {
    const { path } = rules
    const { known, change, problem } = judgeReading(rules, this.known(path), node)
    if (known === UNKNOWN) this.#known.delete(path)
    else this.#known.set(path, known)
    if (change !== 'none') {
      if (change === 'refused' && problem) this.#refused.set(path, problem)
      else this.#refused.delete(path)
      this.#note(path, change)
    }
    if (problem) this.#onProblem(problem)
    this.wake(path)
    return change !== 'none'
  }

  /** Takes up a reading of a directory's names; undefined: it does not exist. @returns whether it was news */
  takeNames(path: string, names: readonly string[] | undefined): boolean {
    const before = this.#names.get(path)
    const sorted = names && [...names].sort()
    if (sorted) this.#names.set(path, sorted)
    else this.#names.delete(path)
    const isSame = before?.length === sorted?.length && (sorted ?? []).every((name, at) => name === before?.[at])
    if (!isSame && this.#changes.get(path) === undefined) this.#note(path, 'children')
    return !isSame
  }

  subscribe(listener: (changes: IndexChanges) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Starts the notices; what was read so far comes as the first one. */
  release(): void {
    this.#isHeld = false
    this.#notify()
  }

  /** Waits until `isReached` says so, asked again after every reading of `path`. @returns false after the deadline */
  wait(clock: Clock, path: string, deadlineMs: number, isReached: () => boolean): Promise<boolean> {
    if (isReached()) return Promise.resolve(true)
    return new Promise((resolve) => {
      const finish = (result: boolean) => {
        timer.cancel()
        this.#waiters.delete(waiter)
        resolve(result)
      }
      const waiter: Waiter = { path, look: () => isReached() && finish(true) }
      const timer = clock.setTimer(deadlineMs, () => finish(isReached()))
      this.#waiters.add(waiter)
    })
  }

  /** Lets the waiters of a path look again. */
  wake(path: string): void {
    for (const waiter of [...this.#waiters]) if (waiter.path === path) waiter.look()
  }

  #note(path: string, change: IndexChange): void {
    this.#changes.set(path, change)
    this.#notify()
  }

  /** One notice for everything that changes in one turn of the event loop's microtasks. */
  #notify(): void {
    if (this.#isHeld || this.#isNoticeDue || this.#changes.size === 0) return
    this.#isNoticeDue = true
    queueMicrotask(() => {
      this.#isNoticeDue = false
      const changes = this.#changes
      this.#changes = new Map()
      for (const listener of [...this.#listeners]) listener(changes)
    })
  }
}
