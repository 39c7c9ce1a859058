import { type BootId, BootId as BootIdSchema, type LifeId, type VmUuid } from '../../model/ids.ts'
import type { DomainEnd, HostSample, NodeFiles } from '../../ports/files.ts'
import type { DomainMark } from '../../ports/hypervisor.ts'
import { FakeProcesses } from './processes.ts'

/** The files of a fake machine in memory; several daemons in turn may use the same object (a daemon restart). */
export class FakeFiles implements NodeFiles {
  readonly processes: FakeProcesses
  /** What {@link hostSample} answers. */
  sample: HostSample = { load1: 0.1, memoryUsedMiB: 1024, memoryFreeMiB: 7168, bridges: ['br0'], interfaces: [] }
  #boot = 1
  #life: { readonly bootId: BootId; readonly life: LifeId } | undefined
  readonly #permits = new Map<VmUuid, DomainMark>()
  readonly #incoming = new Map<VmUuid, string>()
  /** VMs whose QEMU does not heed SIGTERM. */
  readonly stubborn = new Set<VmUuid>()
  #seqs: ReadonlyMap<VmUuid, number> = new Map()

  constructor(processes: FakeProcesses = new FakeProcesses()) {
    this.processes = processes
  }

  /** Power cut and boot: every process is gone, /run is empty, the boot id is new, the disk is kept. */
  reboot(): void {
    for (const process of this.processes.list()) this.processes.kill(process.pid)
    this.#boot += 1
    this.#life = undefined
    this.removeAllPermits()
  }

  /** What the guard does when it strikes: no start is permitted any more. */
  removeAllPermits(): void {
    this.#permits.clear()
    this.#incoming.clear()
  }

  /** The expected migration as the libvirt hook reads it. */
  incomingOf(uuid: VmUuid): string | undefined {
    return this.#incoming.get(uuid)
  }

  /** The permit as the libvirt hook reads it. */
  permitOf(uuid: VmUuid): DomainMark | undefined {
    return this.#permits.get(uuid)
  }

  async bootId(): Promise<BootId> {
    return BootIdSchema.parse(`boot-${this.#boot}`)
  }
  async readLife(bootId: BootId): Promise<LifeId | undefined> {
    return this.#life?.bootId === bootId ? this.#life.life : undefined
  }
  async writeLife(bootId: BootId, life: LifeId): Promise<void> {
    this.#life = { bootId, life }
  }
  async permits(): Promise<ReadonlyMap<VmUuid, DomainMark>> {
    return new Map(this.#permits)
  }
  async permit(uuid: VmUuid): Promise<DomainMark | undefined> {
    return this.#permits.get(uuid)
  }
  async writePermit(uuid: VmUuid, mark: DomainMark): Promise<void> {
    this.#permits.set(uuid, { ...mark })
  }
  async removePermit(uuid: VmUuid): Promise<void> {
    this.#permits.delete(uuid)
  }
  async incoming(uuid: VmUuid): Promise<string | undefined> {
    return this.#incoming.get(uuid)
  }
  async incomings(): Promise<ReadonlyMap<VmUuid, string>> {
    return new Map(this.#incoming)
  }
  async writeIncoming(uuid: VmUuid, migrationId: string): Promise<void> {
    this.#incoming.set(uuid, migrationId)
  }
  async removeIncoming(uuid: VmUuid): Promise<void> {
    this.#incoming.delete(uuid)
  }
  async endQemu(uuid: VmUuid, pid: number, _graceMs: number): Promise<'ended' | 'killed'> {
    if (!this.#isQemuOf(uuid, pid) || (!this.stubborn.has(uuid) && this.processes.terminate(pid))) return 'ended'
    this.processes.kill(pid)
    return 'killed'
  }
  async qemuProcesses(): Promise<ReadonlyMap<VmUuid, number>> {
    const found = new Map<VmUuid, number>()
    for (const process of this.processes.list()) if (process.uuid) found.set(process.uuid, process.pid)
    return found
  }
  async killQemu(uuid: VmUuid, pid: number): Promise<void> {
    if (this.#isQemuOf(uuid, pid)) this.processes.kill(pid)
  }
  async latestEnd(name: string): Promise<DomainEnd | undefined> {
    return this.processes.ends.get(name)
  }
  async volumeUsers(volume: string): Promise<readonly number[]> {
    return this.processes
      .list()
      .filter((process) => process.volumes.includes(volume))
      .map((process) => process.pid)
  }
  async hostSample(): Promise<HostSample> {
    return this.sample
  }
  async readSeqs(): Promise<ReadonlyMap<VmUuid, number>> {
    return new Map(this.#seqs)
  }
  async writeSeqs(seqs: ReadonlyMap<VmUuid, number>): Promise<void> {
    this.#seqs = new Map(seqs)
  }

  /** A pid may have been given to another process since it was looked up. */
  #isQemuOf(uuid: VmUuid, pid: number): boolean {
    return this.processes.list().some((process) => process.pid === pid && process.uuid === uuid)
  }
}
