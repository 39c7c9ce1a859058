import { beforeEach, describe, expect, it } from 'vitest'
import { settle } from '../../../src/adapters/fake/clock.ts'
import type { VmUuid } from '../../../src/model/ids.ts'
import { tree } from '../../../src/schema/tree.ts'
import { createIndex } from '../../../src/view/index.ts'
import { vmsCollection } from '../../../src/view/tree-collections.ts'
import { silentLog, status } from './documents.ts'
import { type IndexWorld, openIndexWorld, vm } from './index-world.ts'

let world: IndexWorld

beforeEach(async () => {
  world = await openIndexWorld()
})

describe('priming', () => {
  it('reads everything that is there, tells once, and reads nothing twice', async () => {
    for (let n = 0; n < 20; n += 1) await world.define(n)
    const index = world.start()
    const notices: number[] = []
    index.onChange((changes) => notices.push(changes.size))
    await index.ready(0).catch(() => undefined)
    await world.clock.advance(0)
    expect(index.isReady.value).toBe(true)
    expect(index.children(tree.vms.path)).toHaveLength(20)
    expect(index.get(tree.vm(vm(3)).status)?.value.phase).toBe('off')
    // 40 documents and the list of VMs; the lists of nodes, pools and volume pools are empty, so they are names too.
    expect(notices).toEqual([44])
    expect(world.store.session.value?.requests('get')).toBe(41)
  })

  it('is not ready as long as one reading fails', async () => {
    await world.define(1)
    world.store.session.value?.loseNext('get', 'not-applied')
    const index = world.start()
    await settle()
    expect(index.isReady.value).toBe(false)
    await world.clock.advance(1000)
    expect(index.isReady.value).toBe(true)
  })

  it('reads what was there before, also from a server that lags behind', async () => {
    world.ensemble.lag(world.store)
    await world.define(1)
    const index = world.start()
    await settle()
    expect(index.get(tree.vm(vm(1)).status)).toBeDefined()
  })

  it('is not ready and not usable without a connection', async () => {
    world.ensemble.suspend(world.store)
    const index = world.start()
    const ready = expect(index.ready(1000)).rejects.toMatchObject({ code: 'PVC_STORE_UNAVAILABLE' })
    await world.clock.advance(1000)
    await ready
    expect(index.isUsable).toBe(false)
    world.ensemble.resume(world.store)
    await settle()
    expect(index.isReady.value).toBe(true)
  })
})

it('spreads the VMs over several connections, as one index', async () => {
  for (let n = 0; n < 10; n += 1) await world.define(n)
  const second = world.ensemble.connect()
  const index = createIndex({
    store: world.store,
    clock: world.clock,
    log: silentLog,
    collections: [vmsCollection({ index: 0, of: 2 })],
    more: [{ store: second, collections: [vmsCollection({ index: 1, of: 2 })] }],
  })
  await settle()
  expect(index.isReady.value).toBe(true)
  expect(index.children(tree.vms.path).map((uuid) => index.get(tree.vm(uuid as VmUuid).status)?.value.seq)).toEqual(
    Array(10).fill(0),
  )
  expect([world.store, second].map((each) => each.session.value?.watches.size)).toEqual([11, 11])
  world.ensemble.suspend(second)
  expect(index.isFresh.value).toBe(false)
  await world.clock.advance(3000)
  world.ensemble.suspend(world.store)
  expect(index.staleForMs()).toBeGreaterThanOrEqual(3000)
  world.ensemble.up()
  await settle()
  expect(index.isFresh.value).toBe(true)
  const { mzxid } = await world.writer.set(tree.vm(vm(7)).status, status(1), 0)
  expect(await index.reached(tree.vm(vm(7)).status.path, mzxid, 1000)).toBe(true)
  expect(index.get(tree.vm(vm(7)).status)?.value.seq).toBe(1)
})

describe('waiting for a write', () => {
  it('ends when the index has seen it', async () => {
    await world.define(1)
    const index = world.start()
    await settle()
    const key = tree.vm(vm(1)).status
    const { mzxid } = await world.writer.set(key, status(1), 0)
    expect(await index.reached(key.path, mzxid, 5000)).toBe(true)
    expect(index.get(key)?.mzxid).toBe(mzxid)
  })

  it('looks by itself when no watch tells', async () => {
    await world.define(1)
    const index = world.start()
    await settle()
    world.store.session.value?.watches.drop()
    const key = tree.vm(vm(1)).status
    const { mzxid } = await world.writer.set(key, status(1), 0)
    const reached = index.reached(key.path, mzxid, 5000)
    await world.clock.advance(200)
    expect(await reached).toBe(true)
    expect(index.get(key)?.value.seq).toBe(1)
  })

  it('looks at what the servers agreed on, not at what its own lags behind with', async () => {
    await world.define(1)
    const index = world.start()
    await settle()
    world.ensemble.lag(world.store)
    const key = tree.vm(vm(1)).status
    const { mzxid } = await world.writer.set(key, status(1), 0)
    const reached = index.reached(key.path, mzxid, 5000)
    await world.clock.advance(200)
    expect(await reached).toBe(true)
    expect(index.get(key)?.value.seq).toBe(1)
  })

  it('gives up at its deadline without any session', async () => {
    const index = world.start()
    await settle()
    await world.store.close()
    const reached = index.reached(tree.cluster.path, 1n, 1000)
    await world.clock.advance(1000)
    expect(await reached).toBe(false)
  })

  it('gives up at its deadline while the connection is away', async () => {
    await world.define(1)
    const index = world.start()
    await settle()
    world.ensemble.suspend(world.store)
    const key = tree.vm(vm(1)).status
    const { mzxid } = await world.writer.set(key, status(1), 0)
    const reached = index.reached(key.path, mzxid, 3000)
    await world.clock.advance(3000)
    expect(await reached).toBe(false)
  })

  it('ends when a removal was seen, also of a document the index never saw', async () => {
    await world.define(1)
    const index = world.start()
    await settle()
    const { spec, status: statusKey } = tree.vm(vm(1))
    await world.writer.remove(statusKey.path)
    expect(await index.removed(statusKey.path, 5000)).toBe(true)
    expect(index.get(statusKey)).toBeUndefined()
    await world.writer.remove(spec.path)
    const gone = index.removed(statusKey.path, 5000)
    await world.clock.advance(200)
    expect(await gone).toBe(true)
    expect(index.children(tree.vms.path)).toEqual([])
  })
})

describe('without a connection', () => {
  it('serves what it has, knows its age, and reads everything again when the session lived on', async () => {
    await world.define(1)
    const index = world.start()
    await settle()
    world.ensemble.suspend(world.store)
    await world.writer.set(tree.vm(vm(1)).status, status(1), 0)
    await world.writer.remove(tree.vm(vm(1)).status.path)
    await world.define(2)
    await world.clock.advance(3000)
    expect(index.isFresh.value).toBe(false)
    expect(index.isUsable).toBe(true)
    expect(index.staleForMs()).toBeGreaterThanOrEqual(3000)
    expect(index.get(tree.vm(vm(1)).status)?.value.seq).toBe(0)
    world.ensemble.resume(world.store)
    await settle()
    expect(index.isFresh.value).toBe(true)
    expect(index.staleForMs()).toBe(0)
    expect(index.get(tree.vm(vm(1)).status)).toBeUndefined()
    expect(index.get(tree.vm(vm(2)).status)?.value.seq).toBe(0)
  })

  it('is not usable any more after ten seconds', async () => {
    const index = world.start()
    await settle()
    world.ensemble.down()
    await world.clock.advance(11_000)
    expect(index.isUsable).toBe(false)
    world.ensemble.up()
    await settle()
    expect(index.isUsable).toBe(true)
  })

  it('reads everything in the session that follows a lost one, and tells only of what changed', async () => {
    await world.define(1)
    await world.define(2)
    const index = world.start()
    await settle()
    const changes: string[] = []
    index.onChange((notice) => changes.push(...notice.keys()))
    world.ensemble.suspend(world.store)
    await world.clock.advance(7000)
    await world.writer.set(tree.vm(vm(2)).status, status(1), 0)
    world.ensemble.resume(world.store)
    await settle()
    expect(index.isFresh.value).toBe(true)
    expect(changes).toEqual([tree.vm(vm(2)).status.path])
    await world.writer.set(tree.vm(vm(2)).status, status(2), 1)
    await settle()
    expect(index.get(tree.vm(vm(2)).status)?.value.seq).toBe(2)
  })
})

it('stops completely', async () => {
  const index = world.start()
  await settle()
  index.close()
  await world.define(1)
  await settle()
  expect(index.children(tree.vms.path)).toEqual([])
  expect(world.clock.pendingTimers).toBe(0)
})
