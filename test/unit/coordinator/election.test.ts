import { describe, expect, it } from 'vitest'
import { tree } from '../../../src/schema/tree.ts'
import { A, B, C, Coordinators } from './coordinators.ts'

describe('the election', () => {
  it('makes the first able coordinator primary, after the wait of T9, with the epoch in every journal', async () => {
    const cluster = new Coordinators()
    await cluster.create()
    const member = await cluster.start(A)
    await cluster.clock.advance(900)
    expect(await cluster.primary()).toBe(A)
    expect(cluster.events).toEqual(['a prepare fencer', 'a prepare addresses'])
    expect((await cluster.session.get(tree.node(C).fence))?.value.epoch).toBe(1)
    await cluster.clock.advance(200)
    expect(cluster.events.slice(2)).toEqual(['a start addresses', 'a start fencer'])
    expect(member.state.value).toBe('primary')
    expect(await cluster.status()).toMatchObject({
      epoch: 1,
      node: A,
      roles: [{ state: 'running' }, { state: 'running' }],
    })
    await member.coordinator.stop()
    expect(cluster.clock.pendingTimers).toBe(0)
  })

  it('hands over on order: prepared first, roles given up in reverse, and no wait for the successor', async () => {
    const cluster = new Coordinators()
    const [a, b] = await cluster.startAll()
    cluster.events.length = 0
    await cluster.order(B)
    await cluster.clock.advance(0)
    await cluster.clock.advance(50)
    expect(cluster.events).toEqual([
      'a hush addresses',
      'a hush fencer',
      'b prepare fencer, invited',
      'b prepare addresses, invited',
      'a stop fencer',
      'a stop addresses',
      'b start addresses',
      'b start fencer',
    ])
    expect([a.state.value, b.state.value, await cluster.primary()]).toEqual(['secondary', 'primary', B])
    expect(await cluster.status()).toMatchObject({
      epoch: 2,
      node: B,
      wishSeen: 1,
      wishProblem: '',
      isRelinquished: false,
    })
  })

  it('undoes what a successor has prepared when it is not to take over, and the primary takes it back', async () => {
    const cluster = new Coordinators()
    const [a, b] = await cluster.startAll()
    cluster.events.length = 0
    // B cannot say that it is prepared, and is dead for A after a while.
    cluster.ensemble.suspend(b.main)
    await cluster.order(B)
    await cluster.clock.advance(1000)
    expect(cluster.events.slice(2)).toEqual(['b prepare fencer, invited', 'b prepare addresses, invited'])
    await cluster.clock.advance(4000)
    expect(cluster.events.slice(4).sort()).toEqual([
      'a reclaim addresses',
      'a reclaim fencer',
      'b stop addresses',
      'b stop fencer',
    ])
    expect([a.state.value, b.state.value]).toEqual(['primary', 'secondary'])
  })

  it('lets a successor that is cut off keep what it has prepared no longer than a reign', async () => {
    const cluster = new Coordinators()
    const [, b] = await cluster.startAll()
    cluster.events.length = 0
    cluster.ensemble.suspend(b.main)
    await cluster.order(B)
    await cluster.clock.advance(100)
    cluster.powerCut(b)
    await cluster.clock.advance(2700)
    expect(cluster.events.slice(4, 6).sort()).toEqual(['b stop addresses', 'b stop fencer'])
    await cluster.clock.advance(3000)
    expect(cluster.events.filter((event) => event.startsWith('b'))).toHaveLength(4)
  })

  it('gives up for a secondary order and does not come back while others can', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    await cluster.order(null, A)
    await cluster.clock.advance(100)
    const next = await cluster.primary()
    expect([B, C]).toContain(next)
    expect(a.state.value).toBe('secondary')
    expect(await cluster.status()).toMatchObject({ wishSeen: 1, wishProblem: '' })
    // The next one dies: the third takes over, not the one that was told to be secondary.
    const victim = [...cluster.members.values()].find(({ name }) => name === next)
    if (victim) cluster.powerCut(victim)
    await cluster.clock.advance(6000)
    expect([A, next]).not.toContain(await cluster.primary())
  })

  it('comes back after a secondary order when nobody else can', async () => {
    const cluster = new Coordinators()
    const [a, b, c] = await cluster.startAll()
    await cluster.order(null, A)
    await cluster.clock.advance(100)
    cluster.powerCut(b)
    cluster.powerCut(c)
    await cluster.clock.advance(9000)
    expect([await cluster.primary(), a.state.value]).toEqual([A, 'primary'])
  })

  it('answers an order nobody can carry out with the reason, and the primary stays', async () => {
    const cluster = new Coordinators()
    const [, b] = await cluster.startAll()
    cluster.powerCut(b)
    await cluster.clock.advance(5000)
    await cluster.order(B)
    await cluster.clock.advance(300)
    expect(await cluster.status()).toMatchObject({
      node: A,
      wishSeen: 1,
      wishProblem: expect.stringContaining('b does not run'),
    })
  })

  it('drops everything by its own clock before anybody else can have the lease', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    cluster.events.length = 0
    const reign = a.roles[0].reign
    cluster.powerCut(a)
    await cluster.clock.advance(2700)
    expect(cluster.events).toEqual(['a stop addresses', 'a stop fencer'])
    expect(reign?.ended.aborted).toBe(true)
    expect(reign?.validForMs()).toBe(0)
    expect(await cluster.primary()).toBe(A)
    await cluster.clock.advance(1350)
    expect([B, C]).toContain(await cluster.primary())
    expect(cluster.events.filter((event) => event.includes('start'))).toEqual([])
    await cluster.clock.advance(1200)
    expect(cluster.events.filter((event) => event.includes('start'))).toHaveLength(2)
  })

  it('resigns when its own proof of life is gone', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    await cluster.session.remove(tree.node(A).alive.path)
    await cluster.clock.advance(300)
    expect([B, C]).toContain(await cluster.primary())
    expect(a.state.value).toBe('secondary')
  })

  it('stops a daemon only after the work has gone to another coordinator', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    cluster.events.length = 0
    const stopped = a.coordinator.stop()
    await cluster.clock.advance(200)
    await stopped
    expect(cluster.events.filter((event) => event.includes('stop'))).toEqual(['a stop fencer', 'a stop addresses'])
    expect([B, C]).toContain(await cluster.primary())
  })

  it('lets a successor wait when a role did not end in time', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    a.roles[1].hold = new Promise(() => undefined)
    await cluster.order(B)
    await cluster.clock.advance(3100)
    expect(await cluster.primary()).toBe(A)
    await cluster.clock.advance(2100)
    expect(await cluster.primary()).toBe(B)
    expect(cluster.events.filter((event) => event === 'b start fencer')).toEqual([])
    expect((await cluster.status())?.epoch).toBe(2)
    await cluster.clock.advance(1000)
    expect(cluster.events.filter((event) => event === 'b start fencer')).toHaveLength(1)
  })

  it('clears the lease of a reign that ended by its clock when the connection comes back in time', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    cluster.ensemble.suspend(a.store)
    await cluster.clock.advance(3000)
    expect(a.state.value).toBe('secondary')
    cluster.ensemble.resume(a.store)
    await cluster.clock.advance(1500)
    expect((await cluster.session.get(tree.primary.epoch))?.value.epoch).toBe(2)
    expect((await cluster.status())?.epoch).toBe(2)
  })
})

describe('roles', () => {
  it('that fail are tried again alone and shown with their fault', async () => {
    const cluster = new Coordinators()
    await cluster.create()
    const a = await cluster.start(A)
    a.roles[0].failure = 'no device eth9'
    await cluster.clock.advance(1200)
    const failed = { name: 'addresses', state: 'failed', reason: 'no device eth9' }
    expect(await cluster.status()).toMatchObject({
      roles: [failed, { name: 'fencer', state: 'running' }],
      faults: [{ id: 'ROLE_FAILED:addresses', severity: 'error' }],
    })
    a.roles[0].failure = undefined
    await cluster.clock.advance(4000)
    expect(await cluster.status()).toMatchObject({ roles: [{ state: 'running' }, { state: 'running' }], faults: [] })
    expect(cluster.events.filter((event) => event === 'a start fencer')).toHaveLength(1)
  })

  it('with a problem are started again', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    a.roles[0].trouble = 'the address is gone'
    await cluster.clock.advance(1100)
    expect(cluster.events.filter((event) => event === 'a start addresses')).toHaveLength(2)
    expect(await cluster.status()).toMatchObject({ roles: [{ state: 'running' }, { state: 'running' }] })
  })

  it('can resign, and another coordinator takes over', async () => {
    const cluster = new Coordinators()
    const [a] = await cluster.startAll()
    a.roles[1].reign?.resign('Ceph cannot be written from here')
    await cluster.clock.advance(200)
    expect([B, C]).toContain(await cluster.primary())
  })
})
