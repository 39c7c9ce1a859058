import { beforeEach, describe, expect, it } from 'vitest'
import { settle } from '../../../src/adapters/fake/clock.ts'
import { tree } from '../../../src/schema/tree.ts'
import { status } from './documents.ts'
import { openRunningIndex, vm } from './index-world.ts'

let world: Awaited<ReturnType<typeof openRunningIndex>>

beforeEach(async () => {
  world = await openRunningIndex()
})

describe('an index', () => {
  it('refuses a document that went backwards, keeps the good one and says so', async () => {
    const key = tree.vm(vm(1)).status
    await world.writer.set(key, status(5), 0)
    await settle()
    world.ensemble.tree.tamper(key.path, JSON.stringify(status(4)))
    await settle()
    expect(world.index.get(key)?.value.seq).toBe(5)
    expect(world.index.get(key)?.refused).toMatchObject({ code: 'PVC_STORE_ROLLBACK' })
    expect(world.problems.map(({ code }) => code)).toEqual(['PVC_STORE_ROLLBACK'])
    expect([...world.index.refused.keys()]).toEqual([key.path])
  })

  it('one document that cannot be decoded does not stop the others', async () => {
    world.ensemble.tree.tamper(tree.vm(vm(1)).spec.path, 'not json')
    await world.define(2)
    await settle()
    expect(world.index.refused.get(tree.vm(vm(1)).spec.path)).toMatchObject({ code: 'PVC_STORE_CORRUPT' })
    expect(world.index.get(tree.vm(vm(2)).spec)).toBeDefined()
    expect(world.index.isFresh.value).toBe(true)
  })

  it('believes a refused document again once it has caught up', async () => {
    const key = tree.vm(vm(1)).status
    await world.writer.set(key, status(5), 0)
    await settle()
    world.ensemble.tree.tamper(key.path, JSON.stringify(status(4)))
    await settle()
    world.ensemble.tree.tamper(key.path, JSON.stringify(status(6)))
    await settle()
    expect(world.index.get(key)?.value.seq).toBe(6)
    expect(world.index.get(key)?.refused).toBeUndefined()
    expect(world.index.refused.size).toBe(0)
  })

  it('reports a child whose name is none of ours and goes on', async () => {
    world.ensemble.tree.create('/vms/lost+found', '', 'persistent', '0')
    await world.define(2)
    await settle()
    expect(world.problems[0]?.message).toContain('/vms/lost+found')
    expect(world.index.get(tree.vm(vm(2)).spec)).toBeDefined()
  })
})
