/** Coordinators that make the fence test, and the primary that judges it, on a fake store, fake Ceph and fake controllers. */
import { z } from 'zod'
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
import type { StoreSession } from '../../../src/ports/store.ts'
import { json } from '../../../src/schema/codec.ts'
import { tree } from '../../../src/schema/tree.ts'
import { status } from '../node/node-status.ts'

export const [hv1, hv2, hv3] = [NodeName.parse('hv1'), NodeName.parse('hv2'), NodeName.parse('hv3')]
export const denied = new PvcError('PVC_CEPH_FAILED', 'access denied')
export const login: PowerAccess = {
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
    at(schedule, fire) {
      if (schedule === 'never')
        throw new PvcError('PVC_CONFIG_INVALID', '"never" is not a schedule of five cron fields')
      fires.push(fire)
      return { stop: () => void fires.splice(fires.indexOf(fire), 1) }
    },
  }
  return { fires, scheduler }
}

async function addNodes(session: StoreSession, vault: ReturnType<typeof createPowerVault>): Promise<void> {
  await session.ensure(['/nodes', '/nodes/hv1', '/nodes/hv2', '/nodes/hv3'])
  for (const node of [hv1, hv2, hv3]) {
    await session.create(tree.node(node).power, vault.document(node, login))
    await session.create(tree.node(node).alive, { life: LifeId.parse('l') })
    await session.create(tree.node(node).status, {
      ...status(node, 1),
      daemon: 'run',
      selfFence: 'armed',
      selfFenceBoundS: 20,
      watchdog: 'present',
    })
  }
}

/** Writes whatever it is where a document should be. */
export async function spoil(session: StoreSession, path: string): Promise<void> {
  const key = { path, codec: json(z.unknown()) }
  const present = await session.get(key)
  if (present === undefined) await session.create(key, { by: 'another release' })
  else await session.set(key, { by: 'another release' }, present.version)
}

/** The coordinators hv1, which is primary, and hv2, each with a way of its own to the power controllers; and the node hv3. */
export async function setUp(schedule = '0 * * * *') {
  const clock = new ManualClock()
  const ensemble = new FakeEnsemble({ clock })
  const store = ensemble.connect()
  await clock.advance(10)
  const session = await store.connected(1000)
  const vault = createPowerVault(new ClusterKey(Buffer.alloc(32, 1)), hv1)
  await addNodes(session, vault)
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
    const own = ensemble.connect()
    const deps = { self, coordinators, isAble, power, vault, storage, schedule, scheduler, clock, log }
    const test = createReachTest({ ...deps, session: () => own.session.value })
    test.start()
    return { power, ceph, storage, isAble, test, store: own }
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
  const world = { clock, ensemble, session, faults, log, hookProblem, one, two, duty, reignOf }
  return { ...world, readiness, check, found, allByClock, wish, seen }
}
