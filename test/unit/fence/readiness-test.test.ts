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
import { createFenceTest } from '../../../src/fence/readiness-test.ts'
import { PvcError } from '../../../src/model/errors.ts'
import { LifeId, NodeName } from '../../../src/model/ids.ts'
import type { PowerAccess } from '../../../src/model/power.ts'
import { createFaultBoard } from '../../../src/node/faults.ts'
import type { Reign } from '../../../src/ports/primary.ts'
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
  const power = new FakePower(clock)
  const faults = createFaultBoard(clock)
  const log = new FakeLog()
  const ceph = { problem: undefined as PvcError | undefined, asked: 0 }
  const osds = new FakeOsdMap(new FakeCeph({ clock }))
  osds.addOsd(0, '10.0.1.1')
  const storage = new FakeStorageFence(osds)
  storage.mayBlocklist = async () => {
    ceph.asked += 1
    if (ceph.problem) throw ceph.problem
  }
  const hookProblem = new MutableSignal<string | undefined>(undefined)
  const reign: Reign = {
    node: hv1,
    epoch: 1,
    session,
    validForMs: () => 2000,
    ended: new AbortController().signal,
    maintenance: { isOn: false, run: async (_, work) => ({ kind: 'done', value: await work() }) },
    faults,
    resign: () => undefined,
  }
  const test = createFenceTest({ power, vault, storage, schedule: '0 * * * *', hookProblem, clock, log })
  await test.role.start(reign)
  await clock.advance(1000)
  const readiness = async (node: NodeName) => (await session.get(tree.node(node).readiness))?.value
  const check = async (node: NodeName, name: string) =>
    (await readiness(node))?.checks.find((each) => each.name === name)
  return { clock, session, power, faults, log, ceph, storage, hookProblem, reign, test, readiness, check }
}

describe('the fence test of the primary', () => {
  it('tests nodes that were never tested, and asks Ceph once for all', async () => {
    const { readiness, check, ceph, log, power } = await setUp()
    expect((await readiness(hv1))?.run).toBe(1)
    expect(await check(hv2, 'power')).toMatchObject({ isOk: true })
    expect(ceph.asked).toBe(1)
    expect(power.actions).toEqual([])
    expect(JSON.stringify(log.entries)).not.toContain('hidden-word')
  })

  it('answers a wish at once, for that node only, with its number', async () => {
    const { clock, session, power, readiness, check } = await setUp()
    power.flaw('hv2', 'refuse')
    await session.create(tree.node(hv2).fenceTest, { wish: 5, by: 'op', at: 0 })
    await clock.advance(100)
    expect((await readiness(hv2))?.run).toBe(5)
    expect(await check(hv2, 'power')).toMatchObject({
      isOk: false,
      message: expect.stringContaining('refuses the login'),
    })
    expect((await readiness(hv1))?.run).toBe(1)
  })

  it('tests all by the clock', async () => {
    const { clock, test, reign, readiness } = await setUp()
    await test.job.run(reign)
    await clock.advance(100)
    expect([(await readiness(hv1))?.run, (await readiness(hv2))?.run]).toEqual([2, 2])
  })

  it('is not held up by one dead controller', async () => {
    const { clock, session, power, readiness, check } = await setUp()
    power.flaw('hv1', 'dead')
    for (const node of [hv1, hv2]) await session.create(tree.node(node).fenceTest, { wish: 2, by: 'op', at: 0 })
    await clock.advance(1000)
    expect((await readiness(hv2))?.run).toBe(2)
    expect((await readiness(hv1))?.run).toBe(1)
    await clock.advance(5000)
    expect(await check(hv1, 'power')).toMatchObject({ isOk: false, message: expect.stringContaining('5000 ms') })
  })

  it('raises faults of the cluster, and takes them back', async () => {
    const { clock, test, reign, ceph, faults, hookProblem } = await setUp()
    ceph.problem = new PvcError('PVC_CEPH_FAILED', 'access denied')
    await test.job.run(reign)
    await clock.advance(30_000)
    const seen = () => faults.list().map(({ id, severity }) => `${id} ${severity}`)
    expect(seen()).toEqual(['FENCE_NOT_READY:hv1 error', 'FENCE_NOT_READY:hv2 error'])
    ceph.problem = undefined
    hookProblem.set('the command x ended with 1')
    await test.job.run(reign)
    await clock.advance(30_000)
    expect(seen()).not.toContain('FENCE_NOT_READY:hv1 error')
    expect(seen()).toContain('FENCE_HOOK warning')
  })

  it('finds out that OSDs may not be asked for their map', async () => {
    const { clock, test, reign, storage, check, faults } = await setUp()
    const denied = new PvcError(
      'PVC_CEPH_FAILED',
      "Ceph user pvc may not ask OSDs for their map; give it osd 'allow *'",
    )
    storage.script.always('osdEpochs', { error: denied })
    await test.job.run(reign)
    await clock.advance(30_000)
    expect(await check(hv2, 'blocklist')).toMatchObject({
      isOk: false,
      message: expect.stringContaining("osd 'allow *'"),
    })
    expect(faults.list().map(({ id }) => id)).toContain('FENCE_NOT_READY:hv2')
  })

  it('stops', async () => {
    const { clock, session, test, readiness } = await setUp()
    await test.role.stop()
    await session.create(tree.node(hv2).fenceTest, { wish: 9, by: 'op', at: 0 })
    await clock.advance(60_000)
    expect((await readiness(hv2))?.run).toBe(1)
    expect(clock.pendingTimers).toBeLessThanOrEqual(1)
  })
})
