import { describe, expect, it } from 'vitest'
import { LifeId } from '../../../src/model/ids.ts'
import { tree } from '../../../src/schema/tree.ts'
import { denied, hv1, hv2, hv3, setUp, spoil } from './reach-world.ts'

describe('what the primary makes of the fence test', () => {
  it('raises faults of the cluster, and takes them back', async () => {
    const { allByClock, one, two, hookProblem, seen, clock } = await setUp()
    expect(seen()).toEqual([])
    one.ceph.problem = two.ceph.problem = denied
    await allByClock()
    expect(seen()).toEqual([1, 2, 3].map((n) => `FENCE_NOT_READY:hv${n} error`))
    one.ceph.problem = two.ceph.problem = undefined
    hookProblem.set('the command x ended with 1')
    await allByClock()
    await clock.advance(30_000)
    expect(seen()).toEqual(['FENCE_HOOK warning'])
  })

  it('names another coordinator that could not do what it can, until it can or is gone', async () => {
    const { allByClock, two, seen, faults, clock, session } = await setUp()
    const gaps = () => faults.list().filter(({ id }) => id === 'FENCE_COORDINATOR')
    two.ceph.problem = denied
    await allByClock()
    expect(gaps()[0]?.message).toContain('hv2 about hv3: Its addresses cannot be kept from writing to Ceph')
    two.ceph.problem = undefined
    await allByClock()
    expect(gaps()).toEqual([])
    two.power.flaw('hv3', 'refuse')
    await allByClock()
    expect(gaps()[0]?.message).toMatch(/hv2 about hv3: Its power cannot be read: .*refuses the login/)
    await session.remove(tree.node(hv2).alive.path)
    await clock.advance(30_000)
    expect(seen().join()).not.toContain('FENCE_COORDINATOR')
  })

  it('takes power and Ceph of the primary’s own node from the others', async () => {
    const { allByClock, one, two, seen, faults, check } = await setUp()
    one.power.flaw('hv1', 'refuse')
    two.power.flaw('hv2', 'refuse')
    await allByClock()
    expect(seen()).toEqual([])
    two.power.flaw('hv1', 'refuse')
    one.power.flaw('hv1', undefined)
    await allByClock()
    expect(await check(hv1, 'power')).toMatchObject({ isOk: false })
    expect(seen()).toEqual(['FENCE_NOT_READY:hv1 warning'])
    expect(faults.list()[0]?.message).toContain('power and Ceph are what hv2 found')
  })

  it('follows what the node says, under the same number, and writes only what has changed', async () => {
    const { clock, session, readiness, check } = await setUp()
    const { alive, readiness: key } = tree.node(hv3)
    const before = await session.get(key)
    await clock.advance(50_000)
    expect((await session.get(key))?.version).toBe(before?.version)
    await session.remove(alive.path)
    await clock.advance(5000)
    await clock.advance(30_000)
    expect(await check(hv3, 'self-fence')).toMatchObject({ isOk: false })
    const run = (await readiness(hv3))?.run
    await session.create(alive, { life: LifeId.parse('l2') })
    await clock.advance(30_000)
    expect(await check(hv3, 'self-fence')).toMatchObject({ isOk: true })
    expect((await readiness(hv3))?.run).toBe(run)
  })

  it('is judged anew by a new primary, from what that one had found', async () => {
    const { clock, one, two, allByClock, duty, reignOf, readiness, seen } = await setUp()
    two.power.flaw('hv3', 'dead')
    await allByClock()
    await clock.advance(6000)
    expect(seen()).toEqual(['FENCE_COORDINATOR warning'])
    await one.test.stop()
    await duty.stop()
    const before = await readiness(hv3)
    await duty.start(reignOf(hv2))
    await clock.advance(100)
    expect(await readiness(hv3)).toMatchObject({ run: (before?.run ?? 0) + 1, testedBy: 'hv2' })
    expect(seen()).toEqual(['FENCE_NOT_READY:hv3 warning'])
    await clock.advance(30_000)
    expect((await readiness(hv3))?.run).toBe((before?.run ?? 0) + 1)
  })

  it('does without what it cannot decode', async () => {
    const { session, two, allByClock, seen, readiness } = await setUp()
    await two.test.stop()
    await session.ensure(['/nodes/Not a node'])
    await spoil(session, tree.node(hv2).fenceReach.path)
    await spoil(session, tree.node(hv2).readiness.path)
    await spoil(session, tree.node(hv3).status.path)
    await allByClock()
    expect(await readiness(hv2)).toMatchObject({ testedBy: 'hv1' })
    expect(seen()).toEqual(['FENCE_NOT_READY:hv3 warning'])
  })

  it('judges all others when one node cannot be read, and keeps its fault', async () => {
    const { one, two, session, allByClock, seen } = await setUp()
    for (const { power } of [one, two]) for (const node of ['hv2', 'hv3']) power.flaw(node, 'refuse')
    await allByClock()
    const get = session.get.bind(session)
    session.get = (key) => (key.path === tree.node(hv3).status.path ? Promise.reject(denied) : get(key))
    for (const { power } of [one, two]) for (const node of ['hv2', 'hv3']) power.flaw(node, undefined)
    await allByClock()
    expect(seen()).toEqual(['FENCE_NOT_READY:hv3 warning'])
    session.get = get
    await allByClock()
    expect(seen()).toEqual([])
  })

  it('names a running coordinator that has not answered for ten minutes', async () => {
    const { clock, two, wish, seen, faults } = await setUp()
    await two.test.stop()
    await wish(hv3, 8)
    await clock.advance(590_000)
    expect(seen()).toEqual([])
    await clock.advance(50_000)
    expect(faults.list()[0]).toMatchObject({ id: 'FENCE_COORDINATOR', message: expect.stringContaining('hv2 has not') })
  })
})
