/** Gateways that are on every node: on this one when its bridge is ready, and what goes on to the primary. */
import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { FakeForwarding } from '../../../../src/adapters/fake/forwarding.ts'
import { FakeHostNetwork } from '../../../../src/adapters/fake/host-network.ts'
import { FakeLinks } from '../../../../src/adapters/fake/links.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakePacketFilter } from '../../../../src/adapters/fake/packet-filter.ts'
import { FakeEnsemble } from '../../../../src/adapters/fake/store.ts'
import { PrimaryLease } from '../../../../src/model/cluster.ts'
import { NodeName } from '../../../../src/model/ids.ts'
import { Network, Vni } from '../../../../src/model/network.ts'
import { createFaultBoard } from '../../../../src/node/faults.ts'
import { type AnycastGateways, createAnycastGateways } from '../../../../src/node/gateway/reconcile.ts'
import type { HostAddress } from '../../../../src/ports/network.ts'
import type { StoreSession } from '../../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../../src/schema/tree.ts'
import { createIndex } from '../../../../src/view/index.ts'
import { networksCollection, nodesCollection, primaryCollections } from '../../../../src/view/tree-collections.ts'
import { status } from '../node-status.ts'

const [self, other] = [NodeName.parse('hv1'), NodeName.parse('hv2')]
const BRIDGE = { kind: 'bridge', mac: '06:00:00:64:00:00', isUp: true }

function network(over: object = {}): Network {
  const base = { vni: 100, generation: 1, description: 'n', type: 'managed', mtu: null, domain: 'd', nameServers: [] }
  const ip4 = { network: '10.1.0.0/24', gateway: '10.1.0.1', dhcp: null }
  return Network.parse({ ...base, ip4, ip6: null, gatewayMode: 'anycast', ...over })
}

let clock: ManualClock
let writer: StoreSession
let filter: FakePacketFilter
let links: FakeLinks
let forwarding: FakeForwarding
let host: FakeHostNetwork
let written: readonly HostAddress[]
let keeper: AnycastGateways
let faults: ReturnType<typeof createFaultBoard>

beforeEach(async () => {
  clock = new ManualClock()
  const log = new FakeLog()
  const ensemble = new FakeEnsemble({ clock })
  writer = await ensemble.connect().connected(0)
  await writer.ensure([...TREE_DIRS, ...[self, other].map((name) => tree.node(name).spec.path)])
  const collections = [...primaryCollections(), nodesCollection(['status']), networksCollection()]
  const index = createIndex({ store: ensemble.connect(), clock, log, collections })
  filter = new FakePacketFilter()
  links = new FakeLinks(['lo'])
  forwarding = new FakeForwarding()
  host = new FakeHostNetwork()
  written = []
  const record = {
    read: async () => written,
    async write(those: readonly HostAddress[]) {
      written = those
    },
  }
  faults = createFaultBoard(clock)
  keeper = createAnycastGateways({ self, index, filter, links, forwarding, host, record, faults, clock, log })
})

const VNI = Vni.parse(100)
const bootId = '11111111-1111-4111-8111-111111111111'

async function begin(node: NodeName, spec = network()): Promise<void> {
  await writer.create(tree.node(other).status, status('hv2', 1))
  await writer.create(tree.primary.lease, PrimaryLease.parse({ node, bootId, epoch: 1 }))
  await writer.create(tree.network(VNI).spec, spec)
  links.plant('vmbr100', BRIDGE)
  links.plant('vxlan100', { kind: 'vxlan', master: 'vmbr100' })
  keeper.start()
  await settle()
  await clock.advance(600)
}

const addresses = () => host.present().map(({ address, device }) => `${address} ${device}`)

describe('a gateway that is on every node', () => {
  it('is here, apart from those of others, and hands on to the primary', async () => {
    await begin(other)
    expect(addresses()).toEqual(['10.1.0.1 vmbr100'])
    expect(filter.texts.at(-1)).toContain('ether daddr set 0a:00:00:64:00:00')
    expect(forwarding.entries).toEqual([{ mac: '0a:00:00:64:00:00', device: 'vxlan100', to: '10.90.0.12' }])
    expect(written).toHaveLength(1)
    await keeper.stop()
    expect(addresses()).toEqual(['10.1.0.1 vmbr100'])
  })

  it('hands nothing on where the primary is, and goes on handing to the last one while there is none', async () => {
    await begin(other)
    await writer.remove(tree.primary.lease.path)
    await clock.advance(600)
    expect(forwarding.entries).toHaveLength(1)
    await writer.create(tree.primary.lease, PrimaryLease.parse({ node: self, bootId, epoch: 2 }))
    await clock.advance(600)
    expect(forwarding.entries).toEqual([])
    expect(filter.texts.at(-1)).not.toContain('set other')
  })

  it('is not here before its bridge has the MAC of all nodes, nor before its table', async () => {
    filter.refuses = /./
    await begin(other)
    expect(addresses()).toEqual([])
    expect(faults.list().map(({ id }) => id)).toContain('GATEWAY_LOCAL')
    filter.refuses = undefined
    links.plant('vmbr100', { ...BRIDGE, mac: '02:00:00:64:00:0b' })
    await clock.advance(600)
    expect(addresses()).toEqual([])
    links.plant('vmbr100', BRIDGE)
    await clock.advance(600)
    expect(addresses()).toEqual(['10.1.0.1 vmbr100'])
    expect(faults.list()).toEqual([])
  })

  it('goes with its network, also when that changed while no daemon ran', async () => {
    written = [{ address: '10.1.0.9', prefix: 24, device: 'vmbr100', isGateway: true }]
    host.addresses = written
    await begin(other)
    expect(addresses()).toEqual(['10.1.0.1 vmbr100'])
    await writer.remove(tree.network(VNI).spec.path)
    await clock.advance(600)
    expect(addresses()).toEqual([])
    expect(filter.texts.at(-1)).toBe('delete table bridge pvc-gateways\n')
  })

  it('stays at the primary when it is given back to it', async () => {
    await begin(self)
    const found = await writer.get(tree.network(VNI).spec)
    await writer.set(tree.network(VNI).spec, network({ gatewayMode: 'primary', generation: 2 }), found?.version ?? -1)
    await clock.advance(600)
    expect(addresses()).toEqual(['10.1.0.1 vmbr100'])
    expect(written).toEqual([])
  })

  it('costs nothing where there is none, and one from before goes', async () => {
    await filter.apply('\ntable bridge pvc-gateways {\n}\n')
    await begin(other, network({ gatewayMode: 'primary' }))
    await clock.advance(60_000)
    expect(filter.names()).toEqual([])
    expect(filter.looks).toBeLessThan(4)
    const { looks } = filter
    await clock.advance(60_000)
    expect(filter.looks).toBe(looks)
    await keeper.stop()
  })
})
