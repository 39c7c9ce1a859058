/** The packet filter of a node: what it costs while nothing changes, what is repaired, and what a bad rule disturbs. */
import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { FakeLinks } from '../../../../src/adapters/fake/links.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakePacketFilter } from '../../../../src/adapters/fake/packet-filter.ts'
import { FakeEnsemble } from '../../../../src/adapters/fake/store.ts'
import { PvcError } from '../../../../src/model/errors.ts'
import { MacAddress, type NetworkAcls, Vni } from '../../../../src/model/network.ts'
import { createFaultBoard } from '../../../../src/node/faults.ts'
import { createFirewall, type Firewall } from '../../../../src/node/firewall/reconcile.ts'
import type { StoreSession } from '../../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../../src/schema/tree.ts'
import { createIndex, type Index } from '../../../../src/view/index.ts'
import { networksCollection, vmsCollection } from '../../../../src/view/tree-collections.ts'
import { network } from '../network/fixtures.ts'

const BAD = 'tcp dprt 1'

/** Writes what no codec of ours would. */
const RAW = { schema: z.string(), encode: (text: string) => text, decode: (text: string) => text }

let clock: ManualClock
let ensemble: FakeEnsemble
let log: FakeLog
let index: Index
let writer: StoreSession
let filter: FakePacketFilter
let links: FakeLinks
let firewall: Firewall
let faults: ReturnType<typeof createFaultBoard>

beforeEach(async () => {
  clock = new ManualClock()
  log = new FakeLog()
  ensemble = new FakeEnsemble({ clock })
  writer = await ensemble.connect().connected(0)
  await writer.ensure(TREE_DIRS)
  index = newIndex()
  filter = new FakePacketFilter()
  links = new FakeLinks(['lo'])
  faults = createFaultBoard(clock)
  await start()
})

function newIndex(): Index {
  return createIndex({ store: ensemble.connect(), clock, log, collections: [networksCollection(), vmsCollection()] })
}

async function start(): Promise<void> {
  firewall = createFirewall({ index, filter, links, faults, clock, log })
  firewall.start()
  await settle()
}

const faultIds = () => faults.list().map(({ id }) => id)

async function add(vni: number, rule?: string, over: object = {}): Promise<void> {
  const keys = tree.network(Vni.parse(vni))
  await writer.create(keys.spec, network(vni, over))
  if (rule !== undefined) await writer.create(keys.acls, acls(rule))
  await settle()
}

function acls(rule: string, generation = 1): NetworkAcls {
  return { generation, in: [], out: [{ description: 'r', rule }] }
}

async function change(vni: number, rule: string): Promise<void> {
  const key = tree.network(Vni.parse(vni)).acls
  const found = await writer.get(key)
  await writer.set(key, acls(rule, (found?.value.generation ?? 0) + 1), found?.version ?? -1)
  await settle()
}

/** A lease, as the primary writes it at every renewal. */
async function lease(vni: number, host: number): Promise<void> {
  const address = `10.0.${vni}.${host}`
  const mac = MacAddress.parse('52:54:00:00:00:01')
  const dir = tree.network(Vni.parse(vni)).leases
  await writer.ensure([dir.path])
  await writer.create(dir.child(address), { address, mac, hostname: '', clientId: '', expiresS: 1 })
  await settle()
}

describe('the packet filter of a node', () => {
  it('is looked at once in 30 s, however much happens, and changed only when a table is to be another', async () => {
    for (let vni = 100; vni < 120; vni += 1) await add(vni, 'accept')
    await clock.advance(1000)
    const [looks, texts] = [filter.looks, filter.texts.length]
    for (let passed = 0; passed < 58; passed += 1) {
      await lease(100, passed + 1)
      await clock.advance(1000)
    }
    expect([filter.looks - looks, filter.texts.length - texts]).toEqual([1, 0])
    await change(105, 'drop')
    expect([filter.looks - looks, filter.texts.length - texts]).toEqual([1, 1])
    expect(filter.texts.at(-1)?.match(/^table \S+ \S+/gm)).toEqual(['table inet pvc-net105'])
    await firewall.stop()
  })

  it('is repaired when somebody removed its tables, also while much happens', async () => {
    await add(100, 'accept')
    await clock.advance(1000)
    const before = filter.names()
    filter.flush()
    for (let passed = 0; passed < 30; passed += 1) {
      await lease(100, passed + 1)
      await clock.advance(1000)
    }
    expect(filter.names()).toEqual(before)
    await firewall.stop()
  })

  it('follows networks that come and go', async () => {
    await add(100)
    expect(filter.names()).toEqual(['inet pvc-host'])
    await add(101, 'drop')
    expect(filter.names()).toEqual(['inet pvc-host', 'inet pvc-net101'])
    await writer.remove(tree.network(Vni.parse(101)).acls.path)
    await writer.remove(tree.network(Vni.parse(101)).spec.path)
    await writer.remove(tree.network(Vni.parse(100)).spec.path)
    await settle()
    expect(filter.names()).toEqual([])
    await firewall.stop()
  })

  it('stays as it is for networks that are unreadable at the start of the daemon', async () => {
    for (const vni of [100, 101, 102]) await add(vni, 'drop')
    const before = filter.names()
    await firewall.stop()
    const spec = tree.network(Vni.parse(100)).spec
    await writer.set({ path: spec.path, codec: RAW }, '{', 0)
    await writer.set({ path: tree.network(Vni.parse(101)).acls.path, codec: RAW }, '{', 0)
    const count = filter.texts.length
    index = newIndex()
    await start()
    expect(filter.names()).toEqual(before)
    const texts = filter.texts.slice(count).join('')
    expect(texts.match(/^table \S+ \S+/gm)).toEqual(['table inet pvc-host', 'table inet pvc-net102'])
    expect(texts).toContain('iifname { "vmbr100", "vmbr101", "vmbr102" }')
    await firewall.stop()
  })

  it('finds a bad table in few steps, and has all others in force', async () => {
    filter.refuses = new RegExp(BAD)
    const all = Array.from({ length: 64 }, (_, index) => 100 + index)
    await firewall.stop()
    for (const vni of all) await add(vni, vni === 137 ? BAD : 'accept')
    await start()
    expect(filter.names()).toHaveLength(64)
    expect(filter.names()).not.toContain('inet pvc-net137')
    expect(faultIds()).toEqual(['NETWORK_RULES:137'])
    expect(filter.texts.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(65)) + 1)
    await firewall.stop()
  })

  it('tries a bad table again at a look only, and forgets it when its rules are those in force again', async () => {
    await add(100, 'accept')
    filter.refuses = new RegExp(BAD)
    await change(100, BAD)
    expect(faultIds()).toEqual(['NETWORK_RULES:100'])
    const tries = filter.texts.length
    await lease(100, 1)
    expect(filter.texts).toHaveLength(tries)
    await clock.advance(30_000)
    expect(filter.texts).toHaveLength(tries + 1)
    await change(100, 'accept')
    expect(filter.texts).toHaveLength(tries + 1)
    expect(faultIds()).toEqual([])
    await firewall.stop()
  })

  it('keeps the rules of networks while devices cannot be listed', async () => {
    links.list = async () => {
      throw new PvcError('PVC_NETWORK_FAILED', 'ip did not answer')
    }
    await add(100, 'drop', { antiSpoofing: true })
    expect(filter.names()).toContain('inet pvc-net100')
    expect(faultIds()).toEqual(['NETWORK_FILTER'])
    await firewall.stop()
  })
})
