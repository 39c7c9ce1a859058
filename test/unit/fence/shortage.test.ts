import { afterEach, describe, expect, it } from 'vitest'
import { must } from './documents.ts'
import { FenceWorld } from './world.ts'

let world: FenceWorld
afterEach(() => world.close())

const TEN_MINUTES_MS = 600_000

/** n2 dies while n1 and n3 cannot take its VM for a reason that may pass. */
async function shortOf(change: Record<string, unknown>): Promise<void> {
  world = await FenceWorld.open()
  await world.say('n1', { daemon: 'shutdown' })
  await world.say('n3', change)
  await world.vm('web', { node: 'n2', power: 'on', run: 'n2', spec: { rbdList: ['vms/web'] as never } })
  await world.reign()
  world.vanish('n2')
  await world.untilState('n2', 'evidence', 10_000)
}

const fault = { id: 'GUEST_SECRET', severity: 'error', message: 'no key', since: 0 }

describe('a shortage that may pass', () => {
  it.each([
    ['its VMs are coming home', { domainState: 'unflush' }, { domainState: 'ready' }],
    ['its libvirt has no key yet', { faults: [fault] }, { faults: [] }],
  ])('of the only node left is waited for, and said: %s', async (_, before, after) => {
    await shortOf(before)
    await world.clock.advance(60_000)
    expect((await world.status('web')).run?.node).toBe('n2')
    expect((await world.spec('web')).power).toBe('on')
    expect(must(world.primary).faults.list()).toMatchObject([
      { id: 'RECOVERY_STUCK:n2', message: expect.stringMatching(/web: n3: .*, which may pass; after ten minutes/) },
    ])
    await world.say('n3', after)
    await world.untilState('n2', 'recovered', 5000)
    expect((await world.status('web')).run?.node).toBe('n3')
    expect(world.faultIds()).toEqual([])
  })

  it('is not waited for longer than ten minutes, whatever the clock of who wrote the proof says', async () => {
    await shortOf({ domainState: 'unflush' })
    const { evidence } = await world.journal('n2')
    const wrongClock = evidence.map((each) => ({ ...each, at: each.at - 10 * TEN_MINUTES_MS }))
    await world.setJournal('n2', { evidence: wrongClock })
    await world.clock.advance(TEN_MINUTES_MS - 10_000)
    expect((await world.journal('n2')).state).toBe('evidence')
    await world.untilState('n2', 'recovered', 20_000)
    expect(await world.status('web')).toMatchObject({ run: null, phase: 'off' })
    expect(await world.spec('web')).toMatchObject({ power: 'off', meta: { autostart: true } })
  })

  it('is not waited for while the node itself is back and kept out', async () => {
    await shortOf({ domainState: 'unflush' })
    await world.clock.advance(20_000)
    await world.boot('n2', { life: 'n2-life2', bootId: 'n2-boot2', status: { certified: false, ack: 1 } })
    await world.untilState('n2', 'recovered', 5000)
    expect((await world.spec('web')).power).toBe('off')
  })
})

it('a shortage of memory, or of nodes the VM may run on, is none that passes', async () => {
  world = await FenceWorld.open()
  const { resources } = must((await world.admin.get(world.keys('n3').status))?.value)
  await world.say('n3', { domainState: 'unflush', resources: { ...resources, memoryFreeMiB: 10 } })
  await world.say('n1', { domainState: 'unflush' })
  await world.vm('large', { node: 'n2', power: 'on', run: 'n2', meta: { nodeLimit: [world.name('n3')] } })
  await world.reign()
  world.vanish('n2')
  await world.untilState('n2', 'recovered', 10_000)
  expect((await world.spec('large')).power).toBe('off')
})
