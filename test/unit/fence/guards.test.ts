import { afterEach, describe, expect, it } from 'vitest'
import { must, name } from './documents.ts'
import { FenceWorld } from './world.ts'

let world: FenceWorld
afterEach(() => world.close())

const untouched = async (node: string) => {
  expect((await world.journal(node)).addresses).toEqual([])
  expect(world.power.actions).toEqual([])
  expect(must(world.primary).storage.effects).toEqual([])
}

describe('nothing is fenced', () => {
  it('when a node comes back before anything irreversible was done', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.vanish('n2')
    // Another primary had opened the journal and died; meanwhile the node is back.
    await world.setJournal('n2', { state: 'open', life: (await world.status('web')).run?.life ?? null, seq: 1 })
    await world.boot('n2')
    await world.reign()
    await world.clock.advance(1000)
    const journal = await world.journal('n2')
    expect([journal.state, journal.deadLives]).toEqual(['closed', []])
    await untouched('n2')
  })

  it('when a node reboots more quickly than its session ends', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.reign()
    await world.clock.advance(1000)
    await world.say('n2', { life: 'n2-life2', bootId: 'n2-boot2' })
    await world.clock.advance(60_000)
    expect((await world.journal('n2')).seq).toBe(0)
  })

  it('when a stopped daemon leaves a machine that answers; after a time that is said', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.say('n2', { daemon: 'stop', selfFence: 'off' })
    world.peers.probes.set(name('n2'), [
      { kind: 'silent', network: 'storage' },
      { kind: 'host-only', network: 'cluster' },
    ])
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(60_000)
    expect(world.faultIds()).toEqual([])
    await world.clock.advance(70_000)
    expect(world.faultIds()).toEqual(['NODE_UNPROTECTED:n2'])
    await untouched('n2')
  })

  it('when another coordinator still hears the machine of a stopped daemon', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.say('n2', { daemon: 'stop', selfFence: 'off' })
    world.peers.probesFrom.set('n3 n2', [{ kind: 'host-only', network: 'cluster' }])
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(60_000)
    await untouched('n2')
  })

  it('when a stopped daemon had no VMs, whatever becomes of the machine', async () => {
    world = await FenceWorld.open()
    await world.say('n2', { daemon: 'stop', selfFence: 'off' })
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(200_000)
    expect((await world.journal('n2')).seq).toBe(0)
    expect(world.faultIds()).toEqual([])
  })

  it('during maintenance; afterwards it is', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.maintenance(true)
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(60_000)
    await untouched('n2')
    expect((await world.status('web')).run?.node).toBe('n2')
    await world.maintenance(false)
    await world.untilState('n2', 'recovered', 40_000)
  })

  it('when maintenance is switched on before the power is cut, and no old time counts afterwards', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.power.flaw('n2', 'dead')
    const { storage } = await world.reign()
    storage.script.always('blocklist', { delayMs: 1500 })
    world.vanish('n2')
    await world.clock.advance(100)
    await world.maintenance(true)
    await world.clock.advance(60_000)
    expect((await world.status('web')).run?.node).toBe('n2')
    await world.maintenance(false)
    await world.untilState('n2', 'recovered', 40_000)
  })

  it('while the cluster is in maintenance, and what is said names the way out', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.reign()
    await world.maintenance(true)
    world.vanish('n2')
    await world.clock.advance(60_000)
    await untouched('n2')
    expect(must(world.primary).faults.list()).toMatchObject([
      { id: 'FENCE_HELD:n2', message: expect.stringMatching(/in maintenance.*"pvc cluster maintenance off" lets it/) },
    ])
  })

  it('when it is switched off in the configuration, but that is said', async () => {
    world = await FenceWorld.open(undefined, { isEnabled: false })
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(60_000)
    await untouched('n2')
    expect(world.faultIds()).toEqual(['FENCE_HELD:n2'])
    expect(world.announced).toEqual(['n2 held'])
  })

  it('of the primary itself', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n1', power: 'on', run: 'n1' })
    await world.reign('n1')
    world.vanish('n1')
    await world.clock.advance(60_000)
    await untouched('n1')
  })

  it('by a primary that was deposed', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.reign()
    const old = must(world.primary)
    await world.setJournal('n2', { epoch: 7 })
    world.vanish('n2')
    await world.clock.advance(60_000)
    expect((await world.journal('n2')).state).toBe('closed')
    expect(old.storage.effects).toEqual([])
  })
})

describe('a stopped daemon', () => {
  it('on a machine that answers on no network is a dead machine', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.say('n2', { daemon: 'stop', selfFence: 'off' })
    await world.reign()
    world.vanish('n2')
    await world.untilState('n2', 'recovered', 10_000)
    expect((await world.status('web')).run?.node).toBe('n1')
  })
})

describe('two dead nodes', () => {
  it('of five are fenced at the same time, each with its journal', async () => {
    world = await FenceWorld.open(['n1', 'n2', 'n3', 'n4', 'n5'])
    await world.vm('a', { node: 'n4', power: 'on', run: 'n4' })
    await world.vm('b', { node: 'n5', power: 'on', run: 'n5' })
    await world.reign()
    world.vanish('n4')
    world.vanish('n5')
    await world.untilState('n4', 'recovered', 5000)
    await world.untilState('n5', 'recovered', 5000)
    for (const vm of ['a', 'b']) expect(['n1', 'n2', 'n3']).toContain((await world.status(vm)).run?.node)
  })

  it('of three are one too many: the second is held and said, until the first is back', async () => {
    world = await FenceWorld.open()
    await world.vm('a', { node: 'n2', power: 'on', run: 'n2' })
    await world.vm('b', { node: 'n3', power: 'on', run: 'n3' })
    await world.reign()
    world.vanish('n2')
    world.vanish('n3')
    await world.clock.advance(20_000)
    const states = [(await world.journal('n2')).state, (await world.journal('n3')).state].sort()
    expect(states).toEqual(['closed', 'recovered'])
    expect(world.faultIds()).toHaveLength(1)
    expect(world.faultIds()[0]).toMatch(/^FENCE_HELD:n[23]$/)
  })

  it('may be more when an operator orders it', async () => {
    world = await FenceWorld.open()
    await world.vm('a', { node: 'n2', power: 'on', run: 'n2' })
    await world.vm('b', { node: 'n3', power: 'on', run: 'n3' })
    await world.reign()
    world.vanish('n2')
    await world.untilState('n2', 'recovered', 5000)
    world.vanish('n3')
    await world.clock.advance(5000)
    expect((await world.journal('n3')).state).toBe('closed')
    await world.order('n3', { kind: 'fence', seq: 0 })
    await world.untilState('n3', 'recovered', 5000)
    expect((await world.journal('n3')).events[0]?.text).toBe('alice ordered it')
  })
})

describe('an order to fence a living node', () => {
  it('is carried out although the node shows its proof of life, and its self-fence does not count', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.power.flaw('n2', 'dead')
    await world.reign()
    await world.order('n2', { kind: 'fence', seq: 0 })
    await world.clock.advance(60_000)
    expect((await world.journal('n2')).state).toBe('open')
    expect(world.ceph.isBlocklisted('10.0.1.2:0/77')).toBe(true)
    expect((await world.status('web')).run?.node).toBe('n2')
    world.vanish('n2')
    expect(await world.untilState('n2', 'recovered', 30_000)).toBeGreaterThan(15_900)
  })

  it('about another life does nothing', async () => {
    world = await FenceWorld.open()
    await world.reign()
    await world.order('n2', { kind: 'fence', seq: 0, life: 'n2-life0' })
    await world.clock.advance(60_000)
    expect((await world.journal('n2')).seq).toBe(0)
  })
})
