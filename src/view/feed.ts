/**
 * Keeps a part of an index true to one store: reads with watches, reads again when a watch fires, reads everything after
 * every reconnect, and slowly all the time. An event only says "look again"; what is believed was read.
 */
import type { Clock, Timer } from '../base/clock.ts'
import { Limiter } from '../base/limiter.ts'
import { MutableSignal } from '../base/signal.ts'
import { errorChain, PvcError } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { ChangeKind, Store, StoreSession } from '../ports/store.ts'
import type { Watched } from './collection.ts'
import { type DirectorySlot, type DocumentSlot, isDirectory, newSlot, type Slot, withDescendants } from './slot.ts'
import type { Table } from './table.ts'

/** Requests in flight at once: enough to hide the round trip, few enough that the last one meets its deadline. */
const PARALLEL_READS = 512

/** Requests in flight of the slow pass. */
const PARALLEL_SLOW_READS = 4

/** Pause before a reading that failed on a living connection is tried again. */
const RETRY_MS = 1000

export type FeedOptions = {
  readonly store: Store
  readonly table: Table
  readonly clock: Clock
  readonly log: Log
  readonly antiEntropyMs: number
  readonly onProblem: (problem: PvcError) => void
}

export class Feed {
  /** True while everything was read on the present connection and nothing is known to be missed. */
  readonly isFresh = new MutableSignal(false)
  readonly #options: FeedOptions
  readonly #roots: readonly Slot[]
  readonly #documents = new Map<string, DocumentSlot>()
  readonly #directories = new Map<string, DirectorySlot>()
  readonly #limiter = new Limiter(PARALLEL_READS)
  /** Slots whose last reading failed. */
  readonly #failed = new Set<Slot>()
  /** Codes reported since nothing failed: a thousand readings that fail alike are one problem. */
  readonly #reported = new Set<string>()
  #session: StoreSession | undefined
  /** Raised with each connection, so that an answer of an older one is not believed. */
  #epoch = 0
  #stops: (() => void)[] = []
  #retryTimer: Timer | undefined
  #slowTimer: Timer | undefined
  #isStopped = false

  constructor(roots: readonly Watched[], options: FeedOptions) {
    this.#options = options
    this.#roots = roots.map((watched) => this.#add(watched, false))
  }

  /** Begins to follow the store. @returns a function that ends it */
  start(): () => void {
    const unsubscribe = this.#options.store.session.subscribe((session) => this.#follow(session))
    this.#follow(this.#options.store.session.value)
    this.#planSlowPass()
    return () => {
      this.#isStopped = true
      unsubscribe()
      this.#follow(undefined)
      this.#retryTimer?.cancel()
      this.#slowTimer?.cancel()
    }
  }

  /** Whether this feed watches the path, or would if it existed. */
  covers(path: string): boolean {
    return this.#roots.some(({ watched: { kind, path: root } }) =>
      kind === 'document' ? root === path : path === root || path.startsWith(`${root}/`),
    )
  }

  /** Reads a path and the directories above it, at least as new as everything acknowledged to anybody before the call. */
  async certify(path: string): Promise<void> {
    await this.#session?.sync()
    for (let end = path.indexOf('/', 1); end !== -1; end = path.indexOf('/', end + 1)) {
      const above = this.#directories.get(path.slice(0, end))
      if (above) await this.#refresh(above)
    }
    const slot = this.#documents.get(path)
    if (slot) await this.#refresh(slot)
  }

  #add(watched: Watched, isListed: boolean): Slot {
    const slot = newSlot(watched, isListed)
    if (isDirectory(slot)) this.#directories.set(watched.path, slot)
    else this.#documents.set(watched.path, slot)
    return slot
  }

  #follow(session: StoreSession | undefined): void {
    for (const stop of this.#stops.splice(0)) stop()
    this.#epoch += 1
    this.#session = session
    this.isFresh.set(false)
    if (!session) return
    const onState = (state: StoreSession['state']['value']) => {
      this.#epoch += 1
      this.isFresh.set(false)
      if (state === 'connected') void this.#verify(session, this.#epoch)
    }
    this.#stops.push(
      session.state.subscribe(onState),
      session.onChange((path, kind) => this.#onWatch(path, kind)),
    )
    if (session.state.value === 'connected') void this.#verify(session, this.#epoch)
  }

  #onWatch(path: string, kind: ChangeKind): void {
    const slot = kind === 'data' ? this.#documents.get(path) : this.#directories.get(path)
    if (slot) void this.#refresh(slot)
  }

  /** Reads everything anew: watches may be gone, and a new session may have met a server that lags behind. */
  async #verify(session: StoreSession, epoch: number): Promise<void> {
    try {
      await session.sync()
      await Promise.all(this.#roots.map((slot) => this.#refreshBelow(slot)))
    } catch (error) {
      if (!(error instanceof PvcError)) throw error
      this.#options.log.debug({ error: errorChain(error) }, 'the index could not be verified')
      if (epoch === this.#epoch) this.#planRetry()
      return
    }
    if (epoch === this.#epoch) this.#settleFreshness()
  }

  #settleFreshness(): void {
    if (this.#failed.size === 0) this.isFresh.set(true)
    else this.#planRetry()
  }

  #planRetry(): void {
    this.#retryTimer?.cancel()
    if (this.#isStopped) return
    const epoch = this.#epoch
    this.#retryTimer = this.#options.clock.setTimer(RETRY_MS, () => {
      if (this.#session?.state.value === 'connected' && epoch === this.#epoch) void this.#verify(this.#session, epoch)
    })
  }

  /** Reads what was not read yet on this connection. */
  async #refreshBelow(slot: Slot): Promise<void> {
    if (slot.readEpoch !== this.#epoch) await this.#refresh(slot)
    if (isDirectory(slot)) await Promise.all([...slot.children.values()].flat().map((each) => this.#refreshBelow(each)))
  }

  /** Resolves after a reading that began after the call, or when the connection does not allow one. */
  #refresh(slot: Slot): Promise<void> {
    if (slot.running) slot.again = true
    else slot.running = Promise.resolve().then(() => this.#readUntilQuiet(slot))
    return slot.running
  }

  async #readUntilQuiet(slot: Slot): Promise<void> {
    try {
      do {
        slot.again = false
        await this.#readOnce(slot)
      } while (slot.again)
    } finally {
      // In the same turn as the last look at `again`: a wish in between would find a reader that no longer looks.
      slot.running = undefined
    }
  }

  async #readOnce(slot: Slot): Promise<void> {
    const epoch = this.#epoch
    const session = this.#session
    if (slot.isDropped || session?.state.value !== 'connected') return
    try {
      if (isDirectory(slot)) await this.#readDirectory(slot, session, epoch)
      else await this.#readDocument(slot, session, epoch)
      slot.readEpoch = epoch
      this.#failed.delete(slot)
      if (this.#failed.size === 0) this.#reported.clear()
    } catch (error) {
      this.#onReadError(slot, epoch, error)
    }
  }

  async #readDocument(slot: DocumentSlot, session: StoreSession, epoch: number): Promise<void> {
    const { path } = slot.watched
    const whenAbsent = slot.isListed || slot.watched.isCompanion ? 'ignore' : 'watch'
    const node = await this.#limiter.run(() => session.readWatched(path, whenAbsent))
    if (epoch !== this.#epoch || slot.isDropped) return
    const isNews = this.#options.table.take(slot.watched, node)
    if (!isNews || !slot.isListed) return
    for (const each of slot.siblings) {
      // A companion that was never read has its first reading under way, sent after this one.
      if (each !== slot && each.readEpoch !== -1 && this.#isMissing(each)) void this.#refresh(each)
    }
  }

  async #readDirectory(slot: DirectorySlot, session: StoreSession, epoch: number): Promise<void> {
    const { path } = slot.watched
    const names = await this.#limiter.run(() => session.childrenWatched(path))
    if (epoch !== this.#epoch || slot.isDropped) return
    this.#options.table.takeNames(path, names)
    const present = new Set(names)
    for (const [name, slots] of slot.children) if (!present.has(name)) this.#drop(slot, name, slots)
    const readings: Promise<void>[] = []
    for (const name of present) {
      const slots = slot.children.get(name)
      // Gone when it was read and back in the list: it may be another one by now.
      if (slots) readings.push(...slots.filter((each) => this.#isMissing(each)).map((each) => this.#refresh(each)))
      else readings.push(...this.#addChild(slot, name).map((each) => this.#refreshBelow(each)))
    }
    await Promise.all(readings)
  }

  /** Absent at its last reading, and no watch tells of its creation. */
  #isMissing(slot: Slot): boolean {
    if (isDirectory(slot)) return false
    return (
      (slot.isListed || slot.watched.isCompanion) && this.#options.table.known(slot.watched.path).seen === undefined
    )
  }

  #addChild(parent: DirectorySlot, name: string): readonly Slot[] {
    const path = `${parent.watched.path}/${name}`
    let watched: readonly Watched[] = []
    try {
      watched = parent.watched.each(name)
    } catch (cause) {
      const message = `${path} is none of ours: its name does not fit`
      this.#options.onProblem(new PvcError('PVC_STORE_CORRUPT', message, { cause, details: { path } }))
    }
    const slots = watched.map((each) => this.#add(each, each.path === path))
    for (const slot of slots) if (!isDirectory(slot)) slot.siblings = slots
    parent.children.set(name, slots)
    return slots
  }

  #drop(parent: DirectorySlot, name: string, slots: readonly Slot[]): void {
    parent.children.delete(name)
    for (const root of slots) {
      for (const slot of [...withDescendants(root)]) {
        slot.isDropped = true
        this.#failed.delete(slot)
        if (isDirectory(slot)) {
          this.#directories.delete(slot.watched.path)
          this.#options.table.takeNames(slot.watched.path, undefined)
        } else {
          this.#documents.delete(slot.watched.path)
          this.#options.table.take(slot.watched, undefined)
        }
      }
    }
  }

  /** A lost connection is no news here: everything is read again when it is back. */
  #onReadError(slot: Slot, epoch: number, error: unknown): void {
    if (epoch !== this.#epoch || slot.isDropped) return
    if (!(error instanceof PvcError)) throw error
    slot.readEpoch = -1
    this.#failed.add(slot)
    this.isFresh.set(false)
    const isConnection = error.code === 'PVC_STORE_UNAVAILABLE' || error.code === 'PVC_STORE_SESSION_LOST'
    if (!isConnection && !this.#reported.has(error.code)) {
      this.#reported.add(error.code)
      this.#options.onProblem(error)
    }
    this.#planRetry()
  }

  #planSlowPass(): void {
    if (this.#isStopped) return
    this.#slowTimer = this.#options.clock.setTimer(this.#options.antiEntropyMs, () => {
      void this.#slowPass().finally(() => this.#planSlowPass())
    })
  }

  /** Reads everything again without hurry. It covers lost watches, and an ensemble that went backwards, which fires none. */
  async #slowPass(): Promise<void> {
    if (!this.isFresh.value) return
    const slots = this.#roots.flatMap((root) => [...withDescendants(root)])
    const worker = async () => {
      for (let slot = slots.pop(); slot !== undefined && this.isFresh.value; slot = slots.pop())
        await this.#refresh(slot)
    }
    await Promise.all(Array.from({ length: PARALLEL_SLOW_READS }, worker))
  }
}
