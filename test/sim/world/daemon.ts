/** One run of pvcnoded on a simulated machine: the real parts behind gates. */
import { FakeHypervisor } from '../../../src/adapters/fake/hypervisor.ts'
import type { NativeEvents } from '../../../src/adapters/zookeeper/native.ts'
import { createZooKeeperStore } from '../../../src/adapters/zookeeper/store.ts'
import { sleep } from '../../../src/base/clock.ts'
import { MutableSignal } from '../../../src/base/signal.ts'
import type { Coordinator } from '../../../src/coordinator/coordinator.ts'
import { parseConfig } from '../../../src/model/config.ts'
import { PvcError } from '../../../src/model/errors.ts'
import type { CoordinatorState } from '../../../src/model/node.ts'
import type { NodeConfig, NodeDaemon } from '../../../src/node/deps.ts'
import { startNode } from '../../../src/node/start.ts'
import type { Ceph } from '../../../src/ports/ceph.ts'
import type { NodeFiles } from '../../../src/ports/files.ts'
import type { Hypervisor } from '../../../src/ports/hypervisor.ts'
import type { Log } from '../../../src/ports/log.ts'
import type { Power } from '../../../src/ports/power.ts'
import type { StorageFence } from '../../../src/ports/storage-fence.ts'
import type { Store } from '../../../src/ports/store.ts'
import { type CallTime, Gate } from '../engine/gate.ts'
import { simLog } from '../engine/log.ts'
import { SimProcess } from '../engine/process.ts'
import type { Random } from '../engine/random.ts'
import { SimNative } from '../zookeeper/native.ts'
import { BMC_ACCESS, openVault } from './bmc.ts'
import { boundStorage } from './bound.ts'
import type { SimHost, Surroundings } from './host.ts'
import { startPrimary } from './primary.ts'

const HYPERVISOR_CALLS = [
  'facts',
  'list',
  'get',
  'xml',
  'create',
  'shutdown',
  'destroy',
  'undefine',
  'reset',
  'suspend',
  'resume',
  'blockResize',
  'migrate',
  'migrationProgress',
  'abortMigration',
  'setMark',
  'cpuProblem',
  'stats',
  'ensureSecret',
] as const satisfies readonly (keyof Hypervisor)[]

/** What changes something, or takes time; the rest is read at once. */
const FILE_CALLS = [
  'writeLife',
  'writePermit',
  'removePermit',
  'writeIncoming',
  'removeIncoming',
  'endQemu',
  'qemuProcesses',
  'killQemu',
  'writeSeqs',
] as const satisfies readonly (keyof NodeFiles)[]

const CEPH_CALLS = [
  'ping',
  'poolStats',
  'locks',
  'watchers',
  'blocklistClient',
  'breakLock',
  'evictLocker',
] as const satisfies readonly (keyof Ceph)[]

const FENCE_CALLS = [
  'blocklist',
  'unblocklist',
  'entries',
  'osds',
  'osdEpochs',
  'markDown',
  'mayBlocklist',
] as const satisfies readonly (keyof StorageFence)[]

/** The bound of a ceph command; it is killed then. */
const CEPH_DEADLINE_MS = 10_000

/** The same for a node that asks about itself. */
const OWN_BLOCKLIST_MS = 5000

/** How calls are slowed down, by faults. */
export type CallTimes = (call: string) => CallTime | undefined

export class Daemon {
  readonly process: SimProcess
  readonly log: Log
  readonly hypervisor: FakeHypervisor
  readonly config: NodeConfig
  node: NodeDaemon | undefined
  readonly #host: SimHost
  readonly #surroundings: Surroundings
  readonly #gate: Gate
  readonly #random: Random
  #coordinator: Coordinator | undefined
  #lives = 0

  constructor(host: SimHost, run: number, surroundings: Surroundings, timeOf: CallTimes) {
    const { engine, random, strike } = surroundings
    this.#host = host
    this.#surroundings = surroundings
    this.#random = random.fork(`${host.name} run ${run}`)
    this.process = new SimProcess(engine, host.name, host.time)
    this.#gate = new Gate({ engine, random: this.#random, process: this.process, strike, timeOf })
    this.log = simLog(engine, host.name)
    this.hypervisor = new FakeHypervisor({ libvirtd: host.libvirtd })
    this.config = configOf(host, surroundings.coordinators)
  }

  /** @throws whatever keeps pvcnoded from starting */
  async start(run: number): Promise<void> {
    const host = this.#host
    const state = new MutableSignal<CoordinatorState>(this.#isCoordinator ? 'secondary' : 'client')
    const node = await startNode({
      config: this.config,
      identity: { pvc: '2.0.0', kernel: '6.1.0', os: 'Debian', arch: 'x86_64' },
      store: this.store('zk', this.config.zookeeper.sessionTimeoutMs),
      hypervisor: this.#gate.port<Hypervisor>('hypervisor', this.hypervisor, {
        calls: HYPERVISOR_CALLS,
        events: ['subscribe'],
      }),
      ceph: this.ceph(),
      storageFence: this.storageFence(OWN_BLOCKLIST_MS),
      files: this.#gate.port<NodeFiles>('files', host.files, { calls: FILE_CALLS }),
      host: {
        machineId: async () => `machine-${host.name}`,
        guestKey: async () => Buffer.from('key'),
        startHookProblem: async () => undefined,
        reboot: async () => this.#surroundings.reboot(host.name),
      },
      link: {
        keyProblem: undefined,
        vault: openVault,
        readPowerAccess: async () => BMC_ACCESS,
        network: this.#surroundings.peers.network(host, this.#gate),
        localServer: this.#surroundings.coordinators.includes(host.name)
          ? { state: async () => this.#surroundings.servers.stateOf(host.name) }
          : undefined,
      },
      guard: host.guard,
      coordinator: state,
      supervisor: { ready: () => undefined, status: () => undefined, stopping: () => undefined },
      clock: this.process.clock,
      log: this.log,
      newUuid: () => `${host.name}-life-${run}.${++this.#lives}`,
      isRealHypervisor: true,
    })
    this.node = node
    if (!this.#isCoordinator) return
    const { bmcs, onCommand } = this.#surroundings
    this.#coordinator = startPrimary({
      config: this.config,
      bootId: await host.files.bootId(),
      node,
      store: (label, timeoutMs) => this.store(label, timeoutMs),
      state,
      gate: this.#gate,
      storage: this.storageFence(this.config.fencing.cephTimeoutMs),
      ceph: this.ceph(),
      power: this.#gate.port<Power>('power', bmcs, { calls: ['status', 'off', 'on'] }),
      log: this.log,
      onCommand,
    })
  }

  /** An orderly end, as a signal asks for it. */
  async stop(): Promise<void> {
    await this.#coordinator?.stop()
    await this.node?.stop()
  }

  get #isCoordinator(): boolean {
    return this.#surroundings.coordinators.includes(this.#host.name)
  }

  /** A connection to ZooKeeper with the real adapter on it. */
  store(label: string, timeoutMs: number): Store {
    const { servers, strike } = this.#surroundings
    const link = this.#host.link(label)
    const options = { servers, process: this.process, random: this.#random.fork(label), link, strike, label }
    return createZooKeeperStore({
      servers: ['10.0.0.1:2181'],
      root: '/',
      sessionTimeoutMs: timeoutMs,
      clock: this.process.clock,
      log: this.log.child({ component: label }),
      open: ({ attach }, events: NativeEvents) => {
        const native = new SimNative(options, timeoutMs, attach, events)
        return { native, close: () => native.close() }
      },
    })
  }

  /** Ceph from this machine; a command that finds no way there is killed at its deadline. */
  ceph(): Ceph {
    return this.#gate.port<Ceph>('ceph', this.#reach<Ceph>(this.#surroundings.ceph), { calls: CEPH_CALLS })
  }

  /** The blocklist from this machine; a command is killed at its deadline, its effect may come all the same. */
  storageFence(deadlineMs: number): StorageFence {
    const fence = this.#reach(this.#surroundings.ceph.storageFence())
    const gated = this.#gate.port<StorageFence>('ceph', fence, { calls: FENCE_CALLS })
    return boundStorage(gated, this.process.clock, deadlineMs)
  }

  #reach<T extends object>(port: T): T {
    const { ceph } = this.#surroundings
    return new Proxy<T>(port, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          if (!this.#host.isOn || !this.#host.networks.storage || ceph.isStalled) {
            await sleep(ceph.clock, CEPH_DEADLINE_MS)
            throw new PvcError('PVC_CEPH_TIMEOUT', `${String(property)} was not answered in time`)
          }
          return (value as (...all: unknown[]) => unknown).apply(target, args)
        }
      },
    })
  }

  /** kill -9: libvirt does what it was asked, the servers find out by themselves. */
  kill(): void {
    this.process.kill()
    void this.hypervisor.close()
  }
}

function configOf(host: SimHost, coordinators: readonly string[]): NodeConfig {
  const parsed = parseConfig(
    {
      cluster: { name: 'simulation', coordinators },
      node: { clusterAddress: host.clusterAddress, storageAddresses: [host.storageAddress] },
      zookeeper: { servers: ['10.0.0.1:2181'] },
      ceph: { secretUuid: '00000000-0000-4000-8000-000000000000' },
    },
    host.name,
  )
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  return parsed.config
}
