/** S1, S3 and S9: what QEMU really does on the machines, whatever anybody's status says. */

import type { FakeWrite } from '../../../src/adapters/fake/ceph-image.ts'
import type { FakeDomain } from '../../../src/adapters/fake/domain.ts'
import type { Cluster } from '../world/cluster.ts'
import type { SimHost } from '../world/host.ts'
import { Violation } from './violation.ts'

/** Nothing has befallen a node for so long before the quorum was lost: then every coordinator can be asked. */
const CALM_MS = 7000

/** What is known of a domain's memory: the number of writes to the disk that it knows of. */
type Memory = { knows: number; isRunning: boolean; isComplete: boolean }

export class GuestOracle {
  readonly #cluster: Cluster
  readonly #memories = new WeakMap<FakeDomain, Memory>()
  /** Applied writes per VM. */
  readonly #writes = new Map<string, number>()
  /** What the source of a copy knew when it stood still last, per VM. */
  readonly #switched = new Map<string, number>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** A write was applied: its domain knows of it, every other one does not. */
  written(write: FakeWrite): void {
    const vm = this.#cluster.vms.find(({ volume }) => volume === write.volume)
    if (!vm) return
    const count = (this.#writes.get(vm.uuid) ?? 0) + 1
    this.#writes.set(vm.uuid, count)
    for (const { domain } of this.#cluster.domains()) {
      if (domain.run?.client?.address === write.address) this.#memory(domain).knows = count
    }
  }

  /** S9: without a quorum nobody can have fenced a node that can tell, so its guard has no reason to strike. */
  struck(host: SimHost): void {
    const { servers, hosts, daemons } = this.#cluster
    const { stoppedAtMs } = servers
    if (stoppedAtMs === undefined) return
    const areFine = hosts.every(({ name, disturbedAtMs, isHindered }) => {
      const daemon = daemons.get(name)
      return !isHindered && disturbedAtMs < stoppedAtMs - CALM_MS && daemon?.node?.state.value === 'run'
    })
    if (areFine) throw new Violation('S9', `the guests of ${host.name} are ended while there is no quorum`)
  }

  check(): void {
    const running = new Map<string, SimHost>()
    for (const host of this.#cluster.hosts)
      for (const domain of host.libvirtd.domains.values()) this.#checkOne(host, domain, running)
  }

  #checkOne(host: SimHost, domain: FakeDomain, running: Map<string, SimHost>): void {
    const memory = this.#memory(domain)
    this.#followCopy(domain, memory)
    const isRunning = domain.run !== undefined && domain.state === 'running' && host.isOn && !host.machine.isPaused
    if (isRunning && !memory.isRunning) this.#checkMemory(domain, memory, host)
    memory.isRunning = domain.run !== undefined && domain.state === 'running'
    if (!isRunning) return
    const other = running.get(domain.uuid)
    running.set(domain.uuid, host)
    const { exempt } = this.#cluster
    if (other === undefined || exempt.has(host.name) || exempt.has(other.name)) return
    throw new Violation('S1', `${domain.name} runs on ${other.name} and on ${host.name}`)
  }

  #memory(domain: FakeDomain): Memory {
    let memory = this.#memories.get(domain)
    if (memory === undefined) {
      memory = { knows: -1, isRunning: false, isComplete: domain.migrationId === undefined }
      this.#memories.set(domain, memory)
    }
    return memory
  }

  /** A copy has the memory of its source at the switch. */
  #followCopy(domain: FakeDomain, memory: Memory): void {
    if (domain.state === 'paused' && domain.reason === 'migration' && domain.mark !== undefined) {
      this.#switched.set(domain.uuid, memory.knows)
    }
    if (memory.isComplete || domain.reason !== 'user') return
    memory.isComplete = true
    memory.knows = this.#switched.get(domain.uuid) ?? 0
  }

  #checkMemory(domain: FakeDomain, memory: Memory, host: SimHost): void {
    const writes = this.#writes.get(domain.uuid) ?? 0
    // A cold start reads the disk as it is.
    if (memory.knows < 0) memory.knows = writes
    if (memory.knows >= writes) return
    const message = `${domain.name} goes on at ${host.name} with memory older than its disk: ${writes - memory.knows} writes are not in it`
    throw new Violation('S3', message)
  }
}
