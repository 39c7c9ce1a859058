import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakeRouting } from '../../../../src/adapters/fake/routing.ts'
import { FakeEnsemble } from '../../../../src/adapters/fake/store.ts'
import { PrimaryLease } from '../../../../src/model/cluster.ts'
import { NodeName } from '../../../../src/model/ids.ts'
import { Network } from '../../../../src/model/network.ts'
import { createFaultBoard } from '../../../../src/node/faults.ts'
import { createRoutingKeeper, type RoutingKeeper } from '../../../../src/node/routing/reconcile.ts'
import type { StoreSession } from '../../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../../src/schema/tree.ts'
import { createIndex } from '../../../../src/view/index.ts'
import { networksCollection, nodesCollection, primaryCollections } from '../../../../src/view/tree-collections.ts'
import { status } from '../node-status.ts'

const names = ['hv1', 'hv2', 'hv3'].map((name) => NodeName.parse(name))

const outside = { address: '10.9.0.1', asn: 65001 }

let clock: ManualClock
let writer: StoreSession
let routing: FakeRouting
let keeper: RoutingKeeper
let faults: ReturnType<typeof createFaultBoard>

beforeEach(async () => {
  clock = new ManualClock()
  const log = new FakeLog()
  const ensemble = new FakeEnsemble({ clock })
  writer = await ensemble.connect().connected(0)
  await writer.ensure([...TREE_DIRS, ...names.map((name) => tree.node(name).spec.path)])
  const collections = [...primaryCollections(), nodesCollection(['status']), networksCollection()]
  const index = createIndex({ store: ensemble.connect(), clock, log, collections })
  routing = new FakeRouting()
  routing.established.add(outside.address)
  faults = createFaultBoard(clock)
  keeper = createRoutingKeeper({
    ground: { node: 'hv1', address: '10.90.0.11', asn: 65500, isCoordinator: true, upstream: [outside] },
    coordinators: names,
    range: () => '10.90.0.0/24',
    ...{ index, routing, faults, clock, log },
  })
  keeper.start()
  await settle()
})

/** A node writes its status. */
async function say(name: string, heartbeat = 1): Promise<void> {
  const key = tree.node(NodeName.parse(name)).status
  const present = await writer.get(key)
  if (present === undefined) await writer.create(key, status(name, heartbeat))
  else await writer.set(key, status(name, heartbeat), present.version)
  await settle()
}

const ids = (): readonly string[] => faults.list().map(({ id }) => id)

describe('FRR of a node', () => {
  it('follows the coordinators that are known, and is left alone when only heartbeats change', async () => {
    expect(routing.running).toContain('router bgp 65500')
    await say('hv2')
    await say('hv3')
    await clock.advance(2000)
    expect(routing.running).toContain(' neighbor 10.90.0.12 peer-group fabric')
    const { reloads } = routing
    routing.established.add('10.90.0.12').add('10.90.0.13')
    for (let heartbeat = 2; heartbeat < 6; heartbeat += 1) await say('hv2', heartbeat)
    await clock.advance(60_000)
    expect(routing.reloads).toBe(reloads)
    expect(ids()).toEqual([])
    await keeper.stop()
  })

  it('announces a network with its gateway on every node as primary, and a while longer', async () => {
    const base = { vni: 7, generation: 1, description: 'n', type: 'managed', mtu: null, domain: 'd', nameServers: [] }
    const ip4 = { network: '10.7.0.0/24', gateway: '10.7.0.1', dhcp: null }
    const anycast = Network.parse({ ...base, ip4, ip6: null, gatewayMode: 'anycast' })
    await writer.create(tree.network(anycast.vni).spec, anycast)
    await clock.advance(100)
    expect(routing.running).not.toContain('10.7.0.0')
    const lease = { node: 'hv1', bootId: '11111111-1111-4111-8111-111111111111', epoch: 1 }
    await writer.create(tree.primary.lease, PrimaryLease.parse(lease))
    await clock.advance(100)
    expect(routing.running).toContain('permit 10.7.0.0/24')
    await writer.remove(tree.primary.lease.path)
    await clock.advance(5000)
    expect(routing.running).toContain('permit 10.7.0.0/24')
    await clock.advance(20_000)
    expect(routing.running).not.toContain('10.7.0.0')
    await keeper.stop()
  })

  it('lets nodes in when all coordinators are known, or one of them has not been seen for a while', async () => {
    expect(routing.running).not.toContain('listen range')
    await say('hv2')
    await clock.advance(5000)
    expect(routing.running).not.toContain('listen range')
    await say('hv3')
    await clock.advance(5000)
    expect(routing.running).toContain('listen range')
    await keeper.stop()
  })

  it('lets nodes in after a while also without a coordinator that was never seen', async () => {
    await say('hv2')
    for (let passed = 0; passed < 50_000; passed += 10_000) await clock.advance(10_000)
    expect(routing.running).toContain('listen range')
    await keeper.stop()
  })

  it('names a coordinator that connected before it was known', async () => {
    for (let passed = 0; passed < 50_000; passed += 10_000) await clock.advance(10_000)
    routing.dynamic.add('10.90.0.13')
    await say('hv3')
    await clock.advance(5000)
    expect(routing.running).toContain(' neighbor 10.90.0.13 peer-group fabric')
    expect(routing.running).toContain('listen range')
    expect(ids()).toEqual([])
    await keeper.stop()
  })

  it('is set up again when it has lost its configuration', async () => {
    routing.running = ''
    await clock.advance(12_000)
    expect(routing.running).toContain('router bgp 65500')
    await keeper.stop()
  })

  it('leaves the configuration of somebody else alone', async () => {
    routing.text = 'router ospf\n'
    await clock.advance(12_000)
    await say('hv2')
    expect(routing.text).toBe('router ospf\n')
    expect(ids()).toEqual(['FRR_CONFIG'])
    await keeper.stop()
  })

  it('that does not answer is a fault, not at once, and only as long as that lasts', async () => {
    routing.isAway = true
    await clock.advance(10_000)
    await clock.advance(2000)
    expect(ids()).toEqual(['FRR_UNREACHABLE'])
    routing.isAway = false
    await clock.advance(2000)
    expect(ids()).toEqual([])
    await keeper.stop()
  })

  it('without a session to a coordinator is a fault while that one lives, worse without any', async () => {
    await say('hv2', 1)
    await say('hv3', 1)
    await clock.advance(4000)
    routing.established.add('10.90.0.12')
    await clock.advance(4000)
    expect(ids()).toEqual([])
    await say('hv3', 3)
    await clock.advance(4000)
    expect(faults.list()).toMatchObject([{ id: 'FRR_SESSION', severity: 'warning' }])
    routing.established.delete('10.90.0.12')
    await clock.advance(20_000)
    await say('hv2', 3)
    await clock.advance(4000)
    expect(faults.list()).toMatchObject([{ id: 'FRR_SESSION', severity: 'error' }])
    routing.established.add('10.90.0.12').add('10.90.0.13')
    await clock.advance(4000)
    expect(ids()).toEqual([])
    await keeper.stop()
  })

  it('without a session outside is a fault when that lasts, and only as long', async () => {
    await clock.advance(2000)
    routing.established.delete(outside.address)
    for (let passed = 0; passed < 24_000; passed += 2000) await clock.advance(2000)
    expect(ids()).toEqual([])
    for (let passed = 0; passed < 12_000; passed += 2000) await clock.advance(2000)
    expect(faults.list()).toMatchObject([{ id: 'FRR_UPSTREAM', severity: 'warning' }])
    routing.established.add(outside.address)
    await clock.advance(2000)
    expect(ids()).toEqual([])
    await keeper.stop()
  })
})
