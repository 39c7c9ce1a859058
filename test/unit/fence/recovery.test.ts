import { afterEach, describe, expect, it } from 'vitest'
import { VolumeRef } from '../../../src/model/ids.ts'
import { tree } from '../../../src/schema/tree.ts'
import { must } from './documents.ts'
import { FenceWorld } from './world.ts'

let world: FenceWorld
afterEach(() => world.close())

/** n2 dies; the test goes on when its VMs are recovered, or after a time. */
async function recover(ms = 10_000): Promise<void> {
  await world.reign()
  world.vanish('n2')
  await world.untilState('n2', 'recovered', ms)
}

const victim = async (vm: string) => must((await world.journal('n2')).victims.find(({ name }) => name === vm))

describe('recovery', () => {
  it('goes by start priority, then by size, and overfills no target', async () => {
    world = await FenceWorld.open()
    const free = { memoryFreeMiB: 2500, memoryTotalMiB: 10_000 }
    for (const node of ['n1', 'n3']) {
      const { resources } = must((await world.admin.get(world.keys(node).status))?.value)
      await world.say(node, { resources: { ...resources, ...free } })
    }
    await world.vm('small', { node: 'n2', power: 'on', run: 'n2', spec: { memoryMiB: 900 } })
    await world.vm('large', { node: 'n2', power: 'on', run: 'n2', spec: { memoryMiB: 2000 } })
    await world.vm('dear', {
      node: 'n2',
      power: 'on',
      run: 'n2',
      spec: { memoryMiB: 2000 },
      meta: { startPriority: 90 },
    })
    await recover()
    const [dear, large] = [await world.status('dear'), await world.status('large')]
    expect(new Set([dear.run?.node, large.run?.node])).toEqual(new Set(['n1', 'n3']))
    expect((await world.status('small')).run).toBeNull()
    expect(await world.spec('small')).toMatchObject({ power: 'off', node: 'n2', meta: { autostart: true } })
    expect(await victim('small')).toMatchObject({ state: 'off', reason: expect.stringContaining('MiB needed') })
    const decisions = await world.decisions('small')
    expect(decisions.at(-1)).toMatchObject({ kind: 'recover', from: 'n2', choice: null })
  })

  it('keeps the reasons of each choice', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await recover()
    expect(await world.decisions('web')).toMatchObject([{ kind: 'recover', from: 'n2', choice: 'n1' }])
    expect((await world.decisions('web'))[0]?.candidates.map(({ node }) => node)).toEqual(['n1', 'n2', 'n3'])
  })

  it('remembers the home of a VM that was away from it, and brings one home that can be', async () => {
    world = await FenceWorld.open(['n1', 'n2', 'n3', 'n4'])
    await world.vm('away', {
      node: 'n2',
      lastNode: 'n4',
      power: 'on',
      run: 'n2',
      meta: { nodeLimit: [world.name('n3')] },
    })
    await world.vm('home', {
      node: 'n2',
      lastNode: 'n3',
      power: 'on',
      run: 'n2',
      meta: { nodeLimit: [world.name('n3')] },
    })
    await recover()
    expect(await world.spec('away')).toMatchObject({ node: 'n3', lastNode: 'n4' })
    expect(await world.spec('home')).toMatchObject({ node: 'n3', lastNode: null })
  })

  it('releases VMs that are wanted off, held, removed, or worked on by a job; the last is placed as it is wanted on', async () => {
    world = await FenceWorld.open()
    await world.vm('off', { node: 'n2', power: 'off', run: 'n2' })
    await world.vm('held', { node: 'n2', power: 'on', run: 'n2', spec: { hold: 'restore' } })
    await world.vm('job', { node: 'n2', power: 'on', run: 'n2' })
    const { run } = await world.status('job')
    await world.setStatus('job', { run: run && { ...run, holder: 'import-7' } })
    const uuid = await world.vm('gone', { node: 'n2', power: 'on', run: 'n2' })
    await world.tombstone(uuid)
    await recover()
    for (const vm of ['off', 'held', 'job', 'gone']) expect((await world.status(vm)).run).toBeNull()
    expect(await victim('held')).toMatchObject({ state: 'off', reason: 'it is held by restore' })
    expect(await victim('off')).toMatchObject({ state: 'off', reason: 'it is wanted off' })
    expect(await victim(uuid)).toMatchObject({ state: 'off', reason: 'it was removed' })
    await world.until(async () => (await world.spec('job')).node === 'n1', 1000)
  })

  it('does not touch VMs of other nodes, nor other lives of this one', async () => {
    world = await FenceWorld.open()
    await world.vm('other', { node: 'n3', power: 'on', run: 'n3' })
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await recover()
    expect(await world.status('other')).toMatchObject({ run: { node: 'n3' }, seq: 1 })
  })

  it('breaks the locks of the dead node and nobody else’s', async () => {
    world = await FenceWorld.open()
    const rbdList = ['vms/own', 'vms/foreign'] as never
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2', spec: { rbdList } })
    world.ceph.lockByStranger('vms/own', '10.0.1.2').die()
    world.ceph.lockByStranger('vms/foreign', '10.0.1.9')
    await recover()
    expect(must(world.ceph.image('vms/own')).locks()).toEqual([])
    expect(must(world.ceph.image('vms/foreign')).locks()).toMatchObject([
      { address: expect.stringContaining('10.0.1.9') },
    ])
    expect(world.ceph.blocklistEntries().map(({ address }) => address)).toEqual(['10.0.1.2:0/0'])
  })

  it('breaks them also where the VM is left off, or its next start would find them', async () => {
    world = await FenceWorld.open()
    const rbdList = ['vms/own'] as never
    await world.vm('web', { node: 'n2', power: 'off', run: 'n2', spec: { rbdList } })
    world.ceph.lockByStranger('vms/own', '10.0.1.2').die()
    await recover()
    expect(await world.status('web')).toMatchObject({ run: null })
    expect(must(world.ceph.image('vms/own')).locks()).toEqual([])
  })

  it('tries a VM again whose locks cannot be looked at, and does not hold the others up', async () => {
    world = await FenceWorld.open()
    const rbdList = ['vms/own'] as never
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2', spec: { rbdList } })
    await world.vm('other', { node: 'n2', power: 'on', run: 'n2' })
    world.ceph.script.plan('locks', { error: new Error('Ceph is slow') })
    await world.reign()
    world.vanish('n2')
    await world.until(async () => (await world.status('other')).run?.node !== 'n2', 5000)
    await world.untilState('n2', 'recovered', 5000)
    expect(await victim('web')).toMatchObject({ state: 'moved' })
  })

  it('leaves a VM alone whose documents cannot be read, says so, and recovers the others', async () => {
    world = await FenceWorld.open()
    const bad = await world.vm('bad', { node: 'n2', power: 'on', run: 'n2' })
    const lost = await world.vm('lost', { node: 'n3', power: 'on', run: 'n3' })
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    const { path } = tree.vm(bad).spec
    const text = must(world.ensemble.tree.get(path)).text
    world.ensemble.tree.tamper(path, '{"from":"a newer version"}')
    world.ensemble.tree.tamper(tree.vm(lost).status.path, 'not even JSON')
    await world.reign()
    world.vanish('n2')
    await world.until(async () => (await world.status('web')).run?.node !== 'n2', 5000)
    await world.clock.advance(40_000)
    expect(await world.journal('n2')).toMatchObject({ state: 'evidence' })
    expect((await world.journal('n2')).stuck).toMatch(/1 VMs of node n2 wait for recovery/)
    const stuck = must(world.primary)
      .faults.list()
      .find(({ id }) => id === 'RECOVERY_STUCK:n2')
    expect(stuck?.message).toMatch(/1 VMs of node n2 wait for recovery:.*does not match its schema/)
    world.ensemble.tree.tamper(path, text)
    await world.untilState('n2', 'recovered', 5000)
    expect((await world.status('bad')).run?.node).not.toBe('n2')
  })

  it('gives a move up whose source died, waits until the copy is gone, and starts it cold', async () => {
    world = await FenceWorld.open()
    const move = { id: 'order', kind: 'move' as const, isLiveOnly: false, policy: {} }
    const uuid = await world.vm('web', { node: 'n3', power: 'on', run: 'n2', copyTo: 'n3', spec: { move } })
    await world.arrival(uuid, { migrationId: 'order', node: 'n3', life: 'n3-life1', state: 'complete' })
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(10_000)
    const waiting = await world.status('web')
    expect([waiting.run?.node, waiting.migration, waiting.handedOver]).toEqual(['n2', null, null])
    expect(await victim('web')).toMatchObject({
      state: 'waiting',
      reason: expect.stringContaining('node n3 still has a copy'),
    })
    await world.arrival(uuid, { migrationId: 'order', node: 'n3', life: 'n3-life1', state: 'gone' })
    await world.untilState('n2', 'recovered', 5000)
    expect(await world.status('web')).toMatchObject({ run: { node: 'n3' }, phase: 'starting', handedOver: null })
  })

  it('waits for no copy at a target that is dead as well', async () => {
    world = await FenceWorld.open(['n1', 'n2', 'n3', 'n4', 'n5'])
    const move = { id: 'order', kind: 'move' as const, isLiveOnly: false, policy: {} }
    const uuid = await world.vm('web', { node: 'n3', power: 'on', run: 'n2', copyTo: 'n3', spec: { move } })
    await world.arrival(uuid, { migrationId: 'order', node: 'n3', life: 'n3-life1', state: 'complete' })
    await world.reign()
    world.vanish('n2')
    world.vanish('n3')
    await world.untilState('n2', 'recovered', 10_000)
    expect(['n1', 'n4', 'n5']).toContain((await world.status('web')).run?.node)
  })

  it('takes a VM that was handed over to the dead node with it', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2', status: { handedOver: 'order', phase: 'migrating' } })
    await recover()
    expect(await world.status('web')).toMatchObject({ handedOver: null, phase: 'starting' })
  })

  it('holds a VM of which a node has seen a newer record: ZooKeeper went backwards', async () => {
    world = await FenceWorld.open()
    const uuid = await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await world.seen('n3', uuid, 4)
    await world.reign()
    world.vanish('n2')
    await world.clock.advance(60_000)
    expect((await world.status('web')).run?.node).toBe('n2')
    expect(await victim('web')).toMatchObject({
      state: 'waiting',
      reason: expect.stringContaining('ZooKeeper went backwards'),
    })
    expect(world.faultIds()).toContain('RECOVERY_STUCK:n2')
  })

  it('finds a record that is handed to a dead life after all others were moved', async () => {
    world = await FenceWorld.open()
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await recover()
    await world.vm('late', { node: 'n2', power: 'on', run: 'n2' })
    await world.until(async () => (await world.status('late')).run?.node !== 'n2', 40_000)
  })

  it('gives a VM to no node that lacks a bridge of it, or cannot open its disks', async () => {
    world = await FenceWorld.open(['n1', 'n2', 'n3', 'n4'])
    await world.say('n1', { bridges: ['vmbr8'] })
    const fault = { id: 'GUEST_SECRET', severity: 'error', message: 'no key', since: 0 } as const
    await world.say('n3', { bridges: ['vmbr7'], faults: [fault] })
    await world.say('n4', { bridges: ['vmbr7'] })
    const xml =
      "<domain><name>web</name><memory>1</memory><vcpu>1</vcpu><devices><interface type='bridge'>\
<source bridge='vmbr7'/></interface></devices></domain>"
    await world.vm('web', {
      node: 'n2',
      power: 'on',
      run: 'n2',
      spec: { xml, memoryMiB: 100, rbdList: [VolumeRef.parse('vms/web')] },
    })
    await recover()
    expect((await world.status('web')).run?.node).toBe('n4')
  })

  it('gives nothing to nodes that are not ready, not certified, or being fenced', async () => {
    world = await FenceWorld.open(['n1', 'n2', 'n3', 'n4', 'n5'])
    await world.say('n1', { domainState: 'flushed' })
    await world.say('n3', { certified: false })
    await world.setJournal('n4', { state: 'recovered', seq: 1 })
    await world.vm('web', { node: 'n2', power: 'on', run: 'n2' })
    await recover()
    expect((await world.status('web')).run?.node).toBe('n5')
  })
})
