import { type BootId, BootId as BootIdSchema, type LifeId, type VmUuid } from '../../model/ids.ts'
import type { HostSample, NodeFiles } from '../../ports/files.ts'
import type { DomainMark } from '../../ports/hypervisor.ts'
import { FakeProcesses } from './processes.ts'

/** The files of a fake machine in memory; several daemons in turn may use the same object (a daemon restart). */
export class FakeFiles implements NodeFiles {
  readonly processes: FakeProcesses
  /** What {@link hostSample} answers. */
  sample: HostSample = { load1: 0.1, memoryUsedMiB: 1024, memoryFreeMiB: 7168 }
  #boot = 1
  #life: { readonly bootId: BootId; readonly life: LifeId } | undefined
  readonly #permits = new Map<VmUuid, DomainMark>()
  #seqs: ReadonlyMap<VmUuid, number> = new Map()

  constructor(processes: FakeProcesses = new FakeProcesses()) {
    this.processes = processes
  }

  /** Power cut and boot: every process is gone, /run is empty, the boot id is new, the disk is kept. */
  reboot(): void {
    for (const process of this.processes.list()) this.processes.kill(process.pid)
    this.#boot += 1
    this.#life = undefined
    this.#permits.clear()
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
  async qemuProcesses(): Promise<ReadonlyMap<VmUuid, number>> {
    const found = new Map<VmUuid, number>()
    for (const process of this.processes.list()) if (process.uuid) found.set(process.uuid, process.pid)
    return found
  }
  async killQemu(uuid: VmUuid, pid: number): Promise<void> {
    const process = this.processes.list().find((one) => one.pid === pid)
    // A pid may have been given to another process since it was looked up.
    if (process?.uuid === uuid) this.processes.kill(pid)
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
}
