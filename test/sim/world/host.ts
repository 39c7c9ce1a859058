/** One machine of the simulated cluster: power, network, disk, libvirtd with its guests, and pvcnoded. */
import { FakeFiles } from '../../../src/adapters/fake/files.ts'
import { FakeGuard } from '../../../src/adapters/fake/guard.ts'
import { FakeLibvirtd } from '../../../src/adapters/fake/libvirtd.ts'
import type { FakeMigrationNetwork } from '../../../src/adapters/fake/migration.ts'
import { FakeProcesses } from '../../../src/adapters/fake/processes.ts'
import type { Power } from '../../../src/ports/power.ts'
import type { Engine } from '../engine/engine.ts'
import type { Strike } from '../engine/gate.ts'
import { type MachineTime, SimProcess } from '../engine/process.ts'
import type { Random } from '../engine/random.ts'
import type { Link } from '../zookeeper/native.ts'
import type { SimServers } from '../zookeeper/servers.ts'
import type { SimCeph } from './ceph.ts'
import type { SimPeers } from './peers.ts'
import type { Command } from './primary.ts'

/** What all machines share. */
export type Surroundings = {
  readonly engine: Engine
  readonly random: Random
  readonly servers: SimServers
  readonly ceph: SimCeph
  readonly migrations: FakeMigrationNetwork
  readonly peers: SimPeers
  readonly bmcs: Power
  readonly onCommand: (command: Command) => void
  /** A guard ends the guests of its machine. */
  readonly onStrike: (name: string) => void
  readonly coordinators: readonly string[]
  readonly strike: Strike
  /** A machine restarts itself. */
  readonly reboot: (name: string) => void
}

/** Networks of a machine; each can be cut by itself. */
export type Networks = { cluster: boolean; storage: boolean }

/** What happens to one ZooKeeper connection of the machine's daemon. */
type Cut = { isCut: boolean; areAnswersLost: boolean; slowMs: number }

export class SimHost {
  readonly name: string
  readonly clusterAddress: string
  readonly storageAddress: string
  readonly files: FakeFiles
  readonly libvirtd: FakeLibvirtd
  readonly guard: FakeGuard
  /** The machine itself: libvirtd and the guests stand still while it does. */
  readonly machine: SimProcess
  readonly time: MachineTime
  readonly networks: Networks = { cluster: true, storage: true }
  isOn = true
  /** How often it began to stand still. */
  pauses = 0
  /** When something last happened to it that may excuse it. */
  disturbedAtMs = 0
  readonly #surroundings: Surroundings
  readonly #cuts = new Map<string, Cut>()

  constructor(name: string, index: number, surroundings: Surroundings) {
    this.name = name
    this.#surroundings = surroundings
    this.clusterAddress = `10.0.0.${index + 1}`
    this.storageAddress = `10.0.1.${index + 1}`
    const random = surroundings.random.fork(`time of ${name}`)
    this.time = {
      rate: 1 + (random.unit() - 0.5) / 1000,
      offsetMs: random.int(100_000, 900_000),
      wallOffsetMs: random.int(-3000, 3000),
    }
    this.machine = new SimProcess(surroundings.engine, `${name} machine`, this.time)
    const processes = new FakeProcesses()
    this.files = new FakeFiles(processes)
    this.guard = new FakeGuard({
      clock: this.machine.clock,
      strike: () => {
        surroundings.onStrike(name)
        for (const { pid } of processes.list()) processes.kill(pid)
        this.files.removeAllPermits()
        return true
      },
    })
    this.libvirtd = new FakeLibvirtd({
      clock: this.machine.clock,
      processes,
      ceph: surroundings.ceph,
      address: this.storageAddress,
      permitOf: (uuid) => this.files.permitOf(uuid),
      incomingOf: (uuid) => this.files.incomingOf(uuid),
      network: { migrations: surroundings.migrations, address: this.clusterAddress },
    })
  }

  /** Something stands in its way right now. */
  get isHindered(): boolean {
    const isCut = [...this.#cuts.values()].some((cut) => cut.isCut || cut.areAnswersLost || cut.slowMs > 0)
    return !this.isOn || !this.networks.cluster || !this.networks.storage || this.machine.isPaused || isCut
  }

  /** The way from a ZooKeeper connection of this machine to the servers. */
  link(label: string): Link {
    const cut = this.#cut(label)
    return {
      requestsPass: () => this.isOn && this.networks.cluster && !cut.isCut,
      answersPass: () => this.isOn && this.networks.cluster && !cut.isCut && !cut.areAnswersLost,
      get slowMs() {
        return cut.slowMs
      },
    }
  }

  /** Cuts, heals or slows one connection; `label` is `zk` or `lease`. */
  setLink(label: string, change: Partial<Cut>): void {
    Object.assign(this.#cut(label), change)
    this.disturb()
  }

  /** Cuts or heals one network. */
  setNetwork(network: keyof Networks, isUp: boolean): void {
    const { ceph, migrations } = this.#surroundings
    this.networks[network] = isUp
    this.disturb()
    if (network === 'storage') {
      for (const domain of this.libvirtd.domains.values()) domain.run?.client?.setReachable(isUp)
      ceph.changed()
      return
    }
    migrations.setReachable(this.clusterAddress, isUp)
    this.setServer()
  }

  /** Tells the ensemble whether this machine's server can take part. */
  setServer(): void {
    const canTakePart = this.isOn && this.networks.cluster && !this.machine.isPaused
    this.#surroundings.servers.setMember(this.name, canTakePart, true)
  }

  /** Everything of this machine stands still. */
  pause(): void {
    this.pauses += 1
    this.machine.pause()
    this.setServer()
    this.disturb()
  }

  resume(): void {
    this.machine.resume()
    this.setServer()
    this.disturb()
  }

  /** The power goes: every process ends, /run is empty at the next boot. */
  powerOff(): void {
    if (!this.isOn) return
    this.isOn = false
    this.machine.resume()
    this.files.reboot()
    this.guard.reboot()
    for (const uuid of [...this.libvirtd.domains.keys()]) this.libvirtd.forget(uuid)
    this.libvirtd.stop()
    this.#surroundings.migrations.setReachable(this.clusterAddress, false)
    this.#surroundings.ceph.setOsds(this.name, false)
    this.setServer()
    this.disturb()
  }

  powerOn(): void {
    if (this.isOn) return
    this.isOn = true
    this.libvirtd.start()
    this.#surroundings.migrations.setReachable(this.clusterAddress, this.networks.cluster)
    this.#surroundings.ceph.setOsds(this.name, true)
    this.setServer()
    this.disturb()
  }

  /** Networks, connections, libvirtd and the guard as they should be. */
  makeGood(): void {
    this.guard.isBroken = false
    for (const network of ['cluster', 'storage'] as const) if (!this.networks[network]) this.setNetwork(network, true)
    for (const label of this.#cuts.keys()) this.setLink(label, { isCut: false, areAnswersLost: false, slowMs: 0 })
    this.libvirtd.startStallMs = 0
    this.files.stubborn.clear()
    if (this.isOn && !this.libvirtd.isUp) this.libvirtd.start()
  }

  disturb(): void {
    this.disturbedAtMs = this.#surroundings.engine.nowMs
  }

  #cut(label: string): Cut {
    let cut = this.#cuts.get(label)
    if (!cut) {
      cut = { isCut: false, areAnswersLost: false, slowMs: 0 }
      this.#cuts.set(label, cut)
    }
    return cut
  }
}
