import type { Clock } from '../base/clock.ts'
import type { FenceEvent } from '../model/fence.ts'
import type { NodeName } from '../model/ids.ts'
import { entriesOf } from '../model/storage-address.ts'
import type { Gated, Reign } from '../ports/primary.ts'
import { tree } from '../schema/tree.ts'
import type { FencerDeps } from './deps.ts'
import type { ProofContext } from './proof/context.ts'
import { PowerCollector } from './proof/power.ts'
import { StorageCollector } from './proof/storage.ts'
import type { FenceWork } from './view.ts'

/** What is on the timeline but not in the journal yet. */
export type PendingEvent = { readonly step: FenceEvent['step']; readonly text: string; readonly atMs: number }

const ENTRIES_VALID_MS = 2000

/**
 * The work on one opening of one journal, by its seq: evidence is gathered beside the looks, and nothing of an earlier opening
 * counts for a later one. Ends with the reign.
 */
export class Opening {
  readonly seq: number
  readonly storage: StorageCollector
  readonly power: PowerCollector
  readonly #deps: FencerDeps
  readonly #reign: Reign
  readonly #node: NodeName
  readonly #abort = new AbortController()
  readonly #running = new Map<FenceWork, Promise<void>>()
  readonly #onNews: () => void
  #pending: PendingEvent[] = []
  #recoveringSinceMs: number | undefined
  #listed: { readonly entries: readonly string[]; readonly atMs: number } | undefined

  constructor(deps: FencerDeps, reign: Reign, node: NodeName, seq: number, onNews: () => void) {
    this.#deps = deps
    this.#reign = reign
    this.#node = node
    this.seq = seq
    this.#onNews = onNews
    const context: ProofContext = {
      clock: deps.clock,
      signal: AbortSignal.any([reign.ended, this.#abort.signal]),
      irreversible: (what, work) => this.irreversible(what, work),
      tell: (step, text) => this.tell(step, text),
    }
    this.storage = new StorageCollector(deps.storage, context)
    const access = async () => {
      const document = await reign.session.get(tree.node(node).power)
      return document === undefined ? undefined : deps.unseal(node, document.value)
    }
    const timeoutMs = deps.settings.powerTimeoutMs
    this.power = new PowerCollector({ power: deps.power, access, node, timeoutMs }, context)
  }

  /** Entries of the node that are still listed; undefined: not looked at lately. */
  listed(clock: Clock): readonly string[] | undefined {
    const isValid = this.#listed !== undefined && clock.nowMs() - this.#listed.atMs < ENTRIES_VALID_MS
    return isValid ? this.#listed?.entries : undefined
  }

  /** How long this primary has been looking for places for VMs of the node; by its own clock, the only one it can compare. */
  recoveringForMs(): number {
    const nowMs = this.#deps.clock.nowMs()
    this.#recoveringSinceMs ??= nowMs
    return nowMs - this.#recoveringSinceMs
  }

  tell(step: FenceEvent['step'], text: string): void {
    this.#pending.push({ step, text, atMs: this.#deps.clock.nowMs() })
    this.#deps.log.info({ node: this.#node, step }, text)
  }

  get pending(): readonly PendingEvent[] {
    return this.#pending
  }

  /** These are in the journal now. */
  written(events: readonly PendingEvent[]): void {
    this.#pending = this.#pending.filter((event) => !events.includes(event))
  }

  /** Starts the work that is wanted and not under way already. A result asks for another look. */
  work(wanted: readonly FenceWork[], addresses: readonly string[]): void {
    const isWanted = (work: FenceWork) => wanted.includes(work)
    if (isWanted('storage')) this.#start('storage', () => this.storage.step(addresses, isWanted('osd-down')))
    if (isWanted('power')) this.#start('power', () => this.power.step())
    const isLookDue = isWanted('entries') && this.listed(this.#deps.clock) === undefined
    if (isLookDue) this.#start('entries', () => this.#lookUp(addresses))
  }

  /** Runs one irreversible command under this opening, see {@link ProofContext}. */
  async irreversible<T>(what: string, work: () => Promise<T>): Promise<Gated<T>> {
    const { maintenance, session, epoch } = this.#reign
    const gated = await maintenance.run(what, async (): Promise<Gated<T>> => {
      const journal = (await session.get(tree.node(this.#node).fence))?.value
      const stands = journal !== undefined && journal.seq === this.seq && journal.state !== 'closed'
      if (!stands || journal.epoch > epoch || this.#abort.signal.aborted)
        return { kind: 'refused', reason: `${what}: the fencing of node ${this.#node} is not this one any more` }
      return { kind: 'done', value: await work() }
    })
    return gated.kind === 'done' ? gated.value : gated
  }

  /** Kills what is under way and waits for its end. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await Promise.all(this.#running.values())
  }

  async #lookUp(addresses: readonly string[]): Promise<boolean> {
    const wanted = new Set(addresses.flatMap(entriesOf))
    const found = (await this.#deps.storage.entries(this.#reign.ended)).map(({ address }) => address)
    this.#listed = { entries: found.filter((entry) => wanted.has(entry)), atMs: this.#deps.clock.nowMs() }
    return true
  }

  #start(kind: FenceWork, step: () => Promise<boolean>): void {
    if (this.#running.has(kind) || this.#abort.signal.aborted || this.#reign.ended.aborted) return
    const run = async () => {
      let isNews = false
      try {
        isNews = await step()
      } catch (error) {
        this.#deps.log.warn({ node: this.#node, work: kind, error }, 'gathering evidence failed, trying again')
      } finally {
        this.#running.delete(kind)
      }
      if (isNews && !this.#abort.signal.aborted) this.#onNews()
    }
    this.#running.set(kind, run())
  }
}
