/** S6 and S11: commands that cannot be taken back begin only under a reign, and never while maintenance is on. */
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

  begun({ host, call, reign }: Command): void {
    const { maintenanceOnAtMs } = this.#cluster
    if (maintenanceOnAtMs !== undefined)
      throw new Violation(
        'S11',
        `${host} began ${call} while maintenance is on, as the API said at ${maintenanceOnAtMs} ms`,
      )
    if (reign === undefined || reign.ended.aborted || reign.validForMs() <= 0)
      throw new Violation('S6', `${host} began ${call} without a reign that lasts`)
    const other = this.#epochs.get(reign.epoch) ?? host
    if (other !== host) throw new Violation('S6', `${host} and ${other} both acted under epoch ${reign.epoch}`)
    this.#epochs.set(reign.epoch, host)
  }
}
