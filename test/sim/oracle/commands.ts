/** S6 and S11: commands that cannot be taken back begin only under a reign, and never while maintenance is on. */
import type { PrimaryLease } from '../../../src/model/cluster.ts'
import type { Cluster } from '../world/cluster.ts'
import type { Command } from '../world/primary.ts'
import { Violation } from './violation.ts'

export class CommandOracle {
  readonly #cluster: Cluster
  /** Which host reigned under an epoch: two would mean that two were primary. */
  readonly #epochs = new Map<number, string>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  begun({ host, call, about, reign }: Command): void {
    const { maintenanceOnAtMs, servers } = this.#cluster
    if (maintenanceOnAtMs !== undefined)
      throw new Violation(
        'S11',
        `${host} began ${call} while maintenance is on, as the API said at ${maintenanceOnAtMs} ms`,
      )
    if (reign === undefined || reign.ended.aborted || reign.validForMs() <= 0)
      throw new Violation('S6', `${host} began ${call} without a reign that lasts`)
    const lease = servers.tree.get('/primary/lease')?.text
    if (lease === undefined || (JSON.parse(lease) as PrimaryLease).node !== host)
      throw new Violation('S6', `${host} began ${call} without the lease`)
    const own = [host, this.#cluster.host(host).storageAddress]
    if (about.some((each) => own.includes(each))) throw new Violation('S6', `${host} began ${call} against itself`)
    const other = this.#epochs.get(reign.epoch) ?? host
    if (other !== host) throw new Violation('S6', `${host} and ${other} both acted under epoch ${reign.epoch}`)
    this.#epochs.set(reign.epoch, host)
  }
}
