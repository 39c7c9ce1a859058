/** The simulated cluster: machines, ZooKeeper, Ceph, guests that write, and the API. What happens to it comes from a script. */
import type { FakeDomain } from '../../../src/adapters/fake/domain.ts'
import { FakeMigrationNetwork } from '../../../src/adapters/fake/migration.ts'
import { createZooKeeperStore } from '../../../src/adapters/zookeeper/store.ts'
import { VmUuid } from '../../../src/model/ids.ts'
import { Engine } from '../engine/engine.ts'
import type { CallTime, Strike } from '../engine/gate.ts'
import { simLog } from '../engine/log.ts'
import { SimProcess } from '../engine/process.ts'
import { Random } from '../engine/random.ts'
import { SimNative } from '../zookeeper/native.ts'
import { SimServers } from '../zookeeper/servers.ts'
import { Api } from './api.ts'
import { SimBmcs } from './bmc.ts'
import { SimCeph } from './ceph.ts'
import { type CallTimes, Daemon } from './daemon.ts'
import { SimHost, type Surroundings } from './host.ts'
import { SimPeers } from './peers.ts'
import type { Command } from './primary.ts'

export type ClusterOptions = { readonly seed: number; readonly nodes: number; readonly vms: number }

/** systemd starts a daemon that ended unasked after this time. */
const RESTART_MS = 500
/** A machine that is switched on runs its daemons after this time. */
const BOOT_MS = 8000
/** Every guest writes about so often. */
const WRITE_EVERY_MS = 700

export type SimVm = { readonly name: string; readonly uuid: VmUuid; readonly volume: string }

export class Cluster {
  readonly engine = new Engine()
  readonly random: Random
  readonly servers: SimServers
  readonly ceph: SimCeph
  readonly migrations = new FakeMigrationNetwork()
  readonly hosts: readonly SimHost[]
  readonly vms: readonly SimVm[]
  readonly api: Api
  /** What runs on each machine now. */
  readonly daemons = new Map<string, Daemon>()
  /** Hosts whose pvcnoded was stopped in order: systemd does not start it. */
  readonly stopped = new Set<string>()
  /** Given by the script: what strikes at calls, and how calls are slowed down. */
  strike: Strike = () => undefined
  timeOf: (host: string) => CallTimes = (host) => (call) => this.#lateTime(`${host} ${call}`)
  readonly bmcs: SimBmcs
  /** Hosts whose guests nobody promises to have ended: their BMC lied, or their self-fence was broken. */
  readonly exempt = new Set<string>()
  /** Told of every command that cannot be taken back, and of every guard that ends its guests. */
  onCommand: (command: Command) => void = () => undefined
  onStrike: (host: SimHost) => void = () => undefined
  /** When the API said that maintenance is on; undefined: it did not, or was asked to end it. */
  maintenanceOnAtMs: number | undefined
  readonly #late = new Map<string, number>()
  /** Chance that a write of a guest is on its way for a while. */
  slowWrites = 0.05
  #runs = 0
  readonly #surroundings: Surroundings
  readonly #guests: Random

  constructor({ seed, nodes, vms }: ClusterOptions) {
    const { engine, migrations } = this
    this.random = new Random(seed)
    this.#guests = this.random.fork('guests')
    const names = Array.from({ length: nodes }, (_, index) => `hv${index + 1}`)
    const coordinators = names.slice(0, nodes >= 5 ? 5 : Math.min(nodes, 3))
    this.servers = new SimServers(engine, this.random.fork('servers'), coordinators)
    const operator = new SimProcess(engine, 'operator', { rate: 1, offsetMs: 5000, wallOffsetMs: 0 })
    this.ceph = new SimCeph({
      engine,
      random: this.random.fork('ceph'),
      clock: operator.clock,
      hosts: names.map((name, index) => ({ name, storageAddress: `10.0.1.${index + 1}` })),
    })
    const peers = new SimPeers(engine)
    this.bmcs = new SimBmcs({
      engine,
      random: this.random.fork('bmcs'),
      isOn: (name) => this.host(name).isOn,
      power: (name, isOn) => (isOn ? this.powerOn(name) : this.powerOff(name)),
      other: (name) => names[(names.indexOf(name) + 1) % names.length] ?? name,
    })
    this.#surroundings = {
      engine,
      random: this.random.fork('hosts'),
      servers: this.servers,
      ceph: this.ceph,
      migrations,
      peers,
      bmcs: this.bmcs,
      onCommand: (command) => this.onCommand(command),
      onStrike: (name) => this.onStrike(this.host(name)),
      coordinators,
      strike: (moment) => this.strike(moment),
      reboot: (name) => {
        this.powerOff(name)
        this.powerOn(name)
      },
    }
    this.hosts = names.map((name, index) => new SimHost(name, index, this.#surroundings))
    peers.hosts = this.hosts
    this.vms = Array.from({ length: vms }, (_, index) => ({
      name: `vm${index + 1}`,
      uuid: VmUuid.parse(`aaaaaaaa-0000-4000-8000-${String(index + 1).padStart(12, '0')}`),
      volume: `vms/vm${index + 1}`,
    }))
    this.api = this.#createApi(operator)
  }

  host(name: string): SimHost {
    const host = this.hosts.find((each) => each.name === name)
    if (!host) throw new Error(`no host ${name}`)
    return host
  }

  /** Starts the daemons and defines the VMs, spread over the nodes and wanted on. */
  begin(): void {
    for (const { volume } of this.vms) this.ceph.addVolume(volume)
    void this.api.initialise().then(() => {
      for (const host of this.hosts) this.startDaemon(host.name)
      this.#defineWhenReady()
    })
    this.#guestsWrite()
  }

  startDaemon(name: string): void {
    const host = this.host(name)
    this.stopped.delete(name)
    if (!host.isOn || this.daemons.has(name)) return
    this.#runs += 1
    const run = this.#runs
    const daemon = new Daemon(host, run, this.#surroundings, (call) => this.timeOf(name)(call))
    this.daemons.set(name, daemon)
    this.engine.note(`  ${name}: pvcnoded starts`)
    daemon.start(run).catch((error: unknown) => {
      this.engine.note(`  ${name}: pvcnoded cannot start: ${String(error)}`)
      if (this.daemons.get(name) === daemon) this.killDaemon(name)
    })
  }

  /** kill -9; systemd starts it again. */
  killDaemon(name: string): void {
    const daemon = this.daemons.get(name)
    if (!daemon) return
    this.host(name).disturb()
    this.daemons.delete(name)
    daemon.kill()
    this.engine.after(RESTART_MS, `${name}: systemd restarts pvcnoded`, () => {
      if (!this.stopped.has(name) && !this.daemons.has(name)) this.startDaemon(name)
    })
  }

  /** An orderly stop; it stays stopped until it is started. */
  stopDaemon(name: string): void {
    const daemon = this.daemons.get(name)
    if (!daemon?.node) return
    this.host(name).disturb()
    this.stopped.add(name)
    void daemon.stop().then(() => {
      if (this.daemons.get(name) !== daemon) return
      this.daemons.delete(name)
      daemon.kill()
    })
  }

  powerOff(name: string): void {
    const daemon = this.daemons.get(name)
    this.daemons.delete(name)
    daemon?.kill()
    this.host(name).powerOff()
    this.ceph.changed()
  }

  powerOn(name: string): void {
    const host = this.host(name)
    if (host.isOn) return
    host.powerOn()
    this.engine.after(BOOT_MS, `${name}: has booted`, () => {
      if (!this.daemons.has(name)) this.startDaemon(name)
    })
  }

  /** A machine, or only its daemon, stands still. */
  pause(name: string, what: 'machine' | 'daemon'): void {
    const host = this.host(name)
    host.disturb()
    this.daemons.get(name)?.process.pause()
    if (what !== 'machine' || host.machine.isPaused) return
    host.pause()
    this.#watchdog(host)
  }

  /** The watchdog of a machine that stands still is not fed: it resets the machine. */
  #watchdog(host: SimHost): void {
    const { isArmed, watchdog } = host.guard.report()
    if (!isArmed || host.guard.isBroken || watchdog.kind === 'absent') return
    const since = host.pauses
    this.engine.after(watchdog.timeoutMs, `${host.name}: watchdog`, () => {
      if (!host.isOn || !host.machine.isPaused || host.pauses !== since) return
      this.engine.note(`  ${host.name}: its watchdog resets it`)
      this.powerOff(host.name)
      this.powerOn(host.name)
    })
  }

  resume(name: string): void {
    const host = this.host(name)
    host.resume()
    this.daemons.get(name)?.process.resume()
  }

  /** The next such call of a host's daemon has its effect only after that time, whatever becomes of the daemon. */
  delayCall(host: string, call: string, delayMs: number): void {
    this.#late.set(`${host} ${call}`, delayMs)
  }

  #lateTime(key: string): CallTime | undefined {
    const delayMs = this.#late.get(key)
    if (delayMs === undefined) return undefined
    this.#late.delete(key)
    return { requestMs: delayMs, answerMs: 0 }
  }

  /** The end of all that was done to it: networks, machines and daemons are as they should be. */
  makeGood(): void {
    this.slowWrites = 0
    this.strike = () => undefined
    this.#late.clear()
    this.bmcs.makeGood()
    this.ceph.lagMs = 800
    this.ceph.isStalled = false
    for (const host of this.hosts) {
      host.makeGood()
      this.powerOn(host.name)
      this.resume(host.name)
      this.startDaemon(host.name)
    }
    this.ceph.changed()
    this.maintenanceOnAtMs = undefined
    void this.api.maintenance(false)
    for (const { name } of this.hosts) void this.api.node(name, 'ready')
  }

  /** Every domain with its host. */
  *domains(): Generator<{ readonly host: SimHost; readonly domain: FakeDomain }> {
    for (const host of this.hosts) for (const domain of host.libvirtd.domains.values()) yield { host, domain }
  }

  #createApi(process: SimProcess): Api {
    const { engine, servers, ceph } = this
    const link = { requestsPass: () => true, answersPass: () => true, slowMs: 0 }
    const random = this.random.fork('operator')
    const options = { servers, process, random, link, strike: () => undefined, label: 'zk' }
    const store = createZooKeeperStore({
      servers: ['10.0.0.1:2181'],
      root: '/',
      sessionTimeoutMs: 6000,
      clock: process.clock,
      log: simLog(engine, 'operator'),
      open: ({ attach }, events) => {
        const native = new SimNative(options, 6000, attach, events)
        return { native, close: () => native.close() }
      },
    })
    return new Api({ engine, process, store, ceph })
  }

  #defineWhenReady(): void {
    this.engine.after(200, 'operator: looks at the nodes', () => {
      if (this.api.nodesCertified() < this.hosts.length) return this.#defineWhenReady()
      void this.#define()
    })
  }

  async #define(): Promise<void> {
    for (const [index, vm] of this.vms.entries()) {
      await this.api.define(vm.name, vm.uuid, this.hosts[index % this.hosts.length]?.name ?? '')
      await this.api.power(vm.name, 'start')
    }
  }

  #guestsWrite(): void {
    this.engine.after(this.#guests.int(1, WRITE_EVERY_MS * 2) / Math.max(1, this.vms.length), 'a guest writes', () => {
      const vm = this.#guests.pick(this.vms)
      const delayMs = this.#guests.chance(this.slowWrites) ? this.#guests.durationMs(5, 8000) : 0
      for (const { host, domain } of this.domains()) {
        const client = domain.run?.client
        const image = this.ceph.image(vm.volume)
        if (domain.uuid !== vm.uuid || domain.state !== 'running' || !client || !image || host.machine.isPaused)
          continue
        const stamp = { owner: domain.mark?.life ?? 'unmarked', seq: domain.mark?.seq ?? 0 }
        this.ceph.guestWrite(image, client, stamp, delayMs)
      }
      this.#guestsWrite()
    })
  }
}
