/** The cluster of a scenario: what a script can do to it, and what an onlooker sees of it. */
import { FakeCeph } from '../../src/adapters/fake/ceph.ts'
import { ManualClock } from '../../src/adapters/fake/clock.ts'
import { FakeMigrationNetwork } from '../../src/adapters/fake/migration.ts'
import { FakePeerWorld } from '../../src/adapters/fake/peer.ts'
import { FakeEnsemble } from '../../src/adapters/fake/store.ts'
import { emptyVmStatus, isVmSpec, type VmSpec, VmSpec as VmSpecSchema } from '../../src/model/domain.ts'
import { LifeId, NodeName, VmUuid } from '../../src/model/ids.ts'
import { wholeAddress } from '../../src/model/storage-address.ts'
import type { ServerState } from '../../src/ports/peer.ts'
import type { StoreSession } from '../../src/ports/store.ts'
import type { Key } from '../../src/schema/key.ts'
import { TREE_DIRS, tree } from '../../src/schema/tree.ts'
import { observeFencing } from './fencing-view.ts'
import { Machine } from './machine.ts'
import { Fencing } from './primary.ts'

/** A VM that differs from the others. */
export type ClusterVm = {
  readonly name: string
  readonly memoryMiB?: number
  /** False: it has no disk. A path: a disk of the node it is on. Default: the volume `vms/NAME`. */
  readonly disk?: string | false
  readonly meta?: Partial<VmSpec['meta']>
}

/** cluster.json of a scenario. */
export type Cluster = {
  readonly nodes: readonly string[]
  readonly vms?: readonly (string | ClusterVm)[]
  /** True: the coordinators choose a primary that fences. Default: the script writes what a primary would. */
  readonly primary?: boolean
  /** Sections of pvc.yaml that differ from the defaults. */
  readonly config?: Readonly<Record<string, unknown>>
}

/** A machine that is switched on runs pvcnoded after this time. */
const BOOT_MS = 5000

export class World {
  readonly clock = new ManualClock()
  readonly ensemble = new FakeEnsemble({ clock: this.clock })
  readonly ceph = new FakeCeph({ clock: this.clock })
  readonly migrations = new FakeMigrationNetwork()
  readonly peers = new FakePeerWorld()
  readonly machines = new Map<string, Machine>()
  readonly vms: readonly string[]
  /** Nodes whose addresses a script put into the blocklist. */
  readonly shutOut = new Set<string>()
  /** What every ZooKeeper server says of itself. */
  readonly zooKeeper: { state: ServerState } = { state: 'serving' }
  /** Undefined: nobody is primary. */
  readonly fencing: Fencing | undefined
  /** The last look at ZooKeeper: nobody can look into it without a quorum. */
  #seen: ReadonlyMap<string, string> = new Map()
  readonly #operator = this.ensemble.connect()

  private constructor(cluster: Cluster) {
    const { clock, ensemble, ceph, migrations, peers, zooKeeper } = this
    const coordinators = cluster.nodes.slice(0, cluster.nodes.length - ((cluster.nodes.length + 1) % 2))
    this.fencing = cluster.primary === true ? new Fencing(clock, ceph) : undefined
    const { fencing } = this
    const { config = {} } = cluster
    const shared = { clock, ensemble, ceph, migrations, peers, zooKeeper, coordinators, fencing, config }
    cluster.nodes.forEach((name, index) => {
      const machine = new Machine(name, index, shared)
      this.machines.set(name, machine)
      fencing?.osds.addOsd(index + 1, machine.config.node.storageAddresses[0] ?? '')
    })
    if (fencing !== undefined) fencing.power.onSwitch = (name, isOn) => this.#switch(this.machine(name), isOn)
    this.vms = (cluster.vms ?? []).map((vm) => (typeof vm === 'string' ? vm : vm.name))
  }

  /** A cluster whose machines are up and whose daemons are not; each VM is defined off, at the first node. */
  static async create(cluster: Cluster): Promise<World> {
    const world = new World(cluster)
    const session = await world.session()
    await session.ensure(TREE_DIRS)
    for (const vm of cluster.vms ?? []) {
      const own = typeof vm === 'string' ? { name: vm } : vm
      if (own.disk === undefined) world.ceph.addVolume(`vms/${own.name}`)
      const keys = tree.vm(world.uuid(own.name))
      await session.create(keys.spec, world.#firstSpec(own, cluster.nodes[0] ?? ''))
      await session.create(keys.status, emptyVmStatus(0, world.clock.wallMs()))
    }
    return world
  }

  #switch(machine: Machine, isOn: boolean): void {
    if (!isOn) {
      machine.powerCut()
      return
    }
    this.clock.setTimer(BOOT_MS, () => {
      if (!machine.isUp) void machine.start()
    })
  }

  session(): Promise<StoreSession> {
    return this.#operator.connected(1000)
  }

  machine(name: string): Machine {
    const machine = this.machines.get(name)
    if (!machine) throw new Error(`no node ${name}`)
    return machine
  }

  uuid(vm: string): VmUuid {
    const number = this.vms.indexOf(vm) + 1
    if (number === 0) throw new Error(`no VM ${vm}`)
    return VmUuid.parse(`aaaaaaaa-0000-4000-8000-${String(number).padStart(12, '0')}`)
  }

  /** Changes a document as somebody with the right to would. */
  async edit<T>(key: Key<T>, change: (value: T) => T): Promise<void> {
    const session = await this.session()
    const before = await session.get(key)
    if (before === undefined) throw new Error(`${key.path} does not exist`)
    await session.set(key, change(before.value), before.version)
  }

  /** A wish of the operator, as the API writes it. */
  async wish(vm: string, change: (spec: VmSpec) => Partial<VmSpec>): Promise<void> {
    await this.edit(tree.vm(this.uuid(vm)).spec, (spec) => {
      if (!isVmSpec(spec)) throw new Error(`VM ${vm} is deleted`)
      return { ...spec, ...change(spec), generation: spec.generation + 1 }
    })
  }

  /** Everything an onlooker would notice, by subject; a subject that changes is a line of the log. */
  async observe(): Promise<ReadonlyMap<string, string>> {
    if (this.zooKeeper.state === 'not-serving') {
      const seen = new Map(this.#seen)
      for (const vm of this.vms) this.#observeGuest(vm, seen)
      return seen
    }
    const session = await this.session()
    const seen = new Map<string, string>()
    for (const name of this.machines.keys()) {
      const keys = tree.node(NodeName.parse(name))
      const alive = await session.get(keys.alive)
      seen.set(`node ${name}`, alive ? `alive ${alive.value.life}` : 'not alive')
      const status = (await session.get(keys.status))?.value
      if (!status) continue
      const faults = status.faults.map((fault) => fault.id).sort()
      const certified = status.certified ? 'certified' : 'not certified'
      const ack = status.ack === 0 ? '' : `, acknowledged ${status.ack}`
      seen.set(
        `status ${name}`,
        `${status.daemon}, ${certified}, runs ${status.domainsCount}, faults [${faults.join(' ')}]${ack}`,
      )
      if (this.machine(name).reboots > 0) seen.set(`reboots ${name}`, String(this.machine(name).reboots))
      if (this.shutOut.has(name)) seen.set(`ceph ${name}`, this.#isShutOut(name) ? 'shut out' : 'let in')
      await this.#observeFlush(NodeName.parse(name), status.domainState, session, seen)
    }
    if (this.fencing !== undefined) await observeFencing(this.machines, this.fencing, session, seen)
    for (const vm of this.vms) {
      await this.#observeRecord(vm, session, seen)
      this.#observeGuest(vm, seen)
    }
    this.#seen = seen
    return seen
  }

  #isShutOut(name: string): boolean {
    const { storageAddresses } = this.machine(name).config.node
    return storageAddresses.some((address) => this.ceph.isBlocklisted(wholeAddress(address)))
  }

  /** Only of nodes that were ever asked for it. */
  async #observeFlush(
    node: NodeName,
    domainState: string,
    session: StoreSession,
    seen: Map<string, string>,
  ): Promise<void> {
    const run = (await session.get(tree.node(node).flush))?.value
    if (!run) return
    seen.set(`domain state ${node}`, domainState)
    const waits = run.waitsFor === null ? '' : `, waits for ${run.waitsFor}`
    const problem = run.problem === '' ? '' : `, ${run.problem}`
    seen.set(`plan ${node}`, `${run.kind} ${run.wish}${waits}${problem}${run.endedAt === null ? '' : ', over'}`)
    for (const { name, target, method, state, reason } of run.steps) {
      const where = target === null ? '' : ` to ${target}`
      seen.set(`plan ${node} ${name}`, `${method}${where}, ${state}${reason === '' ? '' : `, ${reason}`}`)
    }
  }

  async #observeRecord(vm: string, session: StoreSession, seen: Map<string, string>): Promise<void> {
    const uuid = this.uuid(vm)
    const status = (await session.get(tree.vm(uuid).status))?.value
    if (status) {
      const holder = status.run === null ? 'nobody' : `${status.run.node} (${status.run.life})`
      const reason = status.failedReason === '' ? '' : `, because: ${status.failedReason}`
      seen.set(`record ${vm}`, `seq ${status.seq} held by ${holder}, ${status.phase}${reason}`)
    }
  }

  #observeGuest(vm: string, seen: Map<string, string>): void {
    const uuid = this.uuid(vm)
    const runs: string[] = []
    for (const machine of this.machines.values()) {
      const domain = machine.libvirtd.domains.get(uuid)
      // A guest that is being copied stands still at one of the two ends at least.
      const isCopy = domain?.state === 'paused' && domain.reason !== 'ioerror'
      if (domain?.run && !isCopy) runs.push(`${machine.name} (pid ${domain.run.pid})`)
    }
    // Invariant I1: whatever a script does, no line of a log may ever show two.
    if (runs.length > 1) throw new Error(`VM ${vm} runs twice: ${runs.join(', ')}`)
    seen.set(`guest ${vm}`, runs[0] === undefined ? 'does not run' : `runs on ${runs[0]}`)
  }

  #firstSpec({ name, memoryMiB = 1024, disk, meta }: ClusterVm, node: string): VmSpec {
    const uuid = this.uuid(name)
    const volume = disk === undefined ? `<disk type='network'><source protocol='rbd' name='vms/${name}'/></disk>` : ''
    const local = typeof disk === 'string' ? `<disk type='file'><source file='${disk}'/></disk>` : ''
    const devices = `<devices>${volume}${local}</devices>`
    const xml = `<domain type='kvm'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>${memoryMiB}</memory><vcpu>1</vcpu>${devices}</domain>`
    return VmSpecSchema.parse({
      uuid,
      name,
      generation: 1,
      power: 'off',
      wishes: { start: 0, restart: 0, stopNow: 0 },
      node,
      lastNode: null,
      hold: null,
      xml,
      description: '',
      memoryMiB,
      vcpus: 1,
      rbdList: disk === undefined ? [`vms/${name}`] : [],
      meta: {
        nodeLimit: [],
        selector: 'none',
        autostart: false,
        migrationMethod: 'none',
        migrationMaxDowntimeMs: 300,
        profile: '',
        startPriority: 50,
        antiAffinityGroup: '',
        ...meta,
      },
      tags: [],
    })
  }
}

/** A life by the name scripts use: `hv1-life-1`. */
export function lifeOf(text: string): LifeId {
  return LifeId.parse(text)
}
