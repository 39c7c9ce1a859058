import type { Cluster } from '../model/cluster.ts'
import type { Gated, MaintenanceGate, Reign } from '../ports/primary.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'

/** Part of a reign the gate asks before it opens. */
type Right = Pick<Reign, 'session' | 'validForMs' | 'ended'>

/**
 * The maintenance gate of one pvcnoded, over all its reigns: a command of an earlier reign that is still in flight counts.
 * Why it is sound: a command counts as in flight before the cluster document is read for it. The acknowledgement reads the
 * document first and looks at the count afterwards, over the same session. So a command it does not see reads a document
 * at least as new, and is refused.
 */
export class MaintenanceGates {
  #inFlight = 0
  #isOn = false
  readonly #drained = new Set<() => void>()

  /** The gate as the roles of one reign see it. */
  gate(right: Right): MaintenanceGate {
    const gates = this
    return {
      get isOn() {
        return gates.#isOn
      },
      run: (what, work) => this.#run(right, what, work),
    }
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Called when the last command in flight has ended. */
  onDrained(listener: () => void): () => void {
    this.#drained.add(listener)
    return () => this.#drained.delete(listener)
  }

  /** Reads the cluster document as it is now. */
  async look(session: StoreSession): Promise<Cluster | undefined> {
    const cluster = (await session.get(tree.cluster))?.value
    this.#isOn = cluster?.maintenance.on ?? false
    return cluster
  }

  async #run<T>(right: Right, what: string, work: () => Promise<T>): Promise<Gated<T>> {
    this.#inFlight += 1
    try {
      await right.session.sync()
      const cluster = await this.look(right.session)
      if (cluster === undefined) return { kind: 'refused', reason: `${what}: the cluster's document is missing` }
      if (cluster.maintenance.on) return { kind: 'refused', reason: `${what}: the cluster is in maintenance` }
      if (right.ended.aborted || right.validForMs() <= 0)
        return { kind: 'refused', reason: `${what}: this node is not primary any more` }
      return { kind: 'done', value: await work() }
    } finally {
      this.#inFlight -= 1
      if (this.#inFlight === 0) for (const listener of [...this.#drained]) listener()
    }
  }
}
