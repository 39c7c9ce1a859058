/** S12: once a later primary has raised the epoch, nothing of an earlier one is written into a fence journal. */
import type { FenceJournal } from '../../../src/model/fence.ts'
import type { Cluster } from '../world/cluster.ts'
import { Violation } from './violation.ts'

export class JournalOracle {
  readonly #cluster: Cluster

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** A document was written; `owner` is the connection that did it, such as `hv1: zk`. */
  written(path: string, before: string | undefined, after: string | undefined, owner: string): void {
    const node = /^\/nodes\/([^/]+)\/fence$/.exec(path)?.[1]
    // Its node makes it, closed and of no epoch.
    if (node === undefined || before === undefined || after === undefined) return
    const { epoch } = JSON.parse(after) as FenceJournal
    const raised = this.#cluster.servers.tree.get('/primary/epoch')?.text
    const present = raised === undefined ? 0 : (JSON.parse(raised) as { readonly epoch: number }).epoch
    if (epoch < present)
      throw new Violation('S12', `${owner} wrote the journal of ${node} under epoch ${epoch}, and ${present} has begun`)
  }
}
