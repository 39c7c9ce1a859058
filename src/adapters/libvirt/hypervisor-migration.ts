import { type Clock, sleep } from '../../base/clock.ts'
import { Limiter } from '../../base/limiter.ts'
import type { Config } from '../../model/config.ts'
import type { MigrationProgress } from '../../model/domain.ts'
import { PvcError } from '../../model/errors.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { MigrationRequest } from '../../ports/hypervisor.ts'
import type { StatValues } from './addon.ts'
import type { JobStats, LibvirtDomain, MigrationParams } from './domain.ts'
import { MIGRATE, XML } from './flag.ts'
import type { CallGate } from './hypervisor-calls.ts'
import { toHypervisorError } from './hypervisor-errors.ts'
import { arrivingDefinition } from './hypervisor-mark.ts'
import { isLibvirtError, VIR_ERR } from './libvirt-error.ts'
import type { LibvirtConnection } from './native.ts'

/** The cluster's way to migrate, for what a request leaves open. */
export type MigrationSettings = Config['migration'] & { readonly scheme: Config['libvirt']['migrationScheme'] }

/** What libvirt is asked for. */
export type MigrationCall = { readonly uri: string; readonly params: MigrationParams; readonly flags: number }

/** libvirt works on that many requests of one connection at a time; it would not even read a sixth copy's. */
const PARALLEL_COPIES = 5
/** virDomainJobOperation */
const MIGRATION_OUT = 5
const MIB = 1024 * 1024
/** A copy may first stop its guest for this part of what is allowed. */
const FIRST_PAUSE = 1 / 10
/** So often a copy that found no such moment is allowed twice as long. */
const LONGER_AFTER_MS = 1000
/** QEMU answers nobody while its network is stuck; a figure that late would be of no use. */
const PROGRESS_TIMEOUT_MS = 2000

/** The part of a connection that keeps itself open which copies need. */
export type MigrationLink = { run<T>(call: (connection: LibvirtConnection) => Promise<T>): Promise<T> }

export type MigrationCallsOptions = {
  /** `copy` carries the calls that last as long as a copy does, `follow` what is said to a copy meanwhile. */
  readonly links: { readonly copy: MigrationLink; readonly follow: MigrationLink }
  readonly gate: CallGate
  readonly clock: Clock
  readonly callTimeoutMs: number
  readonly settings: MigrationSettings
}

/** Copies of domains to other nodes, as the hypervisor port describes them. */
export class MigrationCalls {
  readonly #options: MigrationCallsOptions
  readonly #limiter = new Limiter(PARALLEL_COPIES)
  readonly #calls = new Map<VmUuid, { isCalledOff: boolean }>()

  constructor(options: MigrationCallsOptions) {
    this.#options = options
  }

  async migrate(uuid: VmUuid, request: MigrationRequest): Promise<void> {
    const what = `copy of domain ${uuid} to ${request.targetAddress}`
    if (this.#calls.has(uuid))
      throw new PvcError('PVC_HYPERVISOR_TIMEOUT', `${what}: an earlier one has not returned yet`)
    const call = { isCalledOff: false }
    this.#calls.set(uuid, call)
    try {
      await this.#limiter.run(() => this.#copy(what, uuid, request, call))
    } finally {
      this.#calls.delete(uuid)
    }
  }

  progress(uuid: VmUuid): Promise<MigrationProgress | undefined> {
    const look = async (domain: LibvirtDomain) => {
      try {
        return toMigrationProgress(await domain.jobStats())
      } catch (error) {
        // Not here, not running, or a copy that arrives: only its source has figures.
        if (isLibvirtError(error, VIR_ERR.NO_DOMAIN, VIR_ERR.OPERATION_INVALID, VIR_ERR.OPERATION_UNSUPPORTED))
          return undefined
        throw error
      }
    }
    return this.#follow(`progress of the copy of domain ${uuid}`, uuid, look, PROGRESS_TIMEOUT_MS)
  }

  async abort(uuid: VmUuid): Promise<void> {
    // libvirt may not have begun yet what it was asked for.
    const call = this.#calls.get(uuid)
    if (call) call.isCalledOff = true
    await this.#follow(`end of the copy of domain ${uuid}`, uuid, async (domain) => {
      try {
        await domain.abortJob()
      } catch (error) {
        // No job, no domain, or a copy that arrives here: there is nothing to end.
        if (!isLibvirtError(error, VIR_ERR.NO_DOMAIN, VIR_ERR.OPERATION_INVALID)) throw error
      }
    })
  }

  async #copy(
    what: string,
    uuid: VmUuid,
    request: MigrationRequest,
    call: { readonly isCalledOff: boolean },
  ): Promise<void> {
    const { links, settings } = this.#options
    // A password of the display would be missing in the copy without SECURE.
    const xml = await this.#follow(`XML of domain ${uuid} for its copy`, uuid, (domain) =>
      domain.xml(XML.MIGRATABLE | XML.SECURE),
    )
    const { uri, params, flags } = migrationCall(request, arrivingDefinition(xml, request.migrationId), settings)
    await this.#allowPause(uuid, pauseLimitMs(request.maxDowntimeMs, 0))
    if (call.isCalledOff) throw new PvcError('PVC_HYPERVISOR_FAILED', `${what} was called off before it began`)
    const over = new AbortController()
    const allowing = this.#allowLonger(uuid, request.maxDowntimeMs, over.signal)
    try {
      await links.copy.run((connection) => connection.domain(uuid).migrate(uri, params, flags))
    } catch (error) {
      throw toHypervisorError(what, error)
    } finally {
      over.abort()
      await allowing
    }
  }

  /**
   * A guest that changes little is stopped for much less than is allowed: QEMU stops it as soon as what is left would take
   * the limit. One that changes too much for that gets more, up to the limit, once all of its memory was copied once.
   */
  async #allowLonger(uuid: VmUuid, maxMs: number, over: AbortSignal): Promise<void> {
    for (let step = 1; pauseLimitMs(maxMs, step - 1) < maxMs; ) {
      await sleep(this.#options.clock, LONGER_AFTER_MS, over)
      if (over.aborted) return
      try {
        const look = (domain: LibvirtDomain) => domain.jobStats()
        const job = await this.#follow(`passes of the copy of domain ${uuid}`, uuid, look, PROGRESS_TIMEOUT_MS)
        if (numberOf(job.values, 'memory_iteration') < 2) continue
        await this.#allowPause(uuid, pauseLimitMs(maxMs, step))
        step += 1
      } catch (error) {
        // QEMU has begun to switch, or libvirt is busy: the copy's own call says how it ends, and until then this is tried again.
        if (!(error instanceof PvcError)) throw error
      }
    }
  }

  #allowPause(uuid: VmUuid, pauseMs: number): Promise<void> {
    return this.#follow(`longest pause of domain ${uuid}`, uuid, (domain) => domain.migrateSetMaxDowntime(pauseMs))
  }

  #follow<T>(
    what: string,
    uuid: VmUuid,
    ask: (domain: LibvirtDomain) => Promise<T>,
    timeoutMs = this.#options.callTimeoutMs,
  ): Promise<T> {
    const { gate, links } = this.#options
    return gate.run(what, timeoutMs, () => links.follow.run((connection) => ask(connection.domain(uuid))))
  }
}

/** How long a copy may stop its guest at its `step`th try, in ms: a tenth of the limit first, then twice as long each time. */
export function pauseLimitMs(maxMs: number, step: number): number {
  return Math.min(maxMs, Math.ceil(maxMs * FIRST_PAUSE) * 2 ** step)
}

/** A request in libvirt's words. The copy stays paused and transient; libvirt ends it when the source has an I/O error. */
export function migrationCall(
  request: MigrationRequest,
  destinationXml: string,
  settings: MigrationSettings,
): MigrationCall {
  const { policy, targetAddress } = request
  const host = targetAddress.includes(':') ? `[${targetAddress}]` : targetAddress
  const parallel = policy.parallel ?? settings.parallel
  const flags = [
    MIGRATE.LIVE | MIGRATE.PEER2PEER | MIGRATE.PAUSED | MIGRATE.ABORT_ON_ERROR,
    (policy.autoConverge ?? settings.autoConverge) && MIGRATE.AUTO_CONVERGE,
    parallel > 1 && MIGRATE.PARALLEL,
  ]
  return {
    uri: `${settings.scheme}://${host}/system`,
    params: {
      migrateUri: `tcp://${host}`,
      listenAddress: targetAddress,
      destinationXml,
      bandwidthMiBps: policy.bandwidthMiBps ?? settings.bandwidthMiBps,
      parallelConnections: parallel > 1 ? parallel : undefined,
    },
    flags: flags.reduce((sum: number, flag) => sum | Number(flag), 0),
  }
}

/** libvirt's figures of a running job; undefined when it is not a copy that leaves, or none runs. */
export function toMigrationProgress({ type, values }: JobStats): MigrationProgress | undefined {
  if (type !== 'bounded' && type !== 'unbounded') return undefined
  const value = (field: string) => numberOf(values, field)
  if (value('operation') !== MIGRATION_OUT) return undefined
  const [totalMiB, remainingMiB] = [value('memory_total') / MIB, value('memory_remaining') / MIB]
  const dirtyMiBps = (value('memory_dirty_rate') * value('memory_page_size')) / MIB
  const speedMiBps = value('memory_bps') / MIB
  const gainMiBps = speedMiBps - dirtyMiBps
  return {
    percent: totalMiB > 0 ? Math.floor((100 * (totalMiB - remainingMiB)) / totalMiB) : 0,
    remainingMiB: Math.ceil(remainingMiB),
    totalMiB: Math.ceil(totalMiB),
    dirtyMiBps: Math.round(dirtyMiBps),
    speedMiBps: Math.round(speedMiBps),
    expectedS: gainMiBps > 0 ? Math.ceil(remainingMiB / gainMiBps) : null,
  }
}

function numberOf(values: StatValues, field: string): number {
  const value = values[field]
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0
}
