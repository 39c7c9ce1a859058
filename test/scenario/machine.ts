/** One fake machine with a real node part of pvcnoded on it. */
import { ClusterKey } from '../../src/adapters/crypto/cluster-key.ts'
import { createPowerVault } from '../../src/adapters/crypto/power-vault.ts'
import type { FakeCeph } from '../../src/adapters/fake/ceph.ts'
import type { ManualClock } from '../../src/adapters/fake/clock.ts'
import { FakeFiles } from '../../src/adapters/fake/files.ts'
import { FakeGuard } from '../../src/adapters/fake/guard.ts'
import { FakeHypervisor, type FakeHypervisorVerb } from '../../src/adapters/fake/hypervisor.ts'
import { FakeLibvirtd } from '../../src/adapters/fake/libvirtd.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import type { FakeMigrationNetwork } from '../../src/adapters/fake/migration.ts'
import type { FakePeerWorld } from '../../src/adapters/fake/peer.ts'
import { FakeProcesses } from '../../src/adapters/fake/processes.ts'
import { FakeOsdMap, FakeStorageFence } from '../../src/adapters/fake/storage-fence.ts'
import type { FakeEnsemble, FakeStore } from '../../src/adapters/fake/store.ts'
import { MutableSignal } from '../../src/base/signal.ts'
import { parseConfig } from '../../src/model/config.ts'
import type { CoordinatorState } from '../../src/model/node.ts'
import type { NodeConfig, NodeDaemon } from '../../src/node/deps.ts'
import { startNode } from '../../src/node/start.ts'
import type { Guard } from '../../src/ports/guard.ts'
import type { ServerState } from '../../src/ports/peer.ts'
import { BMC, type Fencing, type RunningPrimary, startPrimary } from './primary.ts'

const HANGS = { delayMs: 3_600_000 }

/** What all machines of a scenario share. */
export type Surroundings = {
  readonly clock: ManualClock
  readonly ensemble: FakeEnsemble
  readonly ceph: FakeCeph
  readonly migrations: FakeMigrationNetwork
  readonly coordinators: readonly string[]
  readonly peers: FakePeerWorld
  readonly zooKeeper: { readonly state: ServerState }
  /** Undefined: nobody is primary, the script writes what a primary would. */
  readonly fencing: Fencing | undefined
  /** Sections of the configuration that differ from the defaults. */
  readonly config: Readonly<Record<string, unknown>>
}

const clusterKey = new ClusterKey(Buffer.alloc(32, 7))

type Running = {
  readonly daemon: NodeDaemon
  readonly store: FakeStore
  readonly hypervisor: FakeHypervisor
  readonly primary: RunningPrimary | undefined
}

export class Machine {
  readonly name: string
  readonly files: FakeFiles
  readonly libvirtd: FakeLibvirtd
  readonly guard: FakeGuard
  readonly log = new FakeLog()
  readonly config: NodeConfig
  /** What packaging would have to say about the start hook. */
  hookProblem: string | undefined
  /** How often it restarted itself. */
  reboots = 0
  /** Calls of libvirt that hang, for whatever daemon runs or is started in this boot. */
  readonly #hanging = new Set<FakeHypervisorVerb>()
  readonly #surroundings: Surroundings
  #running: Running | undefined
  #uuids = 0
  /** Counts starts and kills: what is left of a killed daemon must not reach the guard any more. */
  #daemons = 0

  constructor(name: string, index: number, surroundings: Surroundings) {
    this.name = name
    this.#surroundings = surroundings
    const processes = new FakeProcesses()
    this.files = new FakeFiles(processes)
    this.guard = new FakeGuard({
      clock: surroundings.clock,
      strike: () => {
        for (const { pid } of processes.list()) processes.kill(pid)
        this.files.removeAllPermits()
        return true
      },
    })
    this.config = configOf(name, index, surroundings)
    this.libvirtd = new FakeLibvirtd({
      clock: surroundings.clock,
      processes,
      ceph: surroundings.ceph,
      address: this.config.node.storageAddresses[0] ?? '',
      permitOf: (uuid) => this.files.permitOf(uuid),
      incomingOf: (uuid) => this.files.incomingOf(uuid),
      network: { migrations: surroundings.migrations, address: this.config.node.clusterAddress },
    })
  }

  #guardOf(daemon: number): Guard {
    return {
      order: (order) => (daemon === this.#daemons ? this.guard.order(order) : undefined),
      report: () => this.guard.report(),
    }
  }

  get hypervisor(): FakeHypervisor {
    return this.#up().hypervisor
  }

  get store(): FakeStore {
    return this.#up().store
  }

  get isUp(): boolean {
    return this.#running !== undefined
  }

  /** Its coordinator part, where scenarios have one. */
  get primary(): RunningPrimary | undefined {
    return this.#running?.primary
  }

  hang(verb: FakeHypervisorVerb, isHanging: boolean): void {
    if (isHanging) this.#hanging.add(verb)
    else this.#hanging.delete(verb)
    this.#running?.hypervisor.script.always(verb, isHanging ? HANGS : undefined)
  }

  async start(): Promise<void> {
    const { clock, ensemble, ceph, peers, zooKeeper, coordinators, fencing } = this.#surroundings
    const state = new MutableSignal<CoordinatorState>('secondary')
    const vault = createPowerVault(clusterKey, this.config.node.name)
    const localServer = coordinators.includes(this.name) ? { state: async () => zooKeeper.state } : undefined
    peers.power(this.name, true)
    const store = ensemble.connect()
    const hypervisor = new FakeHypervisor({ libvirtd: this.libvirtd })
    for (const verb of this.#hanging) hypervisor.script.always(verb, HANGS)
    const daemon = await startNode({
      config: this.config,
      identity: { pvc: '2.0.0', kernel: '6.1.0', os: 'Debian', arch: 'x86_64' },
      store,
      hypervisor,
      ceph,
      storageFence: new FakeStorageFence(new FakeOsdMap(ceph)),
      files: this.files,
      guard: this.#guardOf(++this.#daemons),
      host: {
        machineId: async () => `machine-${this.name}`,
        guestKey: async () => Buffer.from('key'),
        startHookProblem: async () => this.hookProblem,
        reboot: () => this.reboot(),
      },
      link: {
        keyProblem: undefined,
        network: peers.network(this.name),
        vault,
        readPowerAccess: async () => (fencing === undefined ? { method: 'none' } : BMC),
        localServer,
      },
      coordinator: state,
      supervisor: { ready: () => undefined, status: () => undefined, stopping: () => undefined },
      clock,
      log: this.log,
      newUuid: () => `${this.name}-life-${++this.#uuids}`,
      isRealHypervisor: true,
    })
    const { config, log, name } = this
    const options = {
      ensemble,
      clock,
      ceph,
      vault,
      config,
      bootId: await this.files.bootId(),
      node: daemon,
      state,
      log,
    }
    const hasPrimary = fencing !== undefined && coordinators.includes(name)
    this.#running = {
      daemon,
      store,
      hypervisor,
      primary: hasPrimary ? startPrimary({ ...options, fencing }) : undefined,
    }
  }

  /** An orderly stop; the script moves the clock meanwhile. */
  stop(): void {
    const { daemon, primary } = this.#up()
    void (primary?.coordinator.stop() ?? Promise.resolve()).then(() => daemon.stop())
    this.#running = undefined
  }

  /** kill -9 of pvcnoded: its sockets close, its session lives on for a while, libvirt does what it was asked. */
  kill(): void {
    const { store, hypervisor, primary } = this.#up()
    this.#daemons += 1
    this.#surroundings.ensemble.suspend(store)
    if (primary !== undefined) this.#surroundings.ensemble.suspend(primary.lease)
    this.#surroundings.peers.forget(this.name)
    void hypervisor.close()
    this.#running = undefined
  }

  /** Power cut. Start the daemon anew for the next boot. */
  powerCut(): void {
    if (this.#running) this.kill()
    this.#surroundings.peers.power(this.name, false)
    this.files.reboot()
    this.guard.reboot()
    for (const uuid of [...this.libvirtd.domains.keys()]) this.libvirtd.forget(uuid)
    this.#hanging.clear()
  }

  /** The machine restarts itself. */
  reboot(): Promise<void> {
    this.reboots += 1
    this.powerCut()
    return this.start()
  }

  #up(): Running {
    if (!this.#running) throw new Error(`pvcnoded does not run on ${this.name}`)
    return this.#running
  }
}

function configOf(name: string, index: number, { coordinators, config }: Surroundings): NodeConfig {
  const parsed = parseConfig(
    {
      ...config,
      cluster: { name: 'scenario', coordinators },
      node: { clusterAddress: `10.0.0.${index + 1}`, storageAddresses: [`10.0.1.${index + 1}`] },
      zookeeper: { servers: ['10.0.0.1:2181'] },
      ceph: { secretUuid: '00000000-0000-4000-8000-000000000000' },
    },
    name,
  )
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  return parsed.config
}
