import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../src/adapters/fake/clock.ts'
import { FakeEnsemble, type FakeStore } from '../../../src/adapters/fake/store.ts'
import type { PvcError } from '../../../src/model/errors.ts'
import type { NodeName, PoolName, VmUuid, VolumeName } from '../../../src/model/ids.ts'
import type { StoreSession } from '../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../src/schema/tree.ts'
import { createIndex, type Index } from '../../../src/view/index.ts'
import {
  clusterCollection,
  nodesCollection,
  storageCollections,
  vmsCollection,
} from '../../../src/view/tree-collections.ts'
import { silentLog, status, tombstone } from './documents.ts'

let clock: ManualClock
let ensemble: FakeEnsemble
let store: FakeStore
let writer: StoreSession
let problems: PvcError[]

const vm = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}` as VmUuid

function start(): Index {
  return createIndex({
    store,
    clock,
    log: silentLog,
    collections: [clusterCollection(), vmsCollection(), nodesCollection(['status', 'alive']), ...storageCollections()],
    onProblem: (problem) => problems.push(problem),
  })
}

async function define(n: number, generation = 0, seq = 0): Promise<void> {
  await writer.create(tree.vm(vm(n)).spec, tombstone(vm(n), generation))
  await writer.create(tree.vm(vm(n)).status, status(seq))
}

beforeEach(async () => {
  clock = new ManualClock()
  ensemble = new FakeEnsemble({ clock })
  store = ensemble.connect()
  writer = await ensemble.connect().connected(0)
  await writer.ensure(TREE_DIRS)
  problems = []
})

describe('priming', () => {
  it('reads everything that is there, tells once, and reads nothing twice', async () => {
    for (let n = 0; n < 20; n += 1) await define(n)
    const index = start()
    const notices: number[] = []
    index.onChange((changes) => notices.push(changes.size))
    await index.ready(0).catch(() => undefined)
    await clock.advance(0)
    expect(index.isReady.value).toBe(true)
    expect(index.children(tree.vms.path)).toHaveLength(20)
    expect(index.get(tree.vm(vm(3)).status)?.value.phase).toBe('off')
    // 40 documents and the list of VMs; the lists of nodes, pools and volume pools are empty, so they are names too.
    expect(notices).toEqual([44])
    expect(store.session.value?.requests('get')).toBe(41)
  })

  it('is not ready as long as one reading fails', async () => {
    await define(1)
    store.session.value?.loseNext('get', 'not-applied')
    const index = start()
    await settle()
    expect(index.isReady.value).toBe(false)
    await clock.advance(1000)
    expect(index.isReady.value).toBe(true)
  })

  it('reads what was there before, also from a server that lags behind', async () => {
    ensemble.lag(store)
    await define(1)
    const index = start()
    await settle()
    expect(index.get(tree.vm(vm(1)).status)).toBeDefined()
  })

  it('is not ready and not usable without a connection', async () => {
    ensemble.suspend(store)
    const index = start()
    const ready = expect(index.ready(1000)).rejects.toMatchObject({ code: 'PVC_STORE_UNAVAILABLE' })
    await clock.advance(1000)
    await ready
    expect(index.isUsable).toBe(false)
    ensemble.resume(store)
    await settle()
    expect(index.isReady.value).toBe(true)
  })
})

describe('while connected', () => {
  let index: Index
  beforeEach(async () => {
    await define(1)
    index = start()
    await settle()
    expect(index.isFresh.value).toBe(true)
  })

  it('follows creation, change and removal', async () => {
    await define(2)
    await settle()
    expect(index.children(tree.vms.path)).toEqual([vm(1), vm(2)])
    expect(index.get(tree.vm(vm(2)).status)?.value.seq).toBe(0)
    await writer.set(tree.vm(vm(2)).status, status(1), 0)
    await settle()
    expect(index.get(tree.vm(vm(2)).status)).toMatchObject({ version: 1, value: { seq: 1 } })
    await writer.remove(tree.vm(vm(2)).status.path)
    await writer.remove(tree.vm(vm(2)).spec.path)
    await settle()
    expect(index.children(tree.vms.path)).toEqual([vm(1)])
    expect(index.get(tree.vm(vm(2)).spec)).toBeUndefined()
    expect(problems).toEqual([])
  })

  it('follows directories inside directories', async () => {
    const pool = 'vms' as PoolName
    await writer.ensure([tree.volumes(pool).path])
    const key = tree.volume(pool, 'disk0' as VolumeName)
    ensemble.tree.create(key.path, JSON.stringify({ pool, name: 'disk0', sizeBytes: 1 }), 'persistent', '0')
    await settle()
    expect(index.children(tree.volumes(pool).path)).toEqual(['disk0'])
    expect(index.get(key) ?? index.refused.get(key.path)).toBeDefined()
  })

  it('sees an ephemeral come, go and come again', async () => {
    const keys = tree.node('n1' as NodeName)
    await writer.create(keys.spec, { name: 'n1' as NodeName, generation: 0, mode: 'coordinator', wanted: 'ready' })
    const other = ensemble.connect()
    const life = { life: 'L' as never }
    await other.session.value?.create(keys.alive, life, 'ephemeral')
    await settle()
    expect(index.get(keys.alive)?.ephemeralOwner).toBe(other.session.value?.id)
    ensemble.expire(other)
    await settle()
    expect(index.get(keys.alive)).toBeUndefined()
    await other.session.value?.create(keys.alive, life, 'ephemeral')
    await settle()
    expect(index.get(keys.alive)?.ephemeralOwner).toBe(other.session.value?.id)
  })

  it('tells of many changes at once in one notice', async () => {
    const notices: ReadonlyMap<string, string>[] = []
    index.onChange((changes) => notices.push(changes))
    const key = tree.vm(vm(1)).status
    await writer.set(key, status(1), 0)
    await writer.set(key, status(2), 1)
    await settle()
    expect(notices.flatMap((each) => [...each])).toContainEqual([key.path, 'changed'])
    expect(index.get(key)?.value.seq).toBe(2)
  })

  it('refuses a document that went backwards, keeps the good one and says so', async () => {
    const key = tree.vm(vm(1)).status
    await writer.set(key, status(5), 0)
    await settle()
    ensemble.tree.tamper(key.path, JSON.stringify(status(4)))
    await settle()
    expect(index.get(key)?.value.seq).toBe(5)
    expect(index.get(key)?.refused).toMatchObject({ code: 'PVC_STORE_ROLLBACK' })
    expect(problems.map(({ code }) => code)).toEqual(['PVC_STORE_ROLLBACK'])
    expect([...index.refused.keys()]).toEqual([key.path])
  })

  it('one document that cannot be decoded does not stop the others', async () => {
    ensemble.tree.tamper(tree.vm(vm(1)).spec.path, 'not json')
    await define(2)
    await settle()
    expect(index.refused.get(tree.vm(vm(1)).spec.path)).toMatchObject({ code: 'PVC_STORE_CORRUPT' })
    expect(index.get(tree.vm(vm(2)).spec)).toBeDefined()
    expect(index.isFresh.value).toBe(true)
  })

  it('believes a refused document again once it has caught up', async () => {
    const key = tree.vm(vm(1)).status
    await writer.set(key, status(5), 0)
    await settle()
    ensemble.tree.tamper(key.path, JSON.stringify(status(4)))
    await settle()
    ensemble.tree.tamper(key.path, JSON.stringify(status(6)))
    await settle()
    expect(index.get(key)?.value.seq).toBe(6)
    expect(index.get(key)?.refused).toBeUndefined()
    expect(index.refused.size).toBe(0)
  })

  it('an answer that comes after the document is gone does not bring it back', async () => {
    const { spec, status: statusKey } = tree.vm(vm(1))
    const release = store.session.value?.holdAnswers()
    await writer.set(statusKey, status(1), 0)
    await settle()
    store.session.value?.holdAnswers()()
    await writer.remove(statusKey.path)
    await writer.remove(spec.path)
    await settle()
    expect(index.children(tree.vms.path)).toEqual([])
    release?.()
    await settle()
    expect(index.get(statusKey)).toBeUndefined()
  })

  it('finds a VM that was away when its document was read and came again before the names were', async () => {
    const { spec } = tree.vm(vm(2))
    const releaseNames = store.session.value?.holdAnswers()
    await writer.create(spec, tombstone(vm(2), 0))
    await settle()
    await writer.remove(spec.path)
    const releaseDocument = store.session.value?.holdAnswers()
    releaseNames?.()
    await settle()
    await writer.create(spec, tombstone(vm(2), 0))
    releaseDocument?.()
    await settle()
    expect(index.get(spec)).toBeDefined()
  })

  it('reads no more of what is gone', async () => {
    await define(2)
    await settle()
    await writer.remove(tree.vm(vm(2)).status.path)
    await writer.remove(tree.vm(vm(2)).spec.path)
    await settle()
    const before = store.session.value?.requests('get') ?? 0
    await clock.advance(120_000)
    expect((store.session.value?.requests('get') ?? 0) - before).toBe(3)
  })

  it('reports a child whose name is none of ours and goes on', async () => {
    ensemble.tree.create('/vms/lost+found', '', 'persistent', '0')
    await define(2)
    await settle()
    expect(problems[0]?.message).toContain('/vms/lost+found')
    expect(index.get(tree.vm(vm(2)).spec)).toBeDefined()
  })

  it('leaves no watch behind for VMs that are gone', async () => {
    const before = store.session.value?.watches.size
    for (let n = 100; n < 120; n += 1) await define(n)
    await settle()
    expect(index.get(tree.vm(vm(119)).status)).toBeDefined()
    for (let n = 100; n < 120; n += 1) {
      await writer.remove(tree.vm(vm(n)).status.path)
      await writer.remove(tree.vm(vm(n)).spec.path)
    }
    await settle()
    expect(index.children(tree.vms.path)).toEqual([vm(1)])
    expect(store.session.value?.watches.size).toBe(before)
  })

  it('finds a status that came after its VM was first seen', async () => {
    const { spec, status: statusKey } = tree.vm(vm(2))
    await writer.create(spec, tombstone(vm(2), 0))
    await settle()
    expect(index.get(spec)).toBeDefined()
    await writer.create(statusKey, status(3))
    await writer.set(spec, tombstone(vm(2), 1), 0)
    await settle()
    expect(index.get(statusKey)?.value.seq).toBe(3)
  })

  it('the slow pass finds what no watch told', async () => {
    const key = tree.vm(vm(1)).status
    store.session.value?.watches.drop()
    await writer.set(key, status(1), 0)
    await settle()
    expect(index.get(key)?.value.seq).toBe(0)
    await clock.advance(120_000)
    expect(index.get(key)?.value.seq).toBe(1)
  })

  it('tries a failed reading again', async () => {
    const key = tree.vm(vm(1)).status
    store.session.value?.loseNext('get', 'not-applied')
    await writer.set(key, status(1), 0)
    await settle()
    expect(index.isFresh.value).toBe(false)
    await clock.advance(1000)
    expect(index.get(key)?.value.seq).toBe(1)
    expect(index.isFresh.value).toBe(true)
  })
})

it('spreads the VMs over several connections, as one index', async () => {
  for (let n = 0; n < 10; n += 1) await define(n)
  const second = ensemble.connect()
  const index = createIndex({
    store,
    clock,
    log: silentLog,
    collections: [vmsCollection({ index: 0, of: 2 })],
    more: [{ store: second, collections: [vmsCollection({ index: 1, of: 2 })] }],
  })
  await settle()
  expect(index.isReady.value).toBe(true)
  expect(index.children(tree.vms.path).map((uuid) => index.get(tree.vm(uuid as VmUuid).status)?.value.seq)).toEqual(
    Array(10).fill(0),
  )
  expect([store, second].map((each) => each.session.value?.watches.size)).toEqual([11, 11])
  ensemble.suspend(second)
  expect(index.isFresh.value).toBe(false)
  await clock.advance(3000)
  ensemble.suspend(store)
  expect(index.staleForMs()).toBeGreaterThanOrEqual(3000)
  ensemble.up()
  await settle()
  expect(index.isFresh.value).toBe(true)
  const { mzxid } = await writer.set(tree.vm(vm(7)).status, status(1), 0)
  expect(await index.reached(tree.vm(vm(7)).status.path, mzxid, 1000)).toBe(true)
  expect(index.get(tree.vm(vm(7)).status)?.value.seq).toBe(1)
})

describe('waiting for a write', () => {
  it('ends when the index has seen it', async () => {
    await define(1)
    const index = start()
    await settle()
    const key = tree.vm(vm(1)).status
    const { mzxid } = await writer.set(key, status(1), 0)
    expect(await index.reached(key.path, mzxid, 5000)).toBe(true)
    expect(index.get(key)?.mzxid).toBe(mzxid)
  })

  it('looks by itself when no watch tells', async () => {
    await define(1)
    const index = start()
    await settle()
    store.session.value?.watches.drop()
    const key = tree.vm(vm(1)).status
    const { mzxid } = await writer.set(key, status(1), 0)
    const reached = index.reached(key.path, mzxid, 5000)
    await clock.advance(200)
    expect(await reached).toBe(true)
    expect(index.get(key)?.value.seq).toBe(1)
  })

  it('looks at what the servers agreed on, not at what its own lags behind with', async () => {
    await define(1)
    const index = start()
    await settle()
    ensemble.lag(store)
    const key = tree.vm(vm(1)).status
    const { mzxid } = await writer.set(key, status(1), 0)
    const reached = index.reached(key.path, mzxid, 5000)
    await clock.advance(200)
    expect(await reached).toBe(true)
    expect(index.get(key)?.value.seq).toBe(1)
  })

  it('gives up at its deadline without any session', async () => {
    const index = start()
    await settle()
    await store.close()
    const reached = index.reached(tree.cluster.path, 1n, 1000)
    await clock.advance(1000)
    expect(await reached).toBe(false)
  })

  it('gives up at its deadline while the connection is away', async () => {
    await define(1)
    const index = start()
    await settle()
    ensemble.suspend(store)
    const key = tree.vm(vm(1)).status
    const { mzxid } = await writer.set(key, status(1), 0)
    const reached = index.reached(key.path, mzxid, 3000)
    await clock.advance(3000)
    expect(await reached).toBe(false)
  })

  it('ends when a removal was seen, also of a document the index never saw', async () => {
    await define(1)
    const index = start()
    await settle()
    const { spec, status: statusKey } = tree.vm(vm(1))
    await writer.remove(statusKey.path)
    expect(await index.removed(statusKey.path, 5000)).toBe(true)
    expect(index.get(statusKey)).toBeUndefined()
    await writer.remove(spec.path)
    const gone = index.removed(statusKey.path, 5000)
    await clock.advance(200)
    expect(await gone).toBe(true)
    expect(index.children(tree.vms.path)).toEqual([])
  })
})

describe('without a connection', () => {
  it('serves what it has, knows its age, and reads everything again when the session lived on', async () => {
    await define(1)
    const index = start()
    await settle()
    ensemble.suspend(store)
    await writer.set(tree.vm(vm(1)).status, status(1), 0)
    await writer.remove(tree.vm(vm(1)).status.path)
    await define(2)
    await clock.advance(3000)
    expect(index.isFresh.value).toBe(false)
    expect(index.isUsable).toBe(true)
    expect(index.staleForMs()).toBeGreaterThanOrEqual(3000)
    expect(index.get(tree.vm(vm(1)).status)?.value.seq).toBe(0)
    ensemble.resume(store)
    await settle()
    expect(index.isFresh.value).toBe(true)
    expect(index.staleForMs()).toBe(0)
    expect(index.get(tree.vm(vm(1)).status)).toBeUndefined()
    expect(index.get(tree.vm(vm(2)).status)?.value.seq).toBe(0)
  })

  it('is not usable any more after ten seconds', async () => {
    const index = start()
    await settle()
    ensemble.down()
    await clock.advance(11_000)
    expect(index.isUsable).toBe(false)
    ensemble.up()
    await settle()
    expect(index.isUsable).toBe(true)
  })

  it('reads everything in the session that follows a lost one, and tells only of what changed', async () => {
    await define(1)
    await define(2)
    const index = start()
    await settle()
    const changes: string[] = []
    index.onChange((notice) => changes.push(...notice.keys()))
    ensemble.suspend(store)
    await clock.advance(7000)
    await writer.set(tree.vm(vm(2)).status, status(1), 0)
    ensemble.resume(store)
    await settle()
    expect(index.isFresh.value).toBe(true)
    expect(changes).toEqual([tree.vm(vm(2)).status.path])
    await writer.set(tree.vm(vm(2)).status, status(2), 1)
    await settle()
    expect(index.get(tree.vm(vm(2)).status)?.value.seq).toBe(2)
  })
})

it('stops completely', async () => {
  const index = start()
  await settle()
  index.close()
  await define(1)
  await settle()
  expect(index.children(tree.vms.path)).toEqual([])
  expect(clock.pendingTimers).toBe(0)
})
