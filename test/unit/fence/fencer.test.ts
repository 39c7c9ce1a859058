import { afterEach, describe, expect, it } from 'vitest'
import { must } from './documents.ts'
import { FenceWorld } from './world.ts'

let world: FenceWorld
afterEach(() => world.close())

describe('a node whose power was cut', () => {
  it('is shut out and switched off, and its VM runs elsewhere', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.reign()
    world.vanish('n2')
    expect(await world.untilState('n2', 'recovered')).toBeLessThan(3000)
    const { run, phase, seq } = await world.status('web')
    expect([run?.node, run?.life, phase, seq]).toEqual(['n1', 'n1-life1', 'starting', 2])
    expect(await world.spec('web')).toMatchObject({ node: 'n1', lastNode: 'n2', move: null })
    const journal = await world.journal('n2')
    expect(journal.evidence.map(({ kind }) => kind)).toEqual(['power-off', 'blocklist', 'osd-map'])
    expect(journal.deadLives).toEqual(['n2-life1'])
    expect(journal.victims).toMatchObject([{ name: 'web', state: 'moved', target: 'n1' }])
    expect(world.ceph.isBlocklisted('10.0.1.2:0/77')).toBe(true)
    expect(world.power.actions).toEqual(['n2 off', 'n2 on'])
    expect(world.announced).toEqual(['n2 open', 'n2 evidence', 'n2 recovered'])
  })

  it('is recovered after its self-fence when its BMC is dead, not before', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.power.flaw('n2', 'dead')
    await world.reign()
    world.vanish('n2')
    const tookMs = await world.untilState('n2', 'recovered')
    expect(tookMs).toBeGreaterThanOrEqual(16_028)
    expect(tookMs).toBeLessThan(18_000)
    expect((await world.journal('n2')).evidence.map(({ kind }) => kind)).toContain('self-fence')
    expect(await world.texts('n2')).toMatch(/power controller could not be reached to switch the power off/)
  })

  it.each([
    ['lie', /still says the power is on/],
    ['reset', /still says the power is on/],
    ['fail', /failed to switch the power off: the BMC reports an error/],
    ['refuse', /refused to switch the power off: the BMC refuses the login/],
    ['slow', /could not be reached to switch the power off/],
  ] as const)('is not believed to be off by a BMC with the flaw "%s"', async (flaw, words) => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.say('n2', { selfFence: 'off' })
    world.power.flaw('n2', flaw)
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(9000)
    expect(await world.texts('n2')).toMatch(words)
    expect((await world.journal('n2')).state).toBe('open')
    expect((await world.status('web')).run?.node).toBe('n2')
    if (flaw === 'slow') return
    await world.clock.advance(30_000)
    expect((await world.status('web')).run?.node).toBe('n2')
    expect(world.faultIds()).toContain('FENCE_STUCK:n2')
    expect((await world.journal('n2')).stuck).toMatch(/self-fence was not armed.*pvc node fence-confirm n2/)
    await world.order('n2', { kind: 'confirm', seq: 1 })
    await world.untilState('n2', 'recovered', 3000)
    expect((await world.status('web')).run?.node).toBe('n1')
    expect(world.faultIds()).not.toContain('FENCE_STUCK:n2')
  })

  it('is not confirmed by a word about another life or another opening', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.say('n2', { selfFence: 'off' })
    world.power.flaw('n2', 'fail')
    await world.order('n2', { kind: 'confirm', seq: 0 })
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(30_000)
    expect((await world.journal('n2')).state).toBe('open')
  })

  it('without a watchdog is never taken for self-fenced', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.say('n2', { watchdog: 'absent' })
    world.power.flaw('n2', 'dead')
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(120_000)
    expect((await world.journal('n2')).stuck).toMatch(/no watchdog/)
    expect((await world.status('web')).run?.node).toBe('n2')
  })

  it('that boots anew by itself is recovered by that', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.power.flaw('n2', 'dead')
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(5000)
    await world.boot('n2', { life: 'n2-life2', bootId: 'n2-boot2', status: { certified: false } })
    await world.untilState('n2', 'recovered', 3000)
    expect((await world.journal('n2')).evidence.map(({ kind }) => kind)).toContain('reboot')
    expect((await world.status('web')).run?.node).toBe('n1')
  })
})

describe('storage', () => {
  it('that one OSD does not know of holds every start', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.osds.lag(2, true)
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(50_000)
    expect((await world.status('web')).run?.node).toBe('n2')
    expect((await world.journal('n2')).stuck).toMatch(/off, but Ceph does not shut it out yet: OSD 2 has not confirmed/)
    world.osds.lag(2, false)
    await world.untilState('n2', 'recovered', 3000)
  })

  it('waits for no OSD of the dead host, which is marked down', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.osds.setRunning(1, false)
    await world.reign()
    world.vanish('n2')
    await world.untilState('n2', 'recovered', 3000)
    expect(must(world.primary).storage.effects).toContain('down 1')
  })

  it('entries that a third party removes are made again until the VMs are recovered', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.power.flaw('n2', 'dead')
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(3000)
    world.ceph.unblocklist('10.0.1.2:0/0')
    await world.clock.advance(7000)
    expect(world.ceph.isBlocklisted('10.0.1.2:0/77')).toBe(true)
    world.ceph.unblocklist('10.0.1.2:0/0')
    await world.untilState('n2', 'recovered')
    expect(world.ceph.isBlocklisted('10.0.1.2:0/77')).toBe(true)
  })

  it('that only this primary cannot reach makes it resign', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    const { storage, resigned } = await world.reign()
    storage.script.always('blocklist', { error: new Error('no route to Ceph') })
    world.vanish('n2')
    await world.clock.advance(23_000)
    expect(resigned[0]).toMatch(/cannot write to Ceph: no route to Ceph/)
    expect((await world.status('web')).run?.node).toBe('n2')
  })

  it('that takes the entries but lets no OSD be asked makes nobody resign, and the missing right is said', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    const { storage, resigned } = await world.reign()
    storage.script.always('osdEpochs', { error: new Error("Ceph user pvc may not ask OSDs; give it osd 'allow *'") })
    world.vanish('n2')
    await world.clock.advance(60_000)
    expect(resigned).toEqual([])
    expect((await world.status('web')).run?.node).toBe('n2')
    expect(world.faultIds()).toContain('FENCE_STUCK:n2')
    expect((await world.journal('n2')).stuck).toMatch(
      /does not shut it out yet: .*may not ask OSDs; give it osd 'allow \*'/,
    )
  })

  it('that is lost after it took the entries makes the primary resign all the same', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.osds.lag(2, true)
    const { storage, resigned } = await world.reign()
    world.vanish('n2')
    await world.clock.advance(3000)
    for (const verb of ['blocklist', 'entries', 'osds', 'osdEpochs'] as const)
      storage.script.always(verb, { error: new Error('no route to Ceph') })
    await world.clock.advance(30_000)
    expect(resigned[0]).toMatch(/cannot write to Ceph: no route to Ceph/)
  })

  it('that nobody can reach is done without, but only with the machine seen to be off', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    const fault = { id: 'CEPH_UNREACHABLE', severity: 'error', message: '', since: 0 }
    await world.say('n3', { faults: [fault] })
    const { storage, resigned } = await world.reign()
    storage.script.always('blocklist', { error: new Error('no quorum') })
    world.vanish('n2')
    await world.untilState('n2', 'recovered', 40_000)
    expect((await world.journal('n2')).evidence.map(({ kind }) => kind)).toEqual(['power-off', 'self-fence', 'no-ceph'])
    expect(resigned).toEqual([])
  })

  it('that nobody can reach is not replaced by waiting', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    const fault = { id: 'CEPH_UNREACHABLE', severity: 'error', message: '', since: 0 }
    await world.say('n3', { faults: [fault] })
    world.power.flaw('n2', 'dead')
    const { storage } = await world.reign()
    storage.script.always('blocklist', { error: new Error('no quorum') })
    world.vanish('n2')
    await world.clock.advance(90_000)
    expect((await world.journal('n2')).state).toBe('open')
  })
})
