import { FakeCeph } from '../../../../src/adapters/fake/ceph.ts'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { FakeFiles } from '../../../../src/adapters/fake/files.ts'
import { FakeHypervisor } from '../../../../src/adapters/fake/hypervisor.ts'
import { FakeLibvirtd } from '../../../../src/adapters/fake/libvirtd.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakeMigrationNetwork } from '../../../../src/adapters/fake/migration.ts'
import { FakeProcesses } from '../../../../src/adapters/fake/processes.ts'
import { FakeEnsemble, type FakeStore } from '../../../../src/adapters/fake/store.ts'
import { Limiter } from '../../../../src/base/limiter.ts'
import { emptyVmStatus, isVmSpec, type VmArrival, type VmSpec, type VmStatus } from '../../../../src/model/domain.ts'
import { LifeId, NodeName, type VmUuid } from '../../../../src/model/ids.ts'
import { createDomainManager, type VmDirectory } from '../../../../src/node/domain/manager.ts'
import type { Certificate } from '../../../../src/node/domain/ports.ts'
import { createForeignSeqs } from '../../../../src/node/keepalive/foreign-seqs.ts'
import { tree } from '../../../../src/schema/tree.ts'
import { nodeStatus } from '../../../api/cluster.ts'
import { spec as specOf, UUID, VOLUME } from './fixtures.ts'

const XML = `<domain type='qemu'><name>web</name><memory unit='MiB'>1024</memory><uuid>${UUID}</uuid><devices><disk type='network'><source protocol='rbd' name='${VOLUME}'/></disk></devices></domain>`

/** One fake machine with its daemon's domain part. */
export class Machine {
  readonly name: NodeName
  readonly processes = new FakeProcesses()
  readonly files: FakeFiles
  readonly libvirtd: FakeLibvirtd
  readonly faults = new Map<string, string>()
  readonly address: string
  life: LifeId
  store: FakeStore
  hypervisor: FakeHypervisor
  /** Set false to take the certificate away, as a lost session or an open journal would. */
  isCertified = true
  readonly #world: World
  readonly #seqs = new Map<VmUuid, number>()
  #manager: ReturnType<typeof createDomainManager> | undefined

  constructor(world: World, name: string, address: string) {
    this.#world = world
    this.name = NodeName.parse(name)
    this.address = address
    this.life = LifeId.parse(`${name}-life-1`)
    this.files = new FakeFiles(this.processes)
    this.libvirtd = new FakeLibvirtd({
      clock: world.clock,
      processes: this.processes,
      ceph: world.ceph,
      address,
      permitOf: (uuid) => this.files.permitOf(uuid),
      incomingOf: (uuid) => this.files.incomingOf(uuid),
      network: { migrations: world.migrations, address },
    })
    this.store = world.ensemble.connect()
    this.hypervisor = new FakeHypervisor({ libvirtd: this.libvirtd })
  }

  /** What membership and heartbeat would have published. */
  async publish(): Promise<void> {
    const session = await this.store.connected(1000)
    const keys = tree.node(this.name)
    await session.ensure(['/nodes', keys.spec.path])
    const status = nodeStatus(this.name, { life: this.life, clusterAddr: this.address })
    const before = await session.get(keys.status)
    if (before) await session.set(keys.status, status, before.version)
    else await session.create(keys.status, status)
    const alive = await session.get(keys.alive)
    if (alive) await session.set(keys.alive, { ...alive.value, life: this.life }, alive.version)
    else await session.create(keys.alive, { life: this.life }, 'ephemeral')
  }

  certificate(): Certificate | undefined {
    const session = this.store.session.value
    return this.isCertified && session?.state.value === 'connected' ? { session, life: this.life } : undefined
  }

  startDaemon(): void {
    const { clock, ceph, log } = this.#world
    this.#manager = createDomainManager(
      {
        self: this.name,
        certificate: () => this.certificate(),
        hypervisor: this.hypervisor,
        ceph,
        files: this.files,
        clock,
        log: log.child({ component: 'node', node: this.name }),
        faults: {
          set: (id, _severity, message) => void this.faults.set(id, message),
          clear: (id) => void this.faults.delete(id),
        },
        seqs: {
          check: (uuid, seq) => {
            const highest = this.#seqs.get(uuid) ?? 0
            if (seq > highest) this.#seqs.set(uuid, seq)
            return seq >= highest
          },
        },
        foreignSeqs: createForeignSeqs(this.name, clock, log),
        blocklist: {
          recent: async () => ({ kind: this.#world.ceph.isBlocklisted(`${this.address}:0/0`) ? 'listed' : 'clear' }),
        },
        peers: { wake: async (node, vm, arrival) => this.#world.tell(node, vm, arrival) },
        starts: new Limiter(4),
        storageAddresses: [this.address],
        shutdownTimeoutMs: 60_000,
        createTimeoutMs: 30_000,
      },
      this.#world.directory(),
    )
    this.#manager.start()
  }

  /** kill -9 of the daemon: nothing is waited for, libvirt goes on with what it was asked. */
  killDaemon(): void {
    this.isCertified = false
    void this.#manager?.stop()
    this.#manager = undefined
    void this.hypervisor.close()
  }

  /** A new daemon process of the same boot. */
  restartDaemon(): void {
    this.hypervisor = new FakeHypervisor({ libvirtd: this.libvirtd })
    this.isCertified = true
    this.startDaemon()
  }

  async stopDaemon(): Promise<void> {
    await this.#manager?.stop()
    this.#manager = undefined
  }

  /** Power cut and boot with a new life. */
  reboot(): void {
    this.killDaemon()
    this.files.reboot()
    for (const uuid of [...this.libvirtd.domains.keys()]) this.libvirtd.forget(uuid)
    this.life = LifeId.parse(`${this.life}x`)
    this.restartDaemon()
  }

  wake(uuid: VmUuid, arrival: VmArrival): void {
    this.#manager?.wake(uuid, arrival)
  }

  triggerAll(): void {
    this.#manager?.triggerAll()
  }
}

/** Two machines, one Ceph, one ZooKeeper and one VM, on a clock that the test moves. */
export class World {
  readonly clock = new ManualClock()
  readonly log = new FakeLog()
  readonly ensemble = new FakeEnsemble({ clock: this.clock })
  readonly ceph = new FakeCeph({ clock: this.clock })
  readonly migrations = new FakeMigrationNetwork()
  readonly admin: FakeStore
  readonly hv1: Machine
  readonly hv2: Machine
  /** Set true to let no direct word of a node reach another. */
  arePeersSilent = false
  readonly #listeners = new Set<(uuid: VmUuid | undefined) => void>()
  #spec: VmSpec = specOf({ power: 'off', xml: XML, generation: 1, wishes: { start: 0, restart: 0, stopNow: 0 } })

  private constructor() {
    this.admin = this.ensemble.connect()
    this.hv1 = new Machine(this, 'hv1', '10.90.1.11')
    this.hv2 = new Machine(this, 'hv2', '10.90.1.12')
  }

  /** A world with the VM defined off at hv1 and both daemons looking. */
  static async create(): Promise<World> {
    const world = new World()
    const session = await world.admin.connected(1000)
    await session.ensure(['/vms'])
    world.ceph.addVolume(VOLUME)
    const keys = tree.vm(UUID)
    await session.create(keys.spec, world.#spec)
    await session.create(keys.status, emptyVmStatus(0, world.clock.wallMs()))
    await world.hv1.publish()
    await world.hv2.publish()
    world.hv1.startDaemon()
    world.hv2.startDaemon()
    await world.clock.advance(100)
    return world
  }

  tell(node: NodeName, uuid: VmUuid, arrival: VmArrival): void {
    if (!this.arePeersSilent) [this.hv1, this.hv2].find(({ name }) => name === node)?.wake(uuid, arrival)
  }

  directory(): VmDirectory {
    const names = (uuid: VmUuid, node: NodeName) =>
      uuid === UUID && (this.#spec.node === node || this.#runNode === node)
    return {
      vmsOf: (node) => (names(UUID, node) ? [UUID] : []),
      concerns: names,
      onChange: (listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
    }
  }

  #runNode: NodeName | undefined

  /** The operator's wish, as the API writes it. */
  async wish(change: (spec: VmSpec) => Partial<VmSpec>): Promise<void> {
    const session = await this.admin.connected(1000)
    const key = tree.vm(UUID).spec
    const before = await session.get(key)
    if (!before || !isVmSpec(before.value)) throw new Error('the VM is not defined')
    this.#spec = { ...before.value, ...change(before.value), generation: before.value.generation + 1 }
    await session.set(key, this.#spec, before.version)
    this.#tell()
  }

  turnOn(): Promise<void> {
    return this.wish((spec) => ({ power: 'on', wishes: { ...spec.wishes, start: spec.wishes.start + 1 } }))
  }

  turnOff(): Promise<void> {
    return this.wish(() => ({ power: 'off' }))
  }

  async status(): Promise<VmStatus> {
    const session = await this.admin.connected(1000)
    const status = await session.get(tree.vm(UUID).status)
    if (!status) throw new Error('the VM has no status')
    this.#runNode = status.value.run?.node
    return status.value
  }

  async setStatus(change: Partial<VmStatus>): Promise<void> {
    const session = await this.admin.connected(1000)
    const key = tree.vm(UUID).status
    const before = await session.get(key)
    if (!before) throw new Error('the VM has no status')
    await session.set(key, { ...before.value, ...change }, before.version)
    this.#runNode = (await this.status()).run?.node
    this.#tell()
  }

  /** Moves time in small steps until the status passes `is`, at most `limitMs`. Checks after each step that one domain runs at most. */
  async until(is: (status: VmStatus) => boolean, limitMs = 5000): Promise<VmStatus> {
    for (let passedMs = 0; ; passedMs += 50) {
      const status = await this.status()
      this.#tell()
      this.assertOneDomain()
      if (is(status)) return status
      if (passedMs >= limitMs) throw new Error(`not reached within ${limitMs} ms: ${JSON.stringify(status)}`)
      await this.clock.advance(50)
    }
  }

  running(limitMs?: number): Promise<VmStatus> {
    return this.until((status) => status.phase === 'running', limitMs)
  }

  off(limitMs?: number): Promise<VmStatus> {
    return this.until((status) => status.phase === 'off' && status.run === null, limitMs)
  }

  /** Machines on which the VM's CPUs run. */
  domainsRunning(): number {
    return [this.hv1, this.hv2].filter((machine) => {
      const domain = machine.libvirtd.domains.get(UUID)
      return domain?.run !== undefined && domain.state === 'running'
    }).length
  }

  assertOneDomain(): void {
    if (this.domainsRunning() > 1) throw new Error('two domains of one VM run')
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener(UUID)
  }
}
