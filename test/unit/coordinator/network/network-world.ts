/** Networks in a fake store, an index over them, and a reign: what the duties of guest networks need. */
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakeEnsemble } from '../../../../src/adapters/fake/store.ts'
import { VmSpec } from '../../../../src/model/domain.ts'
import { LEASE_SESSION_MS } from '../../../../src/model/fence-timing.ts'
import { NodeName, type VmUuid } from '../../../../src/model/ids.ts'
import { type DhcpReservation, type Network, NO_ACLS, Vni } from '../../../../src/model/network.ts'
import { createFaultBoard } from '../../../../src/node/faults.ts'
import type { Reign } from '../../../../src/ports/primary.ts'
import type { StoreSession } from '../../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../../src/schema/tree.ts'
import { createIndex, type Index } from '../../../../src/view/index.ts'
import {
  networksCollection,
  primaryCollections,
  provisionerCollections,
  vmsCollection,
} from '../../../../src/view/tree-collections.ts'

/** A managed network 10.0.VNI.0/24 with DHCP. */
export function managedNetwork(vni: number, over: Partial<Network> = {}): Network {
  const dhcp = { start: `10.0.${vni}.100`, end: `10.0.${vni}.199` }
  return {
    vni: Vni.parse(vni),
    generation: 1,
    description: `net${vni}`,
    type: 'managed',
    mtu: null,
    domain: `net${vni}.local`,
    nameServers: [],
    ip4: { network: `10.0.${vni}.0/24`, gateway: `10.0.${vni}.1`, dhcp },
    ip6: null,
    gatewayMode: 'primary',
    antiSpoofing: false,
    ...over,
  }
}

export class NetworkWorld {
  readonly clock = new ManualClock(undefined, 1_700_000_000_000)
  readonly log = new FakeLog()
  readonly ensemble = new FakeEnsemble({ clock: this.clock, timeoutMs: LEASE_SESSION_MS })
  readonly other = NodeName.parse('b')
  readonly #ending = new AbortController()
  readonly faults = createFaultBoard(this.clock)
  index: Index
  session: StoreSession
  timersBefore = 0

  private constructor() {
    const store = this.ensemble.connect()
    const session = store.session.value
    if (session === undefined) throw new Error('the ensemble is away')
    this.session = session
    const collections = [...primaryCollections(), vmsCollection(), networksCollection(), ...provisionerCollections()]
    this.index = createIndex({ store: this.ensemble.connect(), clock: this.clock, log: this.log, collections })
  }

  static async create(networks: readonly Network[]): Promise<NetworkWorld> {
    const world = new NetworkWorld()
    await world.session.ensure(TREE_DIRS)
    for (const network of networks) await world.add(network)
    await world.clock.advance(100)
    world.timersBefore = world.clock.pendingTimers
    return world
  }

  get reign(): Reign {
    const { session, faults } = this
    const ended = this.#ending.signal
    return {
      node: NodeName.parse('a'),
      epoch: 1,
      session,
      ended,
      validForMs: () => (ended.aborted ? 0 : 1000),
      maintenance: { isOn: false, run: async (_, work) => ({ kind: 'done', value: await work() }) },
      faults,
      resign: () => undefined,
    }
  }

  async add(network: Network): Promise<void> {
    const keys = tree.network(network.vni)
    await this.session.create(keys.spec, network)
    await this.session.ensure([keys.reservations.path, keys.leases.path])
    await this.session.create(keys.acls, NO_ACLS)
    await this.clock.advance(100)
  }

  async change(vni: number, edit: (network: Network) => Network): Promise<void> {
    const { spec } = tree.network(Vni.parse(vni))
    const found = await this.session.get(spec)
    if (found === undefined) throw new Error(`no network ${vni}`)
    const generation = found.value.generation + 1
    await this.session.set(spec, { ...edit(found.value), generation }, found.version)
    await this.clock.advance(100)
  }

  async reserve(vni: number, reservation: DhcpReservation): Promise<void> {
    await this.session.create(tree.network(Vni.parse(vni)).reservations.child(reservation.mac), reservation)
    await this.clock.advance(100)
  }

  async lease(vni: number, address: string): Promise<void> {
    const lease = { address, hostname: '', clientId: '', expiresS: 1 }
    await this.session.create(tree.network(Vni.parse(vni)).leases.child(address), lease)
    await this.clock.advance(100)
  }

  async remove(vni: number): Promise<void> {
    const keys = tree.network(Vni.parse(vni))
    for (const path of [keys.reservations.path, keys.leases.path, keys.acls.path, keys.spec.path])
      await this.session.remove(path)
    await this.clock.advance(100)
  }
}

/** Defines a VM with a card on a guest network. */
export async function vmOn(world: NetworkWorld, uuid: VmUuid, name: string, vni: number, mac: string): Promise<void> {
  const card = `<interface type='bridge'><mac address='${mac}'/><source bridge='vmbr${vni}'/></interface>`
  const xml = `<domain type='kvm'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>${card}</devices></domain>`
  const spec = VmSpec.parse({
    uuid,
    name,
    generation: 1,
    power: 'on',
    wishes: { start: 0, restart: 0, stopNow: 0 },
    node: 'a',
    lastNode: null,
    hold: null,
    xml,
    description: '',
    memoryMiB: 64,
    vcpus: 1,
    rbdList: [],
    meta: {
      nodeLimit: [],
      selector: 'mem',
      autostart: false,
      migrationMethod: 'none',
      migrationMaxDowntimeMs: 300,
      profile: 'small',
    },
    tags: [],
  })
  await world.session.create(tree.vm(uuid).spec, spec)
  await world.clock.advance(100)
}
