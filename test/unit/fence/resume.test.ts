import { afterEach, describe, expect, it } from 'vitest'
import { LifeId } from '../../../src/model/ids.ts'
import { must } from './documents.ts'
import { FenceWorld } from './world.ts'

let world: FenceWorld
afterEach(() => world.close())

describe('a primary that dies in the middle is followed by another', () => {
  // Opening, addresses, proof, end of the life, victims, placements, records, results: each write once the last one.
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])('after write %i', async (writes) => {
    world = await FenceWorld.open()
    await world.vm('a', { node: 'n2', power: 'on', run: 'n2' })
    await world.vm('b', { node: 'n2', power: 'on', run: 'n2' })
    const { end } = await world.reign('n1', writes)
    world.vanish('n2')
    await world.until(async () => end.signal.aborted, 10_000)
    await world.depose()
    await world.clock.advance(1000)
    await world.reign('n3')
    await world.untilState('n2', 'recovered', 10_000)
    for (const vm of ['a', 'b']) {
      const { run, seq } = await world.status(vm)
      expect(['n1', 'n3']).toContain(run?.node)
      expect(seq).toBe(2)
      expect(await world.spec(vm)).toMatchObject({ node: run?.node, lastNode: 'n2' })
    }
    const { victims } = await world.journal('n2')
    expect(victims.map(({ name, state }) => [name, state])).toEqual([
      ['a', 'moved'],
      ['b', 'moved'],
    ])
  })

  it('between a placement and its record, which keeps the placement', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.vanish('n2')
    await world.setJournal('n2', {
      state: 'evidence',
      seq: 1,
      life: LifeId.parse('n2-life1'),
      deadLives: [LifeId.parse('n2-life1')],
      addresses: ['10.0.1.2'],
    })
    const spec = await world.spec('web')
    await world.setSpec('web', { generation: spec.generation + 1, node: world.name('n3'), lastNode: world.name('n2') })
    await world.reign()
    await world.untilState('n2', 'recovered', 5000)
    expect((await world.status('web')).run?.node).toBe('n3')
    expect(await world.spec('web')).toMatchObject({ node: 'n3', lastNode: 'n2', generation: spec.generation + 1 })
  })

  it('and waits for the self-fence from its own first look', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.power.flaw('n2', 'dead')
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(12_000)
    await world.depose()
    await world.reign('n3')
    expect(await world.untilState('n2', 'recovered')).toBeGreaterThanOrEqual(16_000)
  })

  it('whose late blocklisting does no harm before the end', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    const { storage } = await world.reign()
    storage.script.always('blocklist', { delayMs: 9000 })
    world.vanish('n2')
    await world.clock.advance(500)
    await world.depose()
    await world.reign('n3')
    await world.untilState('n2', 'recovered', 5000)
    await world.clock.advance(20_000)
    expect((await world.journal('n2')).state).toBe('recovered')
  })

  it('and the old one, not knowing, changes nothing any more', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    world.power.flaw('n2', 'dead')
    await world.say('n2', { selfFence: 'off' })
    await world.reign()
    const old = must(world.primary)
    world.vanish('n2')
    await world.clock.advance(3000)
    await world.setJournal('n2', { epoch: 9 })
    const before = await world.journal('n2')
    const effects = old.storage.effects.length
    await world.clock.advance(60_000)
    expect(await world.journal('n2')).toEqual(before)
    expect(old.storage.effects).toHaveLength(effects)
  })
})

describe('the return of a node', () => {
  async function fenced(): Promise<void> {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.reign()
    world.vanish('n2')
    await world.untilState('n2', 'recovered', 5000)
  }

  it('is let in when it has purged itself and lifted its own entries', async () => {
    await fenced()
    await world.boot('n2', { life: 'n2-life1', bootId: 'n2-boot2', status: { certified: false } })
    await world.clock.advance(5000)
    expect((await world.journal('n2')).state).toBe('recovered')
    await world.say('n2', { ack: 1 })
    await world.clock.advance(5000)
    expect((await world.journal('n2')).stuck).toMatch(/10\.0\.1\.2:0\/0 is still in Ceph's blocklist/)
    world.ceph.unblocklist('10.0.1.2:0/0')
    await world.untilState('n2', 'closed', 5000)
    expect(await world.journal('n2')).toMatchObject({ deadLives: ['n2-life1'], addresses: [], seq: 1, stuck: '' })
    expect(must(world.primary).storage.effects.filter((effect) => effect.startsWith('unblocklist'))).toEqual([])
  })

  it('remembers who ordered the fence when it is over', async () => {
    world = await FenceWorld.open()
    await world.reign()
    await world.order('n2', { kind: 'fence', seq: 0 })
    await world.untilState('n2', 'recovered', 5000)
    world.ceph.unblocklist('10.0.1.2:0/0')
    await world.say('n2', { ack: 1 })
    await world.untilState('n2', 'closed', 5000)
    expect((await world.journal('n2')).orderedBy).toBe('alice')
  })

  it('does not end by an acknowledgement of an earlier opening', async () => {
    await fenced()
    world.ceph.unblocklist('10.0.1.2:0/0')
    await world.setJournal('n2', { seq: 2 })
    await world.boot('n2', { life: 'n2-life1', bootId: 'n2-boot2', status: { certified: false, ack: 1 } })
    await world.clock.advance(60_000)
    expect((await world.journal('n2')).state).toBe('recovered')
  })

  it('is not fought while it lifts its own entries', async () => {
    await fenced()
    await world.boot('n2', { life: 'n2-life1', bootId: 'n2-boot2', status: { certified: false } })
    world.ceph.unblocklist('10.0.1.2:0/0')
    await world.clock.advance(60_000)
    expect(world.ceph.isBlocklisted('10.0.1.2:0/1')).toBe(false)
  })

  it('is possible although its VMs found no place; it takes them back itself', async () => {
    world = await FenceWorld.open(undefined, { maxNodes: 3 })
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    for (const node of ['n1', 'n3']) await world.say(node, { certified: false })
    await world.reign()
    world.vanish('n2')
    await world.untilState('n2', 'evidence', 5000)
    await world.clock.advance(5000)
    expect((await world.journal('n2')).victims).toMatchObject([{ state: 'waiting' }])
    await world.boot('n2', { life: 'n2-life1', bootId: 'n2-boot2', status: { certified: false, ack: 1 } })
    world.ceph.unblocklist('10.0.1.2:0/0')
    await world.untilState('n2', 'closed', 5000)
    expect((await world.status('web')).run).toMatchObject({ node: 'n2', life: 'n2-life1' })
  })

  it('is fenced anew when records name a later life of a node that is away', async () => {
    await fenced()
    await world.vm('late', { node: 'n2', power: 'on', run: 'n2', life: 'n2-life2' })
    await world.clock.advance(35_000)
    await world.untilState('n2', 'recovered', 60_000)
    expect(await world.journal('n2')).toMatchObject({ seq: 2, deadLives: ['n2-life1', 'n2-life2'] })
    expect((await world.status('late')).run?.node).not.toBe('n2')
  })

  it('switches the machine on once, and not again when somebody switched it off', async () => {
    await fenced()
    await world.clock.advance(90_000)
    expect(world.power.actions).toEqual(['n2 off', 'n2 on'])
  })

  it('switches the machine on also when its order to switch off had its effect after other evidence was enough', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.reign()
    world.power.flaw('n2', 'lie')
    world.vanish('n2')
    await world.untilState('n2', 'open')
    await world.clock.advance(500)
    await world.boot('n2', { life: 'n2-life2', bootId: 'n2-boot2' })
    await world.untilState('n2', 'recovered', 5000)
    // What was ordered a second ago.
    world.power.flaw('n2', undefined)
    const call = { node: world.name('n2'), deadlineMs: 1000, signal: new AbortController().signal }
    await world.power.off({ method: 'command', off: [], on: [], status: [], environment: {} }, call)
    world.vanish('n2')
    await world.clock.advance(30_000)
    expect(world.power.actions).toEqual(['n2 off', 'n2 on'])
  })
})
