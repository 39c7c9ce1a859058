import type { Clock } from '../../base/clock.ts'
import type { MigrationProgress } from '../../model/domain.ts'
import { PvcError } from '../../model/errors.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { GuestStats } from '../../model/node.ts'
import type {
  ConsoleListener,
  DomainInfo,
  DomainMark,
  HostFacts,
  Hypervisor,
  HypervisorEvent,
  MigrationRequest,
  OpenConsole,
  StatsSample,
} from '../../ports/hypervisor.ts'
import { boundCall, FakeScript, runOutcome } from './calls.ts'
import { type FakeDomain, memoryMiB } from './domain.ts'
import type { FakeLibvirtd } from './libvirtd.ts'

export type FakeHypervisorVerb = Exclude<keyof Hypervisor, 'isConnected' | 'outstandingCreates' | 'subscribe' | 'close'>

export type FakeHypervisorOptions = {
  readonly libvirtd: FakeLibvirtd
  /** Deadline of quick calls and of create, as the real adapter has them. */
  readonly callTimeoutMs?: number
  readonly createTimeoutMs?: number
}

/**
 * One daemon's connection to a {@link FakeLibvirtd}. After a daemon restart make a new one: calls of the old one go on in
 * libvirtd, but the new one does not know them.
 */
export class FakeHypervisor implements Hypervisor {
  /** A planned delay of `create` is time the request waits before libvirtd lists the domain and runs the hook. */
  readonly script = new FakeScript<FakeHypervisorVerb>()
  readonly libvirtd: FakeLibvirtd
  /** Secrets set through {@link ensureSecret}, by UUID. */
  readonly secrets = new Map<string, Buffer>()
  hostFacts: HostFacts = {
    hostname: 'fake',
    libvirtVersion: '9.0.0',
    qemuVersion: '7.2.0',
    cpuCount: 8,
    memoryTotalMiB: 8192,
  }
  readonly #clock: Clock
  readonly #callTimeoutMs: number
  readonly #createTimeoutMs: number
  readonly #creates = new Set<VmUuid>()
  readonly #copies = new Set<VmUuid>()
  readonly #listeners = new Set<(event: HypervisorEvent) => void>()
  readonly #inFlight = new Set<(error: Error) => void>()
  readonly #stopListening: () => void
  #isClosed = false

  constructor(options: FakeHypervisorOptions) {
    this.libvirtd = options.libvirtd
    this.#clock = options.libvirtd.clock
    this.#callTimeoutMs = options.callTimeoutMs ?? 10_000
    this.#createTimeoutMs = options.createTimeoutMs ?? 30_000
    this.#stopListening = options.libvirtd.listen((event) => this.#hear(event))
  }

  get isConnected(): boolean {
    return !this.#isClosed && this.libvirtd.isUp
  }

  facts(): Promise<HostFacts> {
    return this.#call('facts', 'libvirt', () => this.hostFacts)
  }
  list(): Promise<readonly DomainInfo[]> {
    return this.#call('list', 'domains', () =>
      [...this.libvirtd.domains.values()].map((domain) => this.libvirtd.info(domain)),
    )
  }
  get(uuid: VmUuid): Promise<DomainInfo | undefined> {
    return this.#call('get', uuid, () => {
      const domain = this.libvirtd.domains.get(uuid)
      return domain && this.libvirtd.info(domain)
    })
  }
  xml(uuid: VmUuid): Promise<string | undefined> {
    return this.#call('xml', uuid, () => this.libvirtd.domains.get(uuid)?.xml)
  }

  async create(uuid: VmUuid, xml: string, mark: DomainMark): Promise<void> {
    this.#assertConnected('create')
    if (this.#creates.has(uuid))
      throw new PvcError('PVC_HYPERVISOR_TIMEOUT', `create of ${uuid}: an earlier one has not returned yet`)
    const outcome = this.script.next('create')
    const life = this.libvirtd.life
    const work = (async () => {
      const { errorAfter, ...before } = outcome
      const domain = await runOutcome(this.#clock, before, () => {
        this.#assertLife(life)
        return this.libvirtd.beginStart(uuid, xml, mark)
      })
      const running = runOutcome(this.#clock, { delayMs: this.libvirtd.startStallMs }, () => {
        this.#assertLife(life)
        this.libvirtd.finishStart(domain)
      })
      const destroyed = new Promise<never>((_, reject) => {
        domain.onStartEnded = reject
      })
      await Promise.race([running, destroyed])
      if (errorAfter) throw errorAfter
    })()
    this.#creates.add(uuid)
    const returned = this.#untilLost(work).finally(() => this.#creates.delete(uuid))
    await boundCall(this.#clock, this.#createTimeoutMs, 'PVC_HYPERVISOR_TIMEOUT', `create of ${uuid}`, returned)
  }

  outstandingCreates(): ReadonlySet<VmUuid> {
    return new Set(this.#creates)
  }

  shutdown(uuid: VmUuid): Promise<void> {
    return this.#call('shutdown', uuid, () => {
      const run = this.#running(uuid).run
      const guest = this.libvirtd.guest(uuid)
      if (guest.acpi === 'ignores') return
      this.#clock.setTimer(guest.shutdownMs, () => {
        if (this.libvirtd.domains.get(uuid)?.run === run) this.libvirtd.powerOff(uuid)
      })
    })
  }
  destroy(uuid: VmUuid): Promise<void> {
    return this.#call('destroy', uuid, () => void this.libvirtd.destroy(uuid))
  }
  undefine(uuid: VmUuid): Promise<void> {
    return this.#call('undefine', uuid, () => this.libvirtd.undefine(uuid))
  }
  reset(uuid: VmUuid): Promise<void> {
    return this.#call('reset', uuid, () => {
      this.#running(uuid)
      this.libvirtd.emit(uuid, 'reboot', '')
    })
  }
  suspend(uuid: VmUuid): Promise<void> {
    return this.#call('suspend', uuid, () => this.libvirtd.setPaused(uuid, 'paused', 'user'))
  }
  resume(uuid: VmUuid): Promise<void> {
    return this.#call('resume', uuid, () => this.libvirtd.setPaused(uuid, 'running', 'unpaused'))
  }
  blockResize(uuid: VmUuid, device: string, _sizeBytes: number): Promise<void> {
    return this.#call('blockResize', `${uuid} ${device}`, () => void this.#running(uuid))
  }

  /** The copy goes on in libvirtd when the daemon that asked for it is closed. */
  async migrate(uuid: VmUuid, request: MigrationRequest): Promise<void> {
    this.#assertConnected('migrate')
    if (this.#copies.has(uuid))
      throw new PvcError('PVC_HYPERVISOR_TIMEOUT', `copy of ${uuid}: an earlier one has not returned yet`)
    const { delayMs = 0, error, errorAfter } = this.script.next('migrate')
    const life = this.libvirtd.life
    const work = (async () => {
      await runOutcome(this.#clock, { delayMs, ...(error && { error }) }, () => this.#assertLife(life))
      const { migrations } = this.libvirtd
      if (!migrations) throw new PvcError('PVC_HYPERVISOR_FAILED', 'Cannot migrate: this machine has no network')
      await migrations.migrate(this.libvirtd, this.#running(uuid), request.migrationId, request.targetAddress)
      if (errorAfter) throw errorAfter
    })()
    this.#copies.add(uuid)
    await this.#untilLost(work).finally(() => this.#copies.delete(uuid))
  }
  migrationProgress(uuid: VmUuid): Promise<MigrationProgress | undefined> {
    return this.#call('migrationProgress', uuid, () => {
      const domain = this.libvirtd.domains.get(uuid)
      return domain?.migration?.progress(domain)
    })
  }
  abortMigration(uuid: VmUuid): Promise<void> {
    return this.#call('abortMigration', uuid, () => {
      const domain = this.libvirtd.domains.get(uuid)
      domain?.migration?.abort(domain)
    })
  }
  setMark(uuid: VmUuid, mark: DomainMark): Promise<void> {
    return this.#call('setMark', uuid, () => {
      const domain = this.#running(uuid)
      if (domain.migration)
        throw new PvcError('PVC_HYPERVISOR_FAILED', 'Timed out during operation: cannot acquire state change lock')
      domain.mark = mark
      domain.migrationId = undefined
    })
  }
  cpuProblem(): Promise<string | undefined> {
    return this.#call('cpuProblem', 'host', () => this.libvirtd.cpuProblem)
  }
  stats(): Promise<StatsSample> {
    return this.#call('stats', 'guests', () => sample([...this.libvirtd.domains.values()]))
  }
  ensureSecret(uuid: string, _usage: string, value: Buffer): Promise<void> {
    return this.#call('ensureSecret', uuid, () => void this.secrets.set(uuid, value))
  }

  openConsole(uuid: VmUuid, isForced: boolean, listener: ConsoleListener): Promise<OpenConsole> {
    return this.#call('openConsole', uuid, () => this.libvirtd.consoles.open(this.#running(uuid), isForced, listener))
  }

  subscribe(listener: (event: HypervisorEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  /** Ends this daemon's connection; what it asked for goes on in libvirtd. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopListening()
    this.#listeners.clear()
    this.#loseCalls()
  }

  #hear(event: HypervisorEvent): void {
    if (event.kind === 'connection' && !event.connected) this.#loseCalls()
    for (const listener of [...this.#listeners]) listener(event)
  }

  #loseCalls(): void {
    const error = new PvcError('PVC_HYPERVISOR_TIMEOUT', 'the connection to libvirt broke during the call')
    for (const reject of [...this.#inFlight]) reject(error)
    this.#inFlight.clear()
  }

  #running(uuid: VmUuid): FakeDomain {
    const domain = this.libvirtd.domains.get(uuid)
    if (!domain?.run)
      throw new PvcError('PVC_HYPERVISOR_FAILED', 'Requested operation is not valid: domain is not running')
    return domain
  }

  #assertConnected(verb: string): void {
    if (!this.isConnected) throw new PvcError('PVC_HYPERVISOR_UNAVAILABLE', `${verb}: libvirt is not connected`)
  }

  #assertLife(life: number): void {
    if (this.libvirtd.life !== life)
      throw new PvcError('PVC_HYPERVISOR_TIMEOUT', 'the connection to libvirt broke during the call')
  }

  /** The promise of a call as its caller sees it: the loss of the connection ends it at once. */
  #untilLost<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#inFlight.add(reject)
      work.then(resolve, reject).finally(() => this.#inFlight.delete(reject))
    })
  }

  async #call<T>(verb: FakeHypervisorVerb, subject: string, effect: () => T): Promise<T> {
    this.#assertConnected(verb)
    const life = this.libvirtd.life
    const work = runOutcome(this.#clock, this.script.next(verb), () => {
      this.#assertLife(life)
      return effect()
    })
    const what = `${verb} of ${subject}`
    return boundCall(this.#clock, this.#callTimeoutMs, 'PVC_HYPERVISOR_TIMEOUT', what, this.#untilLost(work))
  }
}

function sample(domains: readonly FakeDomain[]): StatsSample {
  const running = domains.filter((domain) => domain.run !== undefined)
  const guests = running.map((domain): GuestStats => {
    const memory = memoryMiB(domain.xml) * 1024
    const cpu = { cpuTimeNs: 0, cpuUserNs: 0, cpuSystemNs: 0 }
    const memoryKiB = { current: memory, maximum: memory }
    return { uuid: domain.uuid, ...cpu, memoryKiB, vcpus: vcpus(domain.xml), disks: [], interfaces: [] }
  })
  const memory = running.reduce((sum, domain) => sum + memoryMiB(domain.xml), 0)
  const vcpusAllocated = guests.reduce((sum, guest) => sum + guest.vcpus, 0)
  return { guests, memoryAllocatedMiB: memory, memoryProvisionedMiB: memory, vcpusAllocated }
}

function vcpus(xml: string): number {
  return Number(/<vcpu[^>]*>(\d+)</.exec(xml)?.[1] ?? 1)
}
