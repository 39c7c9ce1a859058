import { hasCode } from '../model/errors.ts'
import type { FenceEvent, FenceJournal } from '../model/fence.ts'
import type { NodeName } from '../model/ids.ts'
import type { Reign } from '../ports/primary.ts'
import type { Versioned } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import type { FencerDeps } from './deps.ts'
import { type Moment, withEvent } from './journal.ts'
import type { Opening } from './opening.ts'

/** An event to be written, with when it happened by the monotonic clock. */
export type Told = { readonly step: FenceEvent['step']; readonly text: string; readonly atMs: number }

/** Sentences with a number that changes all the time are not worth a write each. */
const WORDS_EVERY_MS = 5000

/** Writes one node's journal by compare-and-set over the session of the lease, with the timeline. */
export class JournalWriter {
  readonly #deps: FencerDeps
  readonly #reign: Reign
  readonly #node: NodeName
  /** Monotonic time from which the timeline counts. */
  #originMs: number | undefined
  #wordsAtMs = Number.NEGATIVE_INFINITY

  constructor(deps: FencerDeps, reign: Reign, node: NodeName) {
    this.#deps = deps
    this.#reign = reign
    this.#node = node
  }

  /** The timeline of a new opening begins here. */
  begin(originMs: number): void {
    this.#originMs = originMs
  }

  /** Milliseconds since the node vanished; of an opening by another primary, since it was opened by the clocks on the wall. */
  afterMs(journal: FenceJournal, atMs: number): number {
    const { clock } = this.#deps
    this.#originMs ??= clock.nowMs() - Math.max(0, clock.wallMs() - journal.openedAt)
    return Math.max(0, Math.round(atMs - this.#originMs))
  }

  /** @returns false when somebody else changed it meanwhile: look again */
  async write(
    before: Versioned<FenceJournal>,
    next: FenceJournal,
    opening: Opening | undefined,
    ...events: readonly Told[]
  ): Promise<boolean> {
    const pending = opening?.pending ?? []
    const all = [...pending, ...events]
    const journal = all.reduce(
      (value, { step, text, atMs }) => withEvent(value, this.#moment(value, atMs), step, text),
      next,
    )
    try {
      await this.#reign.session.set(
        tree.node(this.#node).fence,
        { ...journal, epoch: this.#reign.epoch },
        before.version,
      )
    } catch (error) {
      if (hasCode(error, 'PVC_STORE_VERSION')) return false
      throw error
    }
    opening?.written(pending)
    this.#wordsAtMs = this.#deps.clock.nowMs()
    if (before.value.state !== journal.state) {
      const fields = { node: this.#node, from: before.value.state, to: journal.state, seq: journal.seq }
      this.#deps.log.warn(fields, `fence journal ${before.value.state} -> ${journal.state}`)
    }
    const isNews = before.value.state !== journal.state || (before.value.stuck === '') !== (journal.stuck === '')
    if (isNews) this.#deps.hook.announce(this.#node, journal)
    return true
  }

  /** Writes what was told since, and a changed sentence about what it waits for. */
  async keepUp(before: Versioned<FenceJournal>, next: FenceJournal, opening: Opening | undefined): Promise<void> {
    const isTold = (opening?.pending.length ?? 0) > 0
    const areWordsDue =
      next.stuck !== before.value.stuck && this.#deps.clock.nowMs() - this.#wordsAtMs >= WORDS_EVERY_MS
    if (next.state !== 'closed' && (isTold || areWordsDue)) await this.write(before, next, opening)
  }

  #moment(journal: FenceJournal, atMs: number): Moment {
    const { clock } = this.#deps
    return { afterMs: this.afterMs(journal, atMs), at: clock.wallMs() - (clock.nowMs() - atMs) }
  }
}
