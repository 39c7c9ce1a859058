import { describe, expect, it } from 'vitest'
import { ClusterKey } from '../../../src/adapters/crypto/cluster-key.ts'
import { createPowerVault } from '../../../src/adapters/crypto/power-vault.ts'
import { PvcError } from '../../../src/model/errors.ts'
import { tree } from '../../../src/schema/tree.ts'
import { hv1, hv2, hv3, login, setUp, spoil } from './reach-world.ts'

const slow = new PvcError('PVC_CEPH_TIMEOUT', 'timed out')

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

  it('answers what is wished for until its turn in that turn', async () => {
    const { clock, two, found, wish } = await setUp()
    await wish(hv1, 5)
    await clock.advance(1500)
    await wish(hv2, 6)
    await clock.advance(499)
    expect((await found(hv2, hv1))?.wish).toBe(0)
    await clock.advance(1)
    expect([(await found(hv2, hv1))?.wish, (await found(hv2, hv2))?.wish]).toEqual([5, 6])
    expect(two.ceph.asked).toBe(2)
  })

  it('tests all by the clock, and once some time after its start', async () => {
    const { clock, allByClock, readiness, two } = await setUp()
    await allByClock()
    expect([(await readiness(hv1))?.run, (await readiness(hv2))?.run]).toEqual([2, 2])
    await clock.advance(60_000)
    expect([(await readiness(hv1))?.run, two.ceph.asked]).toEqual([3, 3])
  })

  it('tests what is new or wished for also without a usable schedule', async () => {
    const { clock, found, log, wish } = await setUp('never')
    await wish(hv2, 3)
    await clock.advance(100)
    expect((await found(hv1, hv2))?.wish).toBe(3)
    expect(log.messages('error').join()).toContain('fencing.testSchedule cannot be used')
  })

  it('is not held up by one dead controller', async () => {
    const { clock, one, readiness, check, wish } = await setUp()
    one.power.flaw('hv3', 'dead')
    for (const node of [hv2, hv3]) await wish(node, 2)
    await clock.advance(1000)
    expect((await readiness(hv2))?.run).toBe(2)
    expect((await readiness(hv3))?.run).toBe(1)
    await clock.advance(5000)
    expect(await check(hv3, 'power')).toMatchObject({ isOk: false, message: expect.stringContaining('5000 ms') })
  })

  it('asks Ceph and the controllers at the same time', async () => {
    const { clock, one, found, wish } = await setUp()
    one.power.flaw('hv3', 'dead')
    one.storage.script.always('osds', { delayMs: 1900 })
    await wish(hv3, 2)
    await clock.advance(5000)
    expect((await found(hv1, hv3))?.wish).toBe(2)
  })

  it('does not take a node that ends meanwhile for one that lives with its power off', async () => {
    const { clock, one, session, found, wish } = await setUp()
    one.power.status = async () => {
      await session.remove(tree.node(hv3).alive.path)
      return { kind: 'off' }
    }
    await wish(hv3, 2)
    await clock.advance(100)
    expect(await found(hv1, hv3)).toMatchObject({ wish: 2, checks: [{ name: 'power', isOk: true }, {}] })
  })

  it('asks slow monitors twice', async () => {
    const { one, allByClock, check, seen } = await setUp()
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

  it('asks twice also when the monitors are slow with the map, or with everything', async () => {
    const { clock, one, allByClock, check } = await setUp()
    one.storage.script.plan('osds', { error: slow })
    await allByClock()
    expect([await check(hv2, 'blocklist'), one.ceph.asked]).toMatchObject([{ isOk: true }, 3])
    const ask = one.storage.mayBlocklist.bind(one.storage)
    one.storage.mayBlocklist = () => {
      one.storage.mayBlocklist = ask
      return new Promise(() => undefined)
    }
    await allByClock()
    await clock.advance(8000)
    expect([await check(hv2, 'blocklist'), one.ceph.asked]).toMatchObject([{ isOk: true }, 4])
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
    const other = createPowerVault(new ClusterKey(Buffer.alloc(32, 2)), hv2).document(hv2, login)
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

describe('a test of a node that fails', () => {
  it('is made again after a minute, and keeps no other from being tested', async () => {
    const { clock, one, found, allByClock, log } = await setUp()
    const asked: string[] = []
    const status = one.power.status.bind(one.power)
    let isBroken = true
    one.power.status = (access, call) => {
      asked.push(call.node)
      if (isBroken && call.node === 'hv2') throw new PvcError('PVC_STORE_TIMEOUT', 'no answer')
      return status(access, call)
    }
    const before = (await found(hv1, hv2))?.at
    await allByClock()
    expect(asked).toEqual(['hv1', 'hv2', 'hv3'])
    await clock.advance(50_000)
    expect(asked).toEqual(['hv1', 'hv2', 'hv3'])
    expect((await found(hv1, hv2))?.at).toBe(before)
    expect(log.messages('warn').filter((each) => each.includes('in a minute'))).toHaveLength(1)
    isBroken = false
    await clock.advance(10_000)
    expect((await found(hv1, hv2))?.at).not.toBe(before)
  })

  it('does not keep a new wish waiting', async () => {
    const { clock, one, found, allByClock, wish } = await setUp()
    const status = one.power.status.bind(one.power)
    one.power.status = () => Promise.reject(new PvcError('PVC_STORE_TIMEOUT', 'no answer'))
    await allByClock()
    one.power.status = status
    await wish(hv2, 7)
    await clock.advance(100)
    expect((await found(hv1, hv2))?.wish).toBe(7)
  })
})

describe('the fence test and the store', () => {
  it('goes on in a new session', async () => {
    const { clock, ensemble, two, found, wish } = await setUp()
    ensemble.expire(two.store)
    await clock.advance(30_000)
    await wish(hv1, 4)
    await clock.advance(2000)
    expect((await found(hv2, hv1))?.wish).toBe(4)
  })

  it('looks again at once when the connection is back', async () => {
    const { clock, ensemble, two, found, wish } = await setUp()
    ensemble.suspend(two.store)
    two.store.session.value?.watches.drop()
    await wish(hv1, 4)
    await clock.advance(2500)
    ensemble.resume(two.store)
    await clock.advance(2000)
    expect((await found(hv2, hv1))?.wish).toBe(4)
  })

  it('takes what it cannot decode for absent, and names it once', async () => {
    const { clock, session, found, wish, log } = await setUp()
    await session.ensure(['/nodes/Not a node'])
    await spoil(session, tree.node(hv1).fenceTest.path)
    await spoil(session, tree.node(hv1).fenceReach.path)
    await spoil(session, tree.node(hv2).alive.path)
    await wish(hv2, 4)
    await clock.advance(31_000)
    expect([(await found(hv1, hv2))?.wish, (await found(hv1, hv1))?.wish]).toEqual([4, 0])
    expect(log.messages('warn')).toEqual(log.messages('warn').filter((each) => each === 'a document counts as absent'))
    const named = log.entries
      .map(({ fields }) => String(fields['error']))
      .filter((text) => text.includes('/hv1/fence-test'))
    expect(named).toHaveLength(3)
  })

  it('forgets a node that is gone', async () => {
    const { clock, session, found, allByClock } = await setUp()
    const { power, alive, status, readiness } = tree.node(hv3)
    for (const { path } of [power, alive, status, readiness]) await session.remove(path)
    await session.remove('/nodes/hv3')
    await clock.advance(100)
    await allByClock()
    expect(await found(hv1, hv3)).toBeUndefined()
  })
})
