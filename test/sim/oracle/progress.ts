/** S8 and S10: what must come about when nothing stands in the way. */
import type { FenceJournal } from '../../../src/model/fence.ts'
import type { Cluster } from '../world/cluster.ts'
import { Violation } from './violation.ts'

/** A node is healthy when nothing has happened to it, nor to ZooKeeper, for so long. */
const CALM_MS = 30_000
/** The proof of life of a healthy node may be away for so long. */
const AWAY_MS = 1000
/** Looking at every event would be most of the work. */
const LOOK_EVERY_MS = 200

export class ProgressOracle {
  readonly #cluster: Cluster
  readonly #awaySinceMs = new Map<string, number>()
  #lookedAtMs = 0
  #servingSinceMs = 0

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  check(): void {
    const { engine, servers, hosts } = this.#cluster
    if (!servers.isServing) this.#servingSinceMs = engine.nowMs
    if (engine.nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return
    this.#lookedAtMs = engine.nowMs
    for (const host of hosts) {
      const calmMs = engine.nowMs - Math.max(host.disturbedAtMs, this.#servingSinceMs)
      const daemon = this.#cluster.daemons.get(host.name)
      if (host.isHindered || daemon?.process.isPaused) host.disturb()
      const isHealthy = daemon?.node?.state.value === 'run' && calmMs > CALM_MS
      const isAway = isHealthy && servers.tree.get(`/nodes/${host.name}/alive`) === undefined
      if (!isAway) this.#awaySinceMs.delete(host.name)
      else this.#awaySinceMs.set(host.name, this.#awaySinceMs.get(host.name) ?? engine.nowMs)
      const sinceMs = this.#awaySinceMs.get(host.name)
      if (sinceMs !== undefined && engine.nowMs - sinceMs > AWAY_MS)
        throw new Violation('S10', `${host.name} is healthy and its proof of life has been away since ${sinceMs} ms`)
    }
  }

  /** What is not as it should be in the end: VMs that are wanted on and do not run, fences that are not over. */
  missing(): readonly string[] {
    const running = new Set<string>()
    for (const { domain } of this.#cluster.domains())
      if (domain.run && domain.state === 'running') running.add(domain.uuid)
    const { api, vms } = this.#cluster
    const off = vms.filter(({ uuid }) => api.isWantedOn(uuid) && !running.has(uuid))
    return [...off.map(({ name }) => `${name} does not run`), ...this.#unfinished()]
  }

  /** Fences that have not come to an end (S7). */
  #unfinished(): readonly string[] {
    const { ceph, hosts, servers } = this.#cluster
    return hosts.flatMap(({ name, storageAddress }) => {
      const text = servers.tree.get(`/nodes/${name}/fence`)?.text
      const state = text === undefined ? 'missing' : (JSON.parse(text) as FenceJournal).state
      const open = state === 'closed' ? [] : [`the fence journal of ${name} is ${state}`]
      return ceph.listed().includes(`${storageAddress}:0/0`) ? [...open, `${name} is in the blocklist`] : open
    })
  }
}
