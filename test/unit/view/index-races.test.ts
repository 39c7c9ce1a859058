import { beforeEach, describe, expect, it } from 'vitest'
import { settle } from '../../../src/adapters/fake/clock.ts'
import { tree } from '../../../src/schema/tree.ts'
import { status, tombstone } from './documents.ts'
import { openRunningIndex, vm } from './index-world.ts'

let world: Awaited<ReturnType<typeof openRunningIndex>>

beforeEach(async () => {
  world = await openRunningIndex()
})

describe('an index', () => {
  it('an answer that comes after the document is gone does not bring it back', async () => {
    const { spec, status: statusKey } = tree.vm(vm(1))
    const release = world.store.session.value?.holdAnswers()
    await world.writer.set(statusKey, status(1), 0)
    await settle()
    world.store.session.value?.holdAnswers()()
    await world.writer.remove(statusKey.path)
    await world.writer.remove(spec.path)
    await settle()
    expect(world.index.children(tree.vms.path)).toEqual([])
    release?.()
    await settle()
    expect(world.index.get(statusKey)).toBeUndefined()
  })

  it('finds a VM that was away when its document was read and came again before the names were', async () => {
    const { spec } = tree.vm(vm(2))
    const releaseNames = world.store.session.value?.holdAnswers()
    await world.writer.create(spec, tombstone(vm(2), 0))
    await settle()
    await world.writer.remove(spec.path)
    const releaseDocument = world.store.session.value?.holdAnswers()
    releaseNames?.()
    await settle()
    await world.writer.create(spec, tombstone(vm(2), 0))
    releaseDocument?.()
    await settle()
    expect(world.index.get(spec)).toBeDefined()
  })

  it('reads no more of what is gone', async () => {
    await world.define(2)
    await settle()
    await world.writer.remove(tree.vm(vm(2)).status.path)
    await world.writer.remove(tree.vm(vm(2)).spec.path)
    await settle()
    const before = world.store.session.value?.requests('get') ?? 0
    await world.clock.advance(120_000)
    expect((world.store.session.value?.requests('get') ?? 0) - before).toBe(3)
  })

  it('leaves no watch behind for VMs that are gone', async () => {
    const before = world.store.session.value?.watches.size
    for (let n = 100; n < 120; n += 1) await world.define(n)
    await settle()
    expect(world.index.get(tree.vm(vm(119)).status)).toBeDefined()
    for (let n = 100; n < 120; n += 1) {
      await world.writer.remove(tree.vm(vm(n)).status.path)
      await world.writer.remove(tree.vm(vm(n)).spec.path)
    }
    await settle()
    expect(world.index.children(tree.vms.path)).toEqual([vm(1)])
    expect(world.store.session.value?.watches.size).toBe(before)
  })

  it('finds a status that came after its VM was first seen', async () => {
    const { spec, status: statusKey } = tree.vm(vm(2))
    await world.writer.create(spec, tombstone(vm(2), 0))
    await settle()
    expect(world.index.get(spec)).toBeDefined()
    await world.writer.create(statusKey, status(3))
    await world.writer.set(spec, tombstone(vm(2), 1), 0)
    await settle()
    expect(world.index.get(statusKey)?.value.seq).toBe(3)
  })

  it('the slow pass finds what no watch told', async () => {
    const key = tree.vm(vm(1)).status
    world.store.session.value?.watches.drop()
    await world.writer.set(key, status(1), 0)
    await settle()
    expect(world.index.get(key)?.value.seq).toBe(0)
    await world.clock.advance(120_000)
    expect(world.index.get(key)?.value.seq).toBe(1)
  })

  it('tries a failed reading again', async () => {
    const key = tree.vm(vm(1)).status
    world.store.session.value?.loseNext('get', 'not-applied')
    await world.writer.set(key, status(1), 0)
    await settle()
    expect(world.index.isFresh.value).toBe(false)
    await world.clock.advance(1000)
    expect(world.index.get(key)?.value.seq).toBe(1)
    expect(world.index.isFresh.value).toBe(true)
  })
})
