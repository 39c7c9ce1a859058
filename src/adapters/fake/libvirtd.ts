import type { Clock } from '../../base/clock.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { DomainInfo, DomainMark, HypervisorEvent } from '../../ports/hypervisor.ts'
import type { FakeWriteResult } from './ceph-image.ts'
import { FakeConsoles } from './consoles.ts'
import { domainName, type FakeDomain, type FakeGuest, failed } from './domain.ts'
import type { FakeMigrationNetwork } from './migration.ts'
import { FakeQemu, type FakeQemuOptions } from './qemu.ts'

export type FakeLibvirtdOptions = FakeQemuOptions & {
  readonly clock: Clock
  /** Given: the start hook; it reads this VM's permit and refuses a start whose mark differs. */
  readonly permitOf?: (uuid: VmUuid) => DomainMark | undefined
  /** Given: the start hook; it refuses a copy whose migration is not the one expected. */
  readonly incomingOf?: (uuid: VmUuid) => string | undefined
  /** Given: guests can be copied from and to this machine, which has this address there. */
  readonly network?: { readonly migrations: FakeMigrationNetwork; readonly address: string }
}

/**
 * libvirtd and the guests of one fake machine. It outlives the daemons that connect to it. Domains are transient unless
 * `define` made them persistent; events come in the order measured with libvirt 9.0 and QEMU 7.2.
 */
export class FakeLibvirtd {
  readonly clock: Clock
  readonly domains = new Map<VmUuid, FakeDomain>()
  readonly consoles = new FakeConsoles()
  /** Time QEMU needs between the hook and running, e.g. while Ceph stalls; the domain is listed as paused meanwhile. */
  startStallMs = 0
  isUp = true
  /** Why this host cannot offer the processor of any guest; undefined: it can. */
  cpuProblem: string | undefined
  /** Counts ends of libvirtd: calls of an earlier life have no effect. */
  life = 1
  readonly #options: FakeLibvirtdOptions
  readonly #qemu: FakeQemu
  readonly #guests = new Map<VmUuid, FakeGuest>()
  readonly #listeners = new Set<(event: HypervisorEvent) => void>()

  constructor(options: FakeLibvirtdOptions) {
    this.#options = options
    this.clock = options.clock
    this.#qemu = new FakeQemu(options)
    options.network?.migrations.join(options.network.address, this)
  }

  get migrations(): FakeMigrationNetwork | undefined {
    return this.#options.network?.migrations
  }

  listen(listener: (event: HypervisorEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The behaviour of a VM's guest, to be changed in place. */
  guest(uuid: VmUuid): FakeGuest {
    let guest = this.#guests.get(uuid)
    if (!guest) {
      guest = { acpi: 'obeys', shutdownMs: 300 }
      this.#guests.set(uuid, guest)
    }
    return guest
  }

  /** Runs the hook and takes a domain into the list, as paused (starting-up). @throws as libvirt would */
  beginStart(uuid: VmUuid, xml: string, mark: DomainMark | undefined): FakeDomain {
    const existing = this.domains.get(uuid)
    if (existing && (existing.state !== 'shutoff' || !existing.isPersistent))
      throw failed(`Requested operation is not valid: domain '${existing.name}' is already active`)
    const permit = this.#options.permitOf?.(uuid)
    if (this.#options.permitOf && (permit?.life !== mark?.life || permit?.seq !== mark?.seq))
      throw failed('Hook script execution failed: unexpected exit status 1: no permit')
    const isPersistent = existing?.isPersistent ?? false
    const name = domainName(xml)
    const domain: FakeDomain = {
      uuid,
      name,
      xml,
      mark,
      migrationId: undefined,
      isPersistent,
      state: 'paused',
      reason: 'starting-up',
      run: undefined,
      migration: undefined,
    }
    this.domains.set(uuid, domain)
    return domain
  }

  /** QEMU is up and its CPUs run. @throws when a disk cannot be opened, or the domain was destroyed meanwhile */
  finishStart(domain: FakeDomain): void {
    if (this.domains.get(domain.uuid) !== domain) throw failed(START_ENDED)
    const missing = this.#qemu.missingVolume(domain)
    if (missing !== undefined) {
      this.#leave(domain, 'failed')
      throw failed(`error opening image ${missing}: No such file or directory`)
    }
    this.#launch(domain)
    domain.state = 'running'
    domain.reason = 'booted'
    this.emit(domain.uuid, 'resumed', 'unpaused')
    this.emit(domain.uuid, 'started', 'booted')
    this.#qemu.writeWhenPossible(domain)
  }

  /** The guest writes to each of its disks once. */
  guestWrite(uuid: VmUuid): readonly FakeWriteResult[] {
    const domain = this.domains.get(uuid)
    return domain ? this.#qemu.write(domain) : []
  }

  /** The guest ended by itself or by the power button. */
  powerOff(uuid: VmUuid): void {
    this.#end(uuid, 'guest', 'shutdown')
  }

  /** QEMU dies by a signal nobody of us sent (a crash). */
  crash(uuid: VmUuid): void {
    const pid = this.domains.get(uuid)?.run?.pid
    if (pid !== undefined) this.#options.processes.kill(pid)
  }

  /**
   * `virsh destroy`: SIGTERM, so locks and watches are given back. A domain that is still starting is ended without an
   * event, and its create fails. @returns false when there is no domain
   */
  destroy(uuid: VmUuid): boolean {
    const domain = this.domains.get(uuid)
    if (domain?.reason !== 'starting-up') return this.#end(uuid, 'host', 'destroyed')
    this.domains.delete(uuid)
    domain.onStartEnded?.(failed(START_ENDED))
    domain.migration?.domainEnded(domain)
    if (domain.isPersistent) this.define(uuid, domain.xml)
    return true
  }

  /** A persistent definition that runs nothing, as an operator or an older tool leaves it. */
  define(uuid: VmUuid, xml: string): void {
    const name = domainName(xml)
    const off = { state: 'shutoff', reason: 'unknown', run: undefined, migration: undefined } as const
    this.domains.set(uuid, { uuid, name, xml, mark: undefined, migrationId: undefined, isPersistent: true, ...off })
    this.emit(uuid, 'defined', 'added')
  }

  undefine(uuid: VmUuid): void {
    const domain = this.domains.get(uuid)
    if (!domain?.isPersistent) return
    domain.isPersistent = false
    if (!domain.run) this.domains.delete(uuid)
    this.emit(uuid, 'undefined', 'removed')
  }

  setPaused(uuid: VmUuid, state: 'paused' | 'running', reason: string): void {
    const domain = this.domains.get(uuid)
    if (!domain?.run) throw failed('Requested operation is not valid: domain is not running')
    if (domain.migration) throw failed('Timed out during operation: cannot acquire state change lock')
    domain.state = state
    domain.reason = reason
    this.emit(uuid, state === 'paused' ? 'suspended' : 'resumed', state === 'paused' ? 'paused' : 'unpaused')
    if (state === 'running') this.#qemu.writeWhenPossible(domain)
  }

  /** Runs the hook for a copy that is to arrive, and takes it into the list. @throws as libvirt would */
  beginArrival(source: FakeDomain, migrationId: string): FakeDomain {
    const { uuid, xml } = source
    const existing = this.domains.get(uuid)
    if (existing && existing.state !== 'shutoff')
      throw failed(`Requested operation is not valid: domain '${existing.name}' is already active`)
    if (this.#options.incomingOf && this.#options.incomingOf(uuid) !== migrationId)
      throw failed('Hook script execution failed: unexpected exit status 1: no permit')
    const isPersistent = existing?.isPersistent ?? false
    const start = { state: 'paused', reason: 'starting-up', run: undefined, migration: undefined } as const
    const copy = { uuid, name: source.name, xml, mark: undefined, migrationId, isPersistent, ...start }
    this.domains.set(uuid, copy)
    return copy
  }

  /** QEMU of a copy waits for it; it has its disks open but does not write. */
  openArrival(copy: FakeDomain): void {
    this.#launch(copy)
    copy.reason = 'migration'
    this.emit(copy.uuid, 'started', 'migrated')
  }

  /** The copy is complete and stays paused. */
  completeArrival(copy: FakeDomain): void {
    copy.reason = 'user'
    this.emit(copy.uuid, 'suspended', 'paused')
  }

  /** The copy will never be complete. */
  dropArrival(copy: FakeDomain, reason: 'failed' | 'destroyed'): void {
    this.#qemu.end(copy)
    if (reason === 'destroyed') this.emit(copy.uuid, 'shutdown', 'host')
    this.#leave(copy, reason)
  }

  pauseForMigration(domain: FakeDomain): void {
    // QEMU gives the lock back before the other side may take it.
    this.#qemu.unlock(domain)
    domain.state = 'paused'
    domain.reason = 'migration'
    this.emit(domain.uuid, 'suspended', 'migrated')
  }

  resumeFromMigration(domain: FakeDomain, reason: 'migration-canceled' | 'unpaused'): void {
    domain.state = 'running'
    domain.reason = reason
    this.emit(domain.uuid, 'resumed', reason === 'unpaused' ? 'unpaused' : 'migrated')
    this.#qemu.writeWhenPossible(domain)
  }

  /** The copy runs, or will run, elsewhere: libvirt ends the source. */
  endMigrated(domain: FakeDomain): void {
    this.#qemu.end(domain)
    this.#leave(domain, 'migrated')
    this.emit(domain.uuid, 'job-completed', '')
  }

  /** libvirt loses track of a guest whose QEMU lives on. */
  forget(uuid: VmUuid): void {
    const domain = this.domains.get(uuid)
    this.domains.delete(uuid)
    if (domain) domain.migration?.forgotten(domain)
  }

  /** kill -9 of libvirtd: guests live on, calls in flight have no effect unless QEMU was already up. */
  stop(): void {
    this.isUp = false
    this.life += 1
    for (const domain of [...this.domains.values()])
      if (domain.migration) domain.migration.libvirtdDied(this)
      else if (domain.reason === 'starting-up') this.domains.delete(domain.uuid)
    this.#tell({ kind: 'connection', connected: false })
  }

  /** libvirtd is back: it finds running guests again; those that died meanwhile are gone. */
  start(): void {
    this.isUp = true
    this.#tell({ kind: 'connection', connected: true })
  }

  info(domain: FakeDomain): DomainInfo {
    const { uuid, name, state, reason, mark, migrationId } = domain
    return { uuid, name, state, reason, mark, migrationId }
  }

  emit(uuid: VmUuid, event: string, detail: string): void {
    if (this.isUp) this.#tell({ kind: 'domain', uuid, event, detail })
  }

  #tell(event: HypervisorEvent): void {
    for (const listener of [...this.#listeners]) queueMicrotask(() => listener(event))
  }

  #launch(domain: FakeDomain): void {
    const isOurs = () => this.domains.get(domain.uuid) === domain
    this.#options.processes.ends.delete(domain.name)
    this.#qemu.launch(domain, {
      onKilled: () => isOurs() && this.#leave(domain, 'crashed'),
      onTerminated: () => {
        if (!isOurs()) return
        this.emit(domain.uuid, 'shutdown', 'host')
        this.#leave(domain, 'shutdown')
      },
    })
  }

  #end(uuid: VmUuid, by: 'guest' | 'host', reason: string): boolean {
    const domain = this.domains.get(uuid)
    if (!domain?.run) return false
    this.#qemu.end(domain)
    this.emit(uuid, 'shutdown', by)
    this.#leave(domain, reason)
    return true
  }

  #leave(domain: FakeDomain, reason: string): void {
    const wasRunning = domain.run !== undefined
    const { migration } = domain
    domain.migration = undefined
    domain.run = undefined
    this.consoles.end(domain.uuid)
    domain.state = 'shutoff'
    domain.reason = reason
    if (!domain.isPersistent) this.domains.delete(domain.uuid)
    if (wasRunning) this.#options.processes.ends.set(domain.name, { reason, atWallMs: this.clock.wallMs() })
    if (wasRunning) this.emit(domain.uuid, 'stopped', reason === 'crashed' ? 'failed' : reason)
    migration?.domainEnded(domain)
  }
}

const START_ENDED = 'process exited while connecting to monitor'
