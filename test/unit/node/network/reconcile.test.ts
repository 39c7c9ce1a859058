import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { FakeLinks } from '../../../../src/adapters/fake/links.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakeEnsemble } from '../../../../src/adapters/fake/store.ts'
import { Vni } from '../../../../src/model/network.ts'
import { createFaultBoard } from '../../../../src/node/faults.ts'
import { createNetworkLinks, type NetworkLinks } from '../../../../src/node/network/reconcile.ts'
import type { StoreSession } from '../../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../../src/schema/tree.ts'
import { createIndex } from '../../../../src/view/index.ts'
import { networksCollection } from '../../../../src/view/tree-collections.ts'
import { network } from './fixtures.ts'

const ground = { nodeNumber: 11, clusterAddress: '10.90.0.11', underlayMtu: 1500, bridgeMtu: 1500 }

/** Writes what no codec of ours would. */
const RAW = { schema: z.string(), encode: (text: string) => text, decode: (text: string) => text }

let clock: ManualClock
let ensemble: FakeEnsemble
let writer: StoreSession
let links: FakeLinks
let keeper: NetworkLinks
let faults: ReturnType<typeof createFaultBoard>
let looks: number

beforeEach(async () => {
  clock = new ManualClock()
  ensemble = new FakeEnsemble({ clock })
  writer = await ensemble.connect().connected(0)
  await writer.ensure(TREE_DIRS)
  links = new FakeLinks(['lo', 'eth0'])
  looks = 0
  const list = links.list.bind(links)
  links.list = async () => {
    looks += 1
    return list()
  }
  faults = createFaultBoard(clock)
  await start()
})

async function start(): Promise<void> {
  const log = new FakeLog()
  const index = createIndex({ store: ensemble.connect(), clock, log, collections: [networksCollection()] })
  const devices = { underlayDevice: 'eth0', bridgeDevice: undefined }
  keeper = createNetworkLinks({ ground: { ...ground, ...devices }, index, links, faults, clock, log })
  keeper.start()
  await settle()
}

const names = async () => (await links.list()).map(({ name }) => name)

describe('the devices of a node', () => {
  it('follow networks at once, without waiting for the next rescan', async () => {
    await writer.create(tree.network(Vni.parse(100)).spec, network(100))
    await settle()
    expect(await names()).toEqual(['lo', 'eth0', 'vmbr100', 'vxlan100'])
    await writer.remove(tree.network(Vni.parse(100)).spec.path)
    await settle()
    expect(await names()).toEqual(['lo', 'eth0'])
    await keeper.stop()
  })

  it('stay when the network is unreadable at the start of the daemon, and go when it is removed', async () => {
    const { spec } = tree.network(Vni.parse(100))
    await writer.create(spec, network(100))
    await writer.create(tree.network(Vni.parse(200)).spec, network(200))
    await settle()
    await keeper.stop()
    await writer.set({ path: spec.path, codec: RAW }, '{', 0)
    await writer.remove(tree.network(Vni.parse(200)).spec.path)
    await start()
    expect(await names()).toEqual(['lo', 'eth0', 'vmbr100', 'vxlan100'])
    await writer.remove(spec.path)
    await settle()
    expect(await names()).toEqual(['lo', 'eth0'])
    await keeper.stop()
  })

  it('are repaired soon after somebody changed them', async () => {
    await writer.create(tree.network(Vni.parse(100)).spec, network(100))
    await settle()
    await links.apply([{ kind: 'remove', name: 'vxlan100' }])
    await clock.advance(1000)
    expect(await names()).toContain('vxlan100')
    await keeper.stop()
  })

  it('are looked at rarely while nothing changes', async () => {
    await writer.create(tree.network(Vni.parse(100)).spec, network(100))
    await clock.advance(1000)
    const before = looks
    for (let passed = 0; passed < 60_000; passed += 10_000) await clock.advance(10_000)
    expect(looks - before).toBe(2)
    await keeper.stop()
  })

  it('that cannot be had are a fault as long as that lasts', async () => {
    await writer.create(tree.network(Vni.parse(7)).spec, network(7, { type: 'bridged' }))
    await settle()
    expect(faults.list().map(({ id }) => id)).toEqual(['NETWORK_MISSING:7'])
    await writer.remove(tree.network(Vni.parse(7)).spec.path)
    await settle()
    expect(faults.list()).toEqual([])
    await keeper.stop()
  })
})
