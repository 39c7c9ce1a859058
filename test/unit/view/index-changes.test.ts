import { beforeEach, describe, expect, it } from 'vitest'
import { settle } from '../../../src/adapters/fake/clock.ts'
import type { NodeName, PoolName, VolumeName } from '../../../src/model/ids.ts'
import { tree } from '../../../src/schema/tree.ts'
import { status } from './documents.ts'
import { openRunningIndex, vm } from './index-world.ts'

let world: Awaited<ReturnType<typeof openRunningIndex>>

beforeEach(async () => {
  world = await openRunningIndex()
})

describe('an index', () => {
  it('follows creation, change and removal', async () => {
    await world.define(2)
    await settle()
    expect(world.index.children(tree.vms.path)).toEqual([vm(1), vm(2)])
    expect(world.index.get(tree.vm(vm(2)).status)?.value.seq).toBe(0)
    await world.writer.set(tree.vm(vm(2)).status, status(1), 0)
    await settle()
    expect(world.index.get(tree.vm(vm(2)).status)).toMatchObject({ version: 1, value: { seq: 1 } })
    await world.writer.remove(tree.vm(vm(2)).status.path)
    await world.writer.remove(tree.vm(vm(2)).spec.path)
    await settle()
    expect(world.index.children(tree.vms.path)).toEqual([vm(1)])
    expect(world.index.get(tree.vm(vm(2)).spec)).toBeUndefined()
    expect(world.problems).toEqual([])
  })

  it('follows directories inside directories', async () => {
    const pool = 'vms' as PoolName
    await world.writer.ensure([tree.volumes(pool).path])
    const key = tree.volume(pool, 'disk0' as VolumeName)
    world.ensemble.tree.create(key.path, JSON.stringify({ pool, name: 'disk0', sizeBytes: 1 }), 'persistent', '0')
    await settle()
    expect(world.index.children(tree.volumes(pool).path)).toEqual(['disk0'])
    expect(world.index.get(key) ?? world.index.refused.get(key.path)).toBeDefined()
  })

  it('sees an ephemeral come, go and come again', async () => {
    const keys = tree.node('n1' as NodeName)
    await world.writer.create(keys.spec, {
      name: 'n1' as NodeName,
      generation: 0,
      mode: 'coordinator',
      wanted: 'ready',
      wish: 0,
    })
    const other = world.ensemble.connect()
    const life = { life: 'L' as never }
    await other.session.value?.create(keys.alive, life, 'ephemeral')
    await settle()
    expect(world.index.get(keys.alive)?.ephemeralOwner).toBe(other.session.value?.id)
    world.ensemble.expire(other)
    await settle()
    expect(world.index.get(keys.alive)).toBeUndefined()
    await other.session.value?.create(keys.alive, life, 'ephemeral')
    await settle()
    expect(world.index.get(keys.alive)?.ephemeralOwner).toBe(other.session.value?.id)
  })

  it('tells of many changes at once in one notice', async () => {
    const notices: ReadonlyMap<string, string>[] = []
    world.index.onChange((changes) => notices.push(changes))
    const key = tree.vm(vm(1)).status
    await world.writer.set(key, status(1), 0)
    await world.writer.set(key, status(2), 1)
    await settle()
    expect(notices.flatMap((each) => [...each])).toContainEqual([key.path, 'changed'])
    expect(world.index.get(key)?.value.seq).toBe(2)
  })
})
