import type { Clock } from '../base/clock.ts'
import { Limiter } from '../base/limiter.ts'
import { shareNext } from '../base/share-next.ts'
import type { VmStatus } from '../model/domain.ts'
import type { LifeId, NodeName, VmUuid } from '../model/ids.ts'
import type { StoreSession } from '../ports/store.ts'
import { type NodeRead, readAwaited, readNodes, readRecords } from './recovery/read.ts'

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
  #free: readonly { readonly uuid: VmUuid; readonly status: VmStatus }[] = []
  #awaited: Promise<ReadonlySet<NodeName>> | undefined
  #scannedAtMs = Number.NEGATIVE_INFINITY

  constructor(session: StoreSession, clock: Clock) {
    this.#session = session
    this.#clock = clock
    this.#scan = shareNext(() => this.#readRecords())
  }

  /** Lives that run records name for a node. */
  async livesOf(node: NodeName): Promise<readonly LifeId[]> {
    await this.#refresh()
    return [...(this.#lives.get(node) ?? [])]
  }

  /** Whether VMs that nobody holds wait for the node to start them. */
  async isAwaited(node: NodeName): Promise<boolean> {
    await this.#refresh()
    this.#awaited ??= readAwaited(this.#session, this.#free)
    try {
      return (await this.#awaited).has(node)
    } catch (error) {
      this.#awaited = undefined
      throw error
    }
  }

  /** Records were moved: the next question reads them again. */
  forget(): void {
    this.#scannedAtMs = Number.NEGATIVE_INFINITY
  }

  nodes(): Promise<readonly NodeRead[]> {
    return readNodes(this.#session)
  }

  async #refresh(): Promise<void> {
    if (this.#clock.nowMs() - this.#scannedAtMs >= RECORDS_VALID_MS) await this.#scan()
  }

  async #readRecords(): Promise<void> {
    const atMs = this.#clock.nowMs()
    const lives = new Map<NodeName, Set<LifeId>>()
    const free: { readonly uuid: VmUuid; readonly status: VmStatus }[] = []
    for (const { uuid, status } of await readRecords(this.#session)) {
      const { run } = status.value
      if (run === null) {
        free.push({ uuid, status: status.value })
        continue
      }
      const known = lives.get(run.node) ?? new Set()
      lives.set(run.node, known.add(run.life))
    }
    this.#lives = lives
    this.#free = free
    this.#awaited = undefined
    this.#scannedAtMs = atMs
  }
}
