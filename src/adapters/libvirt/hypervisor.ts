import type { Clock } from '../../base/clock.ts'
import { formatBareMark, MARK_NAMESPACE, MARK_PREFIX } from '../../model/domain-mark.ts'
import { errorChain, PvcError } from '../../model/errors.ts'
import type { GuestCpu } from '../../model/guest-cpu.ts'
import type { VmUuid } from '../../model/ids.ts'
import type {
  ConsoleListener,
  DomainInfo,
  DomainMark,
  HostFacts,
  Hypervisor,
  HypervisorEvent,
  MigrationRequest,
  OpenConsole,
} from '../../ports/hypervisor.ts'
import type { Log } from '../../ports/log.ts'
import type { LibvirtDomain } from './domain.ts'
import { AFFECT, SHUTDOWN } from './flag.ts'
import {
  cpuProblem,
  hasConnectedAgent,
  metadataUnlessEnded,
  secretXml,
  toDomainInfo,
  totalMemoryKiB,
  unlessNoDomain,
  unlessNotRunning,
} from './hypervisor-answers.ts'
import { CallGate } from './hypervisor-calls.ts'
import { openGuestConsole } from './hypervisor-console.ts'
import { listenToDomains } from './hypervisor-events.ts'
import { markedDefinition } from './hypervisor-mark.ts'
import { MigrationCalls, type MigrationSettings } from './hypervisor-migration.ts'
import { STATS_FLAGS, STATS_GROUPS, toStatsSample } from './hypervisor-stats.ts'
import { isLibvirtError, VIR_ERR } from './libvirt-error.ts'
import { type LibvirtConnection, openConnection } from './native.ts'
import { ReconnectingLibvirt } from './reconnect.ts'

type Link = ReconnectingLibvirt<LibvirtConnection>

export type HypervisorOptions = {
  /**
   * libvirtd works on five requests of one connection at a time and leaves the rest unread, so calls that may take long
   * must not share one with those that must not wait: reads and events, creates, the other changes, copies to other
   * nodes, and what is said to a copy under way.
   */
  readonly links: {
    readonly read: Link
    readonly create: Link
    readonly change: Link
    readonly copy: Link
    readonly follow: Link
  }
  readonly clock: Clock
  readonly log: Log
  readonly migration: MigrationSettings
  /** Bound of every call but create and destroy; default 10 s. */
  readonly callTimeoutMs?: number
  /** Bound of a create call; it is not abandoned then, see `outstandingCreates`. Default 30 s. */
  readonly createTimeoutMs?: number
  /** libvirt gives QEMU 10 s after SIGTERM and again some after SIGKILL; default 45 s. */
  readonly destroyTimeoutMs?: number
}

/** Connects to libvirt and stays connected. Nothing is awaited: until then calls fail with PVC_HYPERVISOR_UNAVAILABLE. */
export function startHypervisor(options: Omit<HypervisorOptions, 'links'> & { readonly uri: string }): Hypervisor {
  const open = () => openConnection(options.uri)
  const link = (name: string, keepAlive: { intervalS: number; count: number }) => {
    const onError = (error: unknown, attempt: number) => {
      // All of them fail for the same reason: one of them says so, at first and then now and again.
      const level = name === 'read' && isWorthTelling(attempt) ? 'warn' : 'debug'
      options.log[level]({ link: name, attempt, error: errorChain(error) }, 'libvirt cannot be reached')
    }
    const opened = new ReconnectingLibvirt({ clock: options.clock, open, keepAlive, onError })
    opened.start()
    return opened
  }
  // A connection with five long calls under way answers no ping either, so only the quick one is watched by pings.
  const links = {
    read: link('read', { intervalS: 5, count: 3 }),
    create: link('create', NO_KEEPALIVE),
    change: link('change', NO_KEEPALIVE),
    copy: link('copy', NO_KEEPALIVE),
    follow: link('follow', NO_KEEPALIVE),
  }
  return new LibvirtHypervisor({ ...options, links })
}

/** The first attempt, then each minute at the longest back-off. */
function isWorthTelling(attempt: number): boolean {
  return attempt === 1 || attempt % 12 === 0
}

const NO_KEEPALIVE = { intervalS: 0, count: 0 }

/** The hypervisor port over libvirt. */
export class LibvirtHypervisor implements Hypervisor {
  readonly #options: HypervisorOptions
  readonly #gate: CallGate
  readonly #migrations: MigrationCalls
  readonly #callTimeoutMs: number
  readonly #creates = new Set<VmUuid>()
  readonly #listeners = new Set<(event: HypervisorEvent) => void>()
  #wasConnected = false

  constructor(options: HypervisorOptions) {
    this.#options = options
    this.#gate = new CallGate(options.clock)
    this.#callTimeoutMs = options.callTimeoutMs ?? 10_000
    const common = { gate: this.#gate, callTimeoutMs: this.#callTimeoutMs, settings: options.migration }
    this.#migrations = new MigrationCalls({ ...options, ...common })
    listenToDomains(options.links.read, (event) => this.#tell(event))
    for (const link of Object.values(options.links)) {
      link.on('connected', () => this.#tellConnection())
      link.on('disconnected', () => this.#tellConnection())
    }
    this.#wasConnected = this.isConnected
  }

  get isConnected(): boolean {
    return Object.values(this.#options.links).every((link) => link.isConnected)
  }

  facts(): Promise<HostFacts> {
    return this.#read('facts of the host', async (connection) => {
      const [hostname, version, node, totalKiB] = await Promise.all([
        connection.hostname(),
        connection.version(),
        connection.nodeInfo(),
        totalMemoryKiB(connection),
      ])
      return {
        hostname,
        libvirtVersion: version.daemon,
        qemuVersion: version.hypervisor,
        cpuCount: node.cpus,
        memoryTotalMiB: Math.floor((totalKiB ?? node.memoryKiB) / 1024),
      }
    })
  }

  list(): Promise<readonly DomainInfo[]> {
    return this.#read('list of domains', async (connection) => {
      const domains = await connection.listDomains({ metadataUri: MARK_NAMESPACE })
      return domains.map(toDomainInfo)
    })
  }

  get(uuid: VmUuid): Promise<DomainInfo | undefined> {
    return this.#read(`look at domain ${uuid}`, (connection) =>
      unlessNoDomain(async () => {
        const domain = connection.domain(uuid)
        const [{ name }, state, metadata] = await Promise.all([
          domain.lookup(),
          domain.state(),
          metadataUnlessEnded(domain),
        ])
        return metadata === null ? undefined : toDomainInfo({ uuid, name, ...state, metadata })
      }),
    )
  }

  xml(uuid: VmUuid): Promise<string | undefined> {
    return this.#read(`XML of domain ${uuid}`, (connection) => unlessNoDomain(() => connection.domain(uuid).xml()))
  }

  async create(uuid: VmUuid, xml: string, mark: DomainMark): Promise<void> {
    const what = `create of domain ${uuid}`
    const definition = markedDefinition(uuid, xml, mark)
    // Two starts of one VM in flight could not be told apart.
    if (this.#creates.has(uuid))
      throw new PvcError('PVC_HYPERVISOR_TIMEOUT', `${what}: an earlier one has not returned yet`)
    await this.#gate.run(what, this.#options.createTimeoutMs ?? 30_000, () => {
      this.#creates.add(uuid)
      return this.#options.links.create
        .run((connection) => connection.createDomain(definition))
        .finally(() => this.#creates.delete(uuid))
    })
  }

  outstandingCreates(): ReadonlySet<VmUuid> {
    return new Set(this.#creates)
  }

  async shutdown(uuid: VmUuid): Promise<void> {
    await this.#change(`shutdown of domain ${uuid}`, uuid, (domain) => domain.shutdown(SHUTDOWN.ACPI_POWER_BTN))
    // The agent may take seconds to answer, or never do; the power button was pressed anyway.
    this.#shutdownByAgent(uuid).catch((error: unknown) =>
      this.#options.log.debug({ vm: uuid, error: errorChain(error) }, 'the guest agent did not take the shutdown'),
    )
  }

  destroy(uuid: VmUuid): Promise<void> {
    const timeoutMs = this.#options.destroyTimeoutMs ?? 45_000
    const end = (domain: LibvirtDomain) => unlessNotRunning(() => domain.destroy())
    return this.#change(`destroy of domain ${uuid}`, uuid, end, timeoutMs)
  }

  undefine(uuid: VmUuid): Promise<void> {
    // A transient domain cannot be undefined: there is nothing left to remove.
    return this.#change(`undefine of domain ${uuid}`, uuid, (domain) => unlessNotRunning(() => domain.undefine()))
  }

  reset(uuid: VmUuid): Promise<void> {
    return this.#change(`reset of domain ${uuid}`, uuid, (domain) => domain.reset())
  }
  suspend(uuid: VmUuid): Promise<void> {
    return this.#change(`suspend of domain ${uuid}`, uuid, (domain) => domain.suspend())
  }
  resume(uuid: VmUuid): Promise<void> {
    return this.#change(`resume of domain ${uuid}`, uuid, (domain) => domain.resume())
  }
  blockResize(uuid: VmUuid, device: string, sizeBytes: number): Promise<void> {
    return this.#change(`resize of ${device} of domain ${uuid}`, uuid, (domain) =>
      domain.blockResize(device, sizeBytes),
    )
  }

  migrate(uuid: VmUuid, request: MigrationRequest): Promise<void> {
    return this.#migrations.migrate(uuid, request)
  }
  migrationProgress(uuid: VmUuid) {
    return this.#migrations.progress(uuid)
  }
  abortMigration(uuid: VmUuid): Promise<void> {
    return this.#migrations.abort(uuid)
  }
  setMark(uuid: VmUuid, mark: DomainMark): Promise<void> {
    return this.#change(`mark of domain ${uuid}`, uuid, (domain) =>
      domain.setMetadata(MARK_NAMESPACE, MARK_PREFIX, formatBareMark(mark), AFFECT.LIVE),
    )
  }

  cpuProblem(cpu: GuestCpu): Promise<string | undefined> {
    return this.#read('look at the processor', (connection) => cpuProblem(connection, cpu))
  }
  stats() {
    return this.#read('statistics of guests', async (connection) =>
      toStatsSample(await connection.domainStats(STATS_GROUPS, STATS_FLAGS)),
    )
  }

  ensureSecret(uuid: string, usage: string, value: Buffer): Promise<void> {
    const set = async (connection: LibvirtConnection) => {
      try {
        await connection.lookupSecret(uuid)
      } catch (error) {
        if (!isLibvirtError(error, VIR_ERR.NO_SECRET)) throw error
        await connection.defineSecret(secretXml(uuid, usage))
      }
      await connection.setSecretValue(uuid, value)
    }
    return this.#gate.run(`secret ${uuid}`, this.#callTimeoutMs, () => this.#options.links.change.run(set))
  }

  openConsole(uuid: VmUuid, isForced: boolean, listener: ConsoleListener): Promise<OpenConsole> {
    return openGuestConsole((what, ask) => this.#read(what, ask), uuid, isForced, listener)
  }

  subscribe(listener: (event: HypervisorEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    await Promise.all(Object.values(this.#options.links).map((link) => link.close()))
  }

  async #shutdownByAgent(uuid: VmUuid): Promise<void> {
    if (!hasConnectedAgent((await this.xml(uuid)) ?? '')) return
    const ask = (domain: LibvirtDomain) => domain.shutdown(SHUTDOWN.GUEST_AGENT)
    await this.#change(`agent shutdown of domain ${uuid}`, uuid, ask)
  }

  #read<T>(what: string, ask: (connection: LibvirtConnection) => Promise<T>): Promise<T> {
    return this.#gate.run(what, this.#callTimeoutMs, () => this.#options.links.read.run(ask))
  }

  #change(
    what: string,
    uuid: VmUuid,
    apply: (domain: LibvirtDomain) => Promise<void>,
    timeoutMs = this.#callTimeoutMs,
  ): Promise<void> {
    const { change } = this.#options.links
    return this.#gate.run(what, timeoutMs, () => change.run((connection) => apply(connection.domain(uuid))))
  }

  #tellConnection(): void {
    const connected = this.isConnected
    if (connected === this.#wasConnected) return
    this.#wasConnected = connected
    this.#tell({ kind: 'connection', connected })
  }

  #tell(event: HypervisorEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}
