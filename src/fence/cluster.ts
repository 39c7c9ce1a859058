import type { Clock } from '../base/clock.ts'
import { Limiter } from '../base/limiter.ts'
import { shareNext } from '../base/share-next.ts'
import type { LifeId, NodeName } from '../model/ids.ts'
import type { StoreSession } from '../ports/store.ts'
import { type NodeRead, readNodes, readRecords } from './recovery/read.ts'

/** A scan this old still tells which lives are named: a dead life never comes into a new record. */
const RECORDS_VALID_MS = 5000

/** What the loops of all nodes share in one reign. */
export class ClusterView {
  /** One node at a time is taken for dead, so that each counts the ones before it. */
  readonly opening = new Limiter(1)
  readonly #session: StoreSession
  readonly #clock: Clock
  readonly #scan: () => Promise<void>
  #lives = new Map<NodeName, Set<LifeId>>()
  #scannedAtMs = Number.NEGATIVE_INFINITY

  constructor(session: StoreSession, clock: Clock) {
    this.#session = session
    this.#clock = clock
    this.#scan = shareNext(() => this.#readRecords())
  }

  /** Lives that run records name for a node. */
  async livesOf(node: NodeName): Promise<readonly LifeId[]> {
    if (this.#clock.nowMs() - this.#scannedAtMs >= RECORDS_VALID_MS) await this.#scan()
    return [...(this.#lives.get(node) ?? [])]
  }

  /** Records were moved: the next question reads them again. */
  forget(): void {
    this.#scannedAtMs = Number.NEGATIVE_INFINITY
  }

  nodes(): Promise<readonly NodeRead[]> {
    return readNodes(this.#session)
  }

  async #readRecords(): Promise<void> {
    const atMs = this.#clock.nowMs()
    const lives = new Map<NodeName, Set<LifeId>>()
    for (const { status } of await readRecords(this.#session)) {
      const { run } = status.value
      if (run === null) continue
      const known = lives.get(run.node) ?? new Set()
      lives.set(run.node, known.add(run.life))
    }
    this.#lives = lives
    this.#scannedAtMs = atMs
  }
}
