import { afterEach, describe, expect, it } from 'vitest'
import { must } from './documents.ts'
import { FenceWorld } from './world.ts'

let world: FenceWorld
afterEach(() => world.close())

const victims = async () =>
  (await world.journal('n2')).victims.map(({ name, state, target }) => [name, state, target] as const)

async function fence(): Promise<void> {
  await world.reign()
  world.vanish('n2')
  await world.untilState('n2', 'recovered', 10_000)
}

describe('a VM that is wanted on, placed on a dead node and held by nobody', () => {
  it('is placed elsewhere, keeps its home, and its record is left to whoever takes it', async () => {
    world = await FenceWorld.open()
    await world.vm('moved', { node: 'n2', power: 'on' })
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    const before = await world.status('moved')
    await fence()
    expect(await world.spec('moved')).toMatchObject({ node: 'n3', lastNode: 'n2', power: 'on', generation: 5 })
    expect(await world.status('moved')).toEqual(before)
    expect(await victims()).toEqual([
      ['web', 'moved', 'n1'],
      ['moved', 'moved', 'n3'],
    ])
    expect(await world.decisions('moved')).toMatchObject([{ kind: 'recover', from: 'n2', choice: 'n3' }])
  })

  it('is found also when no record names the dead life, and its move is over', async () => {
    world = await FenceWorld.open()
    const move = { id: 'order', kind: 'migrate' as const, isLiveOnly: false, policy: {} }
    await world.vm('web', { node: 'n2', lastNode: 'n3', power: 'on', spec: { move } })
    await fence()
    await world.until(async () => (await world.spec('web')).node !== 'n2', 2000)
    expect(await world.spec('web')).toMatchObject({ node: 'n1', lastNode: 'n3', move: null })
    await world.until(async () => (await victims()).length === 1 && (await victims())[0]?.[1] === 'moved', 2000)
  })

  it('is found when it is started after the recovery, as long as the node is away', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'off' })
    await fence()
    await world.clock.advance(60_000)
    expect((await world.spec('web')).node).toBe('n2')
    await world.setSpec('web', { power: 'on' })
    await world.until(async () => (await world.spec('web')).node !== 'n2', 40_000)
    await world.until(async () => (await victims())[0]?.[1] === 'moved', 2000)
    expect((await world.texts('n2')).match(/1 VMs to recover/g)).toHaveLength(1)
  })

  it('waits and is said where it fits nowhere, keeps the node off no longer, and is placed when there is room', async () => {
    world = await FenceWorld.open()
    const { resources } = must((await world.admin.get(world.keys('n1').status))?.value)
    for (const node of ['n1', 'n3']) await world.say(node, { resources: { ...resources, memoryFreeMiB: 10 } })
    await world.vm('web', { node: 'n2', power: 'on' })
    await fence()
    await world.clock.advance(20_000)
    expect(world.faultIds()).toEqual([])
    await world.clock.advance(20_000)
    expect(await world.spec('web')).toMatchObject({ node: 'n2', power: 'on' })
    expect(world.faultIds()).toEqual(['RECOVERY_STUCK:n2'])
    expect((await world.journal('n2')).stuck).toMatch(/1 VMs of node n2 wait for recovery: web: n1: .*MiB needed/)
    expect(await world.journal('n2')).toMatchObject({ state: 'recovered', isPowerOnAsked: true })
    await world.say('n3', { resources })
    await world.until(async () => (await world.spec('web')).node === 'n3', 10_000)
    await world.clock.advance(10_000)
    expect(world.faultIds()).toEqual([])
  })

  it('is left to the node when that comes back first, which then has nothing to be emptied for', async () => {
    world = await FenceWorld.open()
    await world.say('n1', { domainState: 'flushed' })
    await world.say('n3', { domainState: 'flushed' })
    await world.vm('web', { node: 'n2', power: 'on' })
    await fence()
    await world.clock.advance(10_000)
    await world.boot('n2', { life: 'n2-life2', bootId: 'n2-boot2', status: { certified: false, ack: 1 } })
    world.ceph.unblocklist('10.0.1.2:0/0')
    await world.untilState('n2', 'closed', 10_000)
    expect((await world.spec('web')).node).toBe('n2')
    expect(await victims()).toEqual([])
    expect(world.faultIds()).toEqual([])
  })

  it('is no such VM when it is off, held, or failed and nobody has started it again', async () => {
    world = await FenceWorld.open()
    await world.vm('off', { node: 'n2', power: 'off' })
    await world.vm('held', { node: 'n2', power: 'on', spec: { hold: 'restore' } })
    await world.vm('failed', { node: 'n2', power: 'on', status: { phase: 'failed', observedGeneration: 4 } })
    await fence()
    await world.clock.advance(40_000)
    expect(await victims()).toEqual([])
    const { wishes } = await world.spec('failed')
    await world.setSpec('failed', { generation: 5, wishes: { ...wishes, start: 1 } })
    await world.until(async () => (await world.spec('failed')).node !== 'n2', 40_000)
  })

  it('is forgotten when it is not wanted on any more', async () => {
    world = await FenceWorld.open()
    for (const node of ['n1', 'n3']) await world.say(node, { domainState: 'flushed' })
    await world.vm('web', { node: 'n2', power: 'on' })
    await fence()
    await world.until(async () => (await victims()).length === 1, 5000)
    await world.setSpec('web', { power: 'off' })
    await world.until(async () => (await victims()).length === 0, 10_000)
  })

  it('stays during maintenance', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'off' })
    await fence()
    await world.maintenance(true)
    await world.setSpec('web', { power: 'on' })
    await world.clock.advance(60_000)
    expect((await world.spec('web')).node).toBe('n2')
    await world.maintenance(false)
    await world.until(async () => (await world.spec('web')).node !== 'n2', 40_000)
  })
})
