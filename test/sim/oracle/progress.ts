/** S7, S8 and S10: what must come about when nothing stands in the way. */

import type { Cluster as ClusterDocument } from '../../../src/model/cluster.ts'
import type { VmStatus } from '../../../src/model/domain.ts'
import type { FenceJournal } from '../../../src/model/fence.ts'
import type { NodeStatus } from '../../../src/model/node.ts'
import type { Cluster } from '../world/cluster.ts'
import type { ServerSession } from '../zookeeper/servers.ts'
import { Violation } from './violation.ts'

/** A node is healthy when nothing has happened to it, nor to ZooKeeper, for so long. */
const CALM_MS = 30_000
/** The proof of life of a healthy node may be away for so long. */
const AWAY_MS = 1000
/** A session that is kept up does not expire when nothing has befallen its daemon for so long. */
const HEALTHY_MS = 3000
/** Nothing has befallen the others for so long: they could act. */
const UNDISTURBED_MS = 5000
/** What nobody has seen to after this time is not seen to at all. */
const LASTING_MS = 60_000
/** A machine that was booted anew is proof by itself, and only has to be shut out. */
const UNPROVEN_MS = 30_000
/** Looking at every event would be most of the work. */
const LOOK_EVERY_MS = 200

type Wrong = { readonly node: string; readonly what: string; readonly lastingMs?: number }

export class ProgressOracle {
  readonly #cluster: Cluster
  readonly #awaySinceMs = new Map<string, number>()
  #lookedAtMs = 0
  #servingSinceMs = 0

  /** What is wrong, and since when (S7). */
  readonly #wrongSinceMs = new Map<string, number>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  check(): void {
    const { engine, servers, hosts } = this.#cluster
    if (!servers.isServing) this.#servingSinceMs = engine.nowMs
    if (engine.nowMs - this.#lookedAtMs < LOOK_EVERY_MS) return
    this.#lookedAtMs = engine.nowMs
    this.#checkLasting()
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

  /** A daemon that runs must not have left its proof of life to a session that ends. */
  expired({ id, owner }: ServerSession): void {
    const { engine, servers, daemons } = this.#cluster
    const name = owner.split(':')[0] ?? ''
    if (servers.tree.get(`/nodes/${name}/alive`)?.ephemeralOwner !== id) return
    const { disturbedAtMs, isHindered } = this.#cluster.host(name)
    const daemon = daemons.get(name)
    const isHealthy = daemon?.node?.state.value === 'run' && !daemon.process.isPaused && !isHindered
    if (isHealthy && engine.nowMs - disturbedAtMs > HEALTHY_MS)
      throw new Violation(
        'S10',
        `${name} is healthy, and its proof of life ends with a session that it does not keep up`,
      )
  }

  /** Nothing of this may last while the cluster could do something about it (S7). */
  #checkLasting(): void {
    const { engine, servers, hosts, ceph } = this.#cluster
    const areOthersCalm = (name: string) =>
      hosts.every((host) => host.name === name || engine.nowMs - host.disturbedAtMs > UNDISTURBED_MS)
    const canAct = servers.isServing && servers.tree.get('/primary/lease') !== undefined && !ceph.isStalled
    const wrong = canAct ? this.#wrong().filter(({ node }) => areOthersCalm(node)) : []
    for (const what of this.#wrongSinceMs.keys())
      if (!wrong.some((each) => each.what === what)) this.#wrongSinceMs.delete(what)
    for (const { what, lastingMs = LASTING_MS } of wrong) {
      const sinceMs = this.#wrongSinceMs.get(what) ?? engine.nowMs
      this.#wrongSinceMs.set(what, sinceMs)
      if (engine.nowMs - sinceMs > lastingMs) throw new Violation('S7', `${what} since ${sinceMs} ms`)
    }
  }

  #wrong(): readonly Wrong[] {
    const { hosts, vms, ceph, servers, engine, daemons } = this.#cluster
    const read = <T>(path: string) => {
      const text = servers.tree.get(path)?.text
      return text === undefined ? undefined : (JSON.parse(text) as T)
    }
    const journals = new Map(hosts.map(({ name }) => [name, read<FenceJournal>(`/nodes/${name}/fence`)]))
    const records = vms.flatMap(({ name, uuid }) => {
      const run = read<VmStatus>(`/vms/${uuid}/status`)?.run
      const isDead = run != null && journals.get(run.node)?.deadLives.includes(run.life) === true
      return isDead ? [{ node: run.node, what: `the record of ${name} names the dead life ${run.life}` }] : []
    })
    const listed = new Set(ceph.listed())
    const shutOut = hosts.flatMap(({ name, storageAddress }) => {
      const isIn = journals.get(name)?.state === 'closed' && listed.has(`${storageAddress}:0/0`)
      const isAlive = isIn && servers.tree.get(`/nodes/${name}/alive`) !== undefined
      return isAlive ? [{ node: name, what: `${name} is shut out of Ceph and nobody fences it` }] : []
    })
    const isOn = read<ClusterDocument>('/cluster')?.maintenance.on === true
    const waiting = hosts.flatMap(({ name, disturbedAtMs, libvirtd }) => {
      const isFree = engine.nowMs - disturbedAtMs > UNDISTURBED_MS && libvirtd.isUp && daemons.has(name) && !isOn
      const isBack = isFree && servers.tree.get(`/nodes/${name}/alive`) !== undefined
      const journal = journals.get(name)
      if (!isBack || journal?.state === 'closed') return []
      const isRebooted =
        journal?.state === 'open' && read<NodeStatus>(`/nodes/${name}/status`)?.bootId !== journal.bootId
      const unproven = `${name} was booted anew, and the life before is not proven over`
      return [
        { node: name, what: `${name} is back and waits for the end of its fence` },
        ...(isRebooted ? [{ node: name, what: unproven, lastingMs: UNPROVEN_MS }] : []),
      ]
    })
    return [...records, ...shutOut, ...waiting]
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
