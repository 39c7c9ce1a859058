/** Gathers what the heartbeat publishes. The heartbeat never waits for it: it takes the last sample, however old. */
import type { Clock } from '../../base/clock.ts'
import { MutableSignal } from '../../base/signal.ts'
import type { NodeStats } from '../../model/node.ts'
import type { Ceph } from '../../ports/ceph.ts'
import type { HostSample, NodeFiles } from '../../ports/files.ts'
import type { HostFacts, Hypervisor, StatsSample } from '../../ports/hypervisor.ts'
import type { FaultBoard } from '../faults.ts'
import { type InterfaceLook, interfaceFigures } from './interface-rates.ts'
import { createSampler, type Sampler } from './sampler.ts'

export type CollectorOptions = {
  readonly hypervisor: Hypervisor
  readonly files: NodeFiles
  readonly ceph: Ceph
  readonly clock: Clock
  readonly faults: FaultBoard
  readonly intervalMs: number
  /** Called when a sample came that the status document is made of. */
  readonly onNews: () => void
}

const FACTS_INTERVAL_MS = 300_000
/** A look at Ceph starts a process, so it is rare; the domain part meets Ceph's absence by itself at each start. */
const CEPH_INTERVAL_MS = 30_000
const CEPH_RETRY_MS = 5000
const CALL_DEADLINE_MS = 15_000
/** libvirt may be away this long before it is reported. */
const AWAY_MS = 3000
/** Figures older than so many intervals are reported. */
const STALE_INTERVALS = 3

/** The collector; nothing is read before `start`. */
export class Collector {
  /** Processors and memory of this host are known. */
  readonly isMeasured = new MutableSignal(false)
  readonly #options: CollectorOptions
  readonly #guests: Sampler<StatsSample>
  readonly #host: Sampler<HostSample>
  readonly #facts: Sampler<HostFacts>
  readonly #storage: Sampler<void>
  #guestsRevision = 0
  #look: InterfaceLook | undefined
  #interfaces: NodeStats['interfaces'] = {}
  #awaySinceMs: number | undefined
  #unsubscribe: (() => void) | undefined

  constructor(options: CollectorOptions) {
    this.#options = options
    const { hypervisor, files, ceph, clock, intervalMs } = options
    const common = { clock, deadlineMs: CALL_DEADLINE_MS, retryMs: intervalMs, minGapMs: intervalMs / 5 }
    this.#guests = createSampler({
      ...common,
      what: 'libvirt, asked for the statistics of all VMs,',
      read: () => hypervisor.stats(),
      intervalMs,
      onResult: () => this.#onGuests(),
    })
    this.#host = createSampler({
      ...common,
      what: 'this host',
      read: () => files.hostSample(),
      intervalMs,
      onResult: () => this.#onHost(),
    })
    this.#facts = createSampler({
      ...common,
      what: 'libvirt',
      read: () => hypervisor.facts(),
      intervalMs: FACTS_INTERVAL_MS,
      onResult: () => this.#onMeasured(),
    })
    this.#storage = createSampler({
      ...common,
      what: 'Ceph',
      read: () => ceph.ping(),
      intervalMs: CEPH_INTERVAL_MS,
      retryMs: CEPH_RETRY_MS,
      onResult: () => this.#judgeStorage(),
    })
  }

  facts(): HostFacts | undefined {
    return this.#facts.latest()
  }
  host(): HostSample | undefined {
    return this.#host.latest()
  }
  guests(): StatsSample | undefined {
    return this.#guests.latest()
  }

  /** Figures of network devices; empty before the first sample. */
  interfaces(): NodeStats['interfaces'] {
    return this.#interfaces
  }

  /** Counts samples of guests; to know whether a statistics document would say anything new. */
  get guestsRevision(): number {
    return this.#guestsRevision
  }

  /** Brings the faults about libvirt, Ceph and the age of the figures up to date. */
  judge(): void {
    this.#judgeStorage()
    this.#judgeHypervisor()
    this.#judgeAge()
  }

  start(): void {
    this.#unsubscribe = this.#options.hypervisor.subscribe((event) => {
      this.#guests.trigger()
      if (event.kind === 'connection') this.#facts.trigger()
    })
    for (const sampler of [this.#guests, this.#host, this.#facts, this.#storage]) sampler.start()
  }

  stop(): void {
    this.#unsubscribe?.()
    for (const sampler of [this.#guests, this.#host, this.#facts, this.#storage]) sampler.stop()
  }

  #onHost(): void {
    const sample = this.#host.latest()
    if (sample === undefined || this.#host.trouble() !== undefined) return
    const look = { atMs: this.#options.clock.nowMs(), interfaces: sample.interfaces }
    this.#interfaces = interfaceFigures(this.#look, look)
    const isFirst = this.#look === undefined
    this.#look = look
    // Others wait for the first one. The rest go out with the heartbeat, and must not make it run ahead of the guests' figures.
    if (isFirst) this.#onMeasured()
  }

  #onMeasured(): void {
    this.isMeasured.set(this.facts() !== undefined && this.host() !== undefined)
    this.#options.onNews()
  }

  #onGuests(): void {
    if (this.#guests.trouble() === undefined) this.#guestsRevision += 1
    this.#options.onNews()
  }

  #judgeStorage(): void {
    const { faults } = this.#options
    const trouble = this.#storage.trouble()
    if (trouble === undefined) {
      faults.clear('CEPH_UNREACHABLE')
      return
    }
    const message = `This node does not reach Ceph: ${trouble}. Running VMs may stand still; VMs cannot be started here.`
    faults.set('CEPH_UNREACHABLE', 'error', message)
  }

  #judgeHypervisor(): void {
    const { faults, hypervisor, clock } = this.#options
    if (hypervisor.isConnected) {
      this.#awaySinceMs = undefined
      faults.clear('LIBVIRT_UNREACHABLE')
      return
    }
    this.#awaySinceMs ??= clock.nowMs()
    // A restart of libvirtd, or our own first moments, are no fault.
    if (clock.nowMs() - this.#awaySinceMs < AWAY_MS) return
    const message =
      'libvirt on this node does not answer. Its VMs run on, but none can be started or stopped here; look at libvirtd.'
    faults.set('LIBVIRT_UNREACHABLE', 'error', message)
  }

  #judgeAge(): void {
    const { faults, intervalMs } = this.#options
    const ageMs = this.#guests.ageMs()
    if (ageMs <= STALE_INTERVALS * intervalMs) {
      faults.clear('STATISTICS_STALE')
      return
    }
    const reason = this.#guests.trouble() ?? 'no sample came'
    const message = `The statistics of this node are ${Math.round(ageMs / 1000)} s old: ${reason}.`
    faults.set('STATISTICS_STALE', 'warning', message)
  }
}
