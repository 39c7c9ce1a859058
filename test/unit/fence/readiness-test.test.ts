import { describe, expect, it } from 'vitest'
import { ClusterKey } from '../../../src/adapters/crypto/cluster-key.ts'
import { createPowerVault } from '../../../src/adapters/crypto/power-vault.ts'
import { FakeCeph } from '../../../src/adapters/fake/ceph.ts'
import { ManualClock } from '../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { FakePower } from '../../../src/adapters/fake/power.ts'
import { FakeOsdMap, FakeStorageFence } from '../../../src/adapters/fake/storage-fence.ts'
import { FakeEnsemble } from '../../../src/adapters/fake/store.ts'
import { MutableSignal } from '../../../src/base/signal.ts'
import { createReachTest } from '../../../src/fence/reach-test.ts'
import { createFenceTest } from '../../../src/fence/readiness-test.ts'
import { PvcError } from '../../../src/model/errors.ts'
import { LifeId, NodeName } from '../../../src/model/ids.ts'
import type { PowerAccess } from '../../../src/model/power.ts'
import { createFaultBoard } from '../../../src/node/faults.ts'
import type { Reign } from '../../../src/ports/primary.ts'
import type { Scheduler } from '../../../src/ports/schedule.ts'
import { tree } from '../../../src/schema/tree.ts'

const [hv1, hv2] = [NodeName.parse('hv1'), NodeName.parse('hv2')]
const login: PowerAccess = {
  method: 'ipmi',
  host: 'bmc',
  user: 'admin',
  password: 'hidden-word',
  interface: 'lanplus',
  cipherSuite: 3,
}

/** Ceph as one coordinator sees it: `problem` keeps it from blocklisting. */
function storageOf(osds: FakeOsdMap) {
  const ceph = { problem: undefined as PvcError | undefined, asked: 0 }
  const storage = new FakeStorageFence(osds)
  storage.mayBlocklist = async () => {
    ceph.asked += 1
    if (ceph.problem) throw ceph.problem
  }
  return { ceph, storage }
}

function schedulerByHand() {
  const fires: (() => void)[] = []
  const scheduler: Scheduler = {
    at(_, fire) {
      fires.push(fire)
      return { stop: () => void fires.splice(fires.indexOf(fire), 1) }
    },
  }
  return { fires, scheduler }
}

/** The coordinators hv1, which is primary, and hv2, each with a way of its own to the power controllers. */
async function setUp() {
  const clock = new ManualClock()
  const store = new FakeEnsemble({ clock }).connect()
  await clock.advance(10)
  const session = await store.connected(1000)
  const vault = createPowerVault(new ClusterKey(Buffer.alloc(32, 1)))
  await session.ensure(['/nodes', '/nodes/hv1', '/nodes/hv2'])
  for (const node of [hv1, hv2]) {
    await session.create(tree.node(node).power, vault.document(node, login))
    await session.create(tree.node(node).alive, { life: LifeId.parse('l') })
  }
  const faults = createFaultBoard(clock)
  const log = new FakeLog()
  const osds = new FakeOsdMap(new FakeCeph({ clock }))
  osds.addOsd(0, '10.0.1.1')
  const hookProblem = new MutableSignal<string | undefined>(undefined)
  const coordinators = [hv1, hv2]
  const { fires, scheduler } = schedulerByHand()
  const start = (self: NodeName) => {
    const power = new FakePower(clock)
    const { ceph, storage } = storageOf(osds)
    const isAble = new MutableSignal(true)
    const test = createReachTest({
      self,
      coordinators,
      session: () => session,
      isAble,
      power,
      vault,
      storage,
      schedule: '0 * * * *',
      scheduler,
      clock,
      log,
    })
    test.start()
    return { power, ceph, storage, isAble, test }
  }
  const [one, two] = [start(hv1), start(hv2)]
  const reignOf = (node: NodeName): Reign => ({
    node,
    epoch: 1,
    session,
    validForMs: () => 2000,
    ended: new AbortController().signal,
    maintenance: { isOn: false, run: async (_, work) => ({ kind: 'done', value: await work() }) },
    faults,
    resign: () => undefined,
  })
  const duty = createFenceTest({ coordinators, hookProblem, clock, log })
  await duty.start(reignOf(hv1))
  await clock.advance(3000)
  const readiness = async (node: NodeName) => (await session.get(tree.node(node).readiness))?.value
  const check = async (node: NodeName, name: string) =>
    (await readiness(node))?.checks.find((each) => each.name === name)
  const found = async (coordinator: NodeName, node: NodeName) =>
    (await session.get(tree.node(coordinator).fenceReach))?.value.tests.find((each) => each.node === node)
  const allByClock = async () => {
    for (const fire of fires) fire()
    await clock.advance(3000)
  }
  const wish = (node: NodeName, number: number) =>
    session.create(tree.node(node).fenceTest, { wish: number, by: 'op', at: 0 })
  const seen = () => faults.list().map(({ id, severity }) => `${id} ${severity}`)
  const world = { clock, session, faults, log, hookProblem, one, two, duty, reignOf }
  return { ...world, readiness, check, found, allByClock, wish, seen }
}

const denied = new PvcError('PVC_CEPH_FAILED', 'access denied')

describe('the fence test of every coordinator', () => {
  it('tests nodes that were never tested, and asks Ceph once for all', async () => {
    const { readiness, check, found, one, two, log } = await setUp()
    expect(await readiness(hv1)).toMatchObject({ run: 1, testedBy: 'hv1' })
    expect(await check(hv2, 'power')).toMatchObject({ isOk: true })
    expect((await found(hv2, hv1))?.checks.map(({ name, isOk }) => `${name} ${isOk}`)).toEqual([
      'power true',
      'blocklist true',
    ])
    expect([one.ceph.asked, two.ceph.asked]).toEqual([1, 1])
    expect([...one.power.actions, ...two.power.actions]).toEqual([])
    expect(JSON.stringify(log.entries)).not.toContain('hidden-word')
  })

  it('answers a wish for that node only, with its number, one coordinator after the other', async () => {
    const { clock, one, readiness, check, found, wish } = await setUp()
    one.power.flaw('hv2', 'refuse')
    await wish(hv2, 5)
    await clock.advance(100)
    expect((await readiness(hv2))?.run).toBe(5)
    expect(await check(hv2, 'power')).toMatchObject({
      isOk: false,
      message: expect.stringContaining('refuses the login'),
    })
    expect((await readiness(hv1))?.run).toBe(1)
    expect((await found(hv2, hv2))?.wish).toBe(0)
    await clock.advance(2000)
    expect(await found(hv2, hv2)).toMatchObject({ wish: 5, checks: [{ isOk: true }, { isOk: true }] })
  })

  it('tests all by the clock, and once some time after its start', async () => {
    const { clock, allByClock, readiness, two } = await setUp()
    await allByClock()
    expect([(await readiness(hv1))?.run, (await readiness(hv2))?.run]).toEqual([2, 2])
    await clock.advance(60_000)
    expect([(await readiness(hv1))?.run, two.ceph.asked]).toEqual([3, 3])
  })

  it('is not held up by one dead controller', async () => {
    const { clock, one, readiness, check, wish } = await setUp()
    one.power.flaw('hv1', 'dead')
    for (const node of [hv1, hv2]) await wish(node, 2)
    await clock.advance(1000)
    expect((await readiness(hv2))?.run).toBe(2)
    expect((await readiness(hv1))?.run).toBe(1)
    await clock.advance(5000)
    expect(await check(hv1, 'power')).toMatchObject({ isOk: false, message: expect.stringContaining('5000 ms') })
  })

  it('asks slow monitors twice', async () => {
    const { one, allByClock, check, seen } = await setUp()
    const slow = new PvcError('PVC_CEPH_TIMEOUT', 'timed out')
    one.storage.mayBlocklist = async () => {
      one.ceph.asked += 1
      if (one.ceph.asked === 2) throw slow
    }
    await allByClock()
    expect([await check(hv2, 'blocklist'), one.ceph.asked]).toMatchObject([{ isOk: true }, 3])
    one.storage.mayBlocklist = () => Promise.reject(slow)
    await allByClock()
    expect(seen()).toContain('FENCE_NOT_READY:hv2 error')
  })

  it('finds out that OSDs may not be asked for their map', async () => {
    const { one, allByClock, check, seen } = await setUp()
    const refusal = new PvcError('PVC_CEPH_FAILED', "Ceph user pvc may not ask OSDs; give it osd 'allow *'")
    one.storage.script.always('osdEpochs', { error: refusal })
    await allByClock()
    expect(await check(hv2, 'blocklist')).toMatchObject({
      isOk: false,
      message: expect.stringContaining("osd 'allow *'"),
    })
    expect(seen()).toContain('FENCE_NOT_READY:hv2 error')
  })

  it('says of a power document that it cannot open only that', async () => {
    const { session, allByClock, check } = await setUp()
    const other = createPowerVault(new ClusterKey(Buffer.alloc(32, 2))).document(hv2, login)
    const present = await session.get(tree.node(hv2).power)
    await session.set(tree.node(hv2).power, other, present?.version ?? 0)
    await allByClock()
    expect(await check(hv2, 'power')).toMatchObject({ isOk: false, message: expect.stringContaining('cluster key') })
    expect(await check(hv1, 'power')).toMatchObject({ isOk: true })
  })

  it('tests nothing while its daemon is not in state run, and goes on afterwards', async () => {
    const { clock, two, found, wish } = await setUp()
    two.isAble.set(false)
    await wish(hv1, 4)
    await clock.advance(40_000)
    expect((await found(hv2, hv1))?.wish).toBe(0)
    two.isAble.set(true)
    await clock.advance(2100)
    expect((await found(hv2, hv1))?.wish).toBe(4)
  })

  it('stops', async () => {
    const { clock, one, two, duty, found, wish } = await setUp()
    await Promise.all([one.test.stop(), two.test.stop(), duty.stop()])
    await wish(hv2, 9)
    await clock.advance(120_000)
    expect((await found(hv1, hv2))?.wish).toBe(0)
    expect(clock.pendingTimers).toBeLessThanOrEqual(1)
  })
})

describe('what the primary makes of it', () => {
  it('raises faults of the cluster, and takes them back', async () => {
    const { allByClock, one, two, hookProblem, seen, clock } = await setUp()
    one.ceph.problem = two.ceph.problem = denied
    await allByClock()
    expect(seen()).toEqual(['FENCE_NOT_READY:hv1 error', 'FENCE_NOT_READY:hv2 error'])
    one.ceph.problem = two.ceph.problem = undefined
    hookProblem.set('the command x ended with 1')
    await allByClock()
    await clock.advance(30_000)
    expect(seen()).not.toContain('FENCE_NOT_READY:hv1 error')
    expect(seen()).toContain('FENCE_HOOK warning')
  })

  it('names another coordinator that could not do what it can, until it can or is gone', async () => {
    const { allByClock, two, seen, faults, clock, session } = await setUp()
    const gaps = () => faults.list().filter(({ id }) => id === 'FENCE_COORDINATOR')
    two.ceph.problem = denied
    await allByClock()
    expect(gaps()[0]?.message).toContain('hv2 about hv1, hv2: Its addresses cannot be kept from writing to Ceph')
    two.ceph.problem = undefined
    await allByClock()
    expect(gaps()).toEqual([])
    two.power.flaw('hv1', 'refuse')
    await allByClock()
    expect(gaps()[0]?.message).toMatch(/hv2 about hv1: Its power cannot be read: .*refuses the login/)
    await session.remove(tree.node(hv2).alive.path)
    await clock.advance(30_000)
    expect(seen().join()).not.toContain('FENCE_COORDINATOR')
  })

  it('is judged anew by a new primary, from what that one had found', async () => {
    const { clock, one, two, allByClock, duty, reignOf, readiness, seen } = await setUp()
    two.power.flaw('hv1', 'dead')
    await allByClock()
    await clock.advance(6000)
    expect(seen().join()).toContain('FENCE_COORDINATOR')
    await one.test.stop()
    await duty.stop()
    const before = await readiness(hv1)
    await duty.start(reignOf(hv2))
    await clock.advance(100)
    expect(await readiness(hv1)).toMatchObject({ run: (before?.run ?? 0) + 1, testedBy: 'hv2' })
    expect(seen().filter((each) => each.startsWith('FENCE_NOT_READY:hv1'))).toHaveLength(1)
    expect(seen().join()).not.toContain('FENCE_COORDINATOR')
    await clock.advance(30_000)
    expect((await readiness(hv1))?.run).toBe((before?.run ?? 0) + 1)
  })
})
