import { describe, expect, it } from 'vitest'
import type { MoveOrder } from '../../../../src/model/domain.ts'
import { tree } from '../../../../src/schema/tree.ts'
import { UUID } from './fixtures.ts'
import { advance, moving, runsAt } from './moving.ts'
import { World } from './world.ts'

/** Time until the copy is under way. */
const INTO_COPY_MS = 400

describe('a live move', () => {
  it('runs on at the target under the new record, without a start and without a second copy', async () => {
    const { world } = await moving()
    const status = await world.until(runsAt('hv2'), 5000)
    expect(status).toMatchObject({ seq: 2, migration: null, handedOver: null, moveFailure: null, restarts: 0 })
    const domain = world.hv2.libvirtd.domains.get(UUID)
    expect(domain).toMatchObject({ state: 'running', mark: { life: 'hv2-life-1', seq: 2 }, migrationId: undefined })
    await world.clock.advance(2000)
    expect(world.hv1.libvirtd.domains.size).toBe(0)
    expect([...(await world.hv1.files.permits())]).toEqual([])
    expect(await world.hv2.files.incoming(UUID)).toBeUndefined()
  })

  it('publishes progress while it copies', async () => {
    const { world } = await moving()
    world.migrations.standing = { ...world.migrations.standing, copyMs: 10_000 }
    const status = await world.until((now) => (now.migration?.progress?.percent ?? 0) > 10, 8000)
    expect(status.phase).toBe('migrating')
    await world.until(runsAt('hv2'), 15_000)
  })

  it('goes there and back', async () => {
    const { world } = await moving()
    await world.until(runsAt('hv2'), 5000)
    const move: MoveOrder = { id: 'back', kind: 'unmigrate', isLiveOnly: false, policy: {} }
    await world.wish(() => ({ node: world.hv1.name, lastNode: null, move }))
    const status = await world.until(runsAt('hv1'), 5000)
    expect(status.seq).toBe(3)
  })

  it('is called off by the old placement: the guest runs on at the source, undisturbed', async () => {
    const { world, pid } = await moving()
    world.migrations.standing = { ...world.migrations.standing, copyMs: 60_000 }
    await world.until((status) => status.migration?.step === 'copy', 3000)
    await world.clock.advance(2000)
    await world.wish(() => ({ node: world.hv1.name, lastNode: null, move: null }))
    const status = await world.until((now) => now.migration === null && now.phase === 'running', 5000)
    expect(status).toMatchObject({ run: { node: 'hv1' }, seq: 1, moveFailure: null })
    await world.clock.advance(40_000)
    expect(world.hv1.libvirtd.domains.get(UUID)?.run?.pid).toBe(pid)
    expect(world.hv2.libvirtd.domains.size).toBe(0)
    expect(await world.hv2.files.incoming(UUID)).toBeUndefined()
  })

  it('that fails shuts the guest down here and starts it there, where the method allows', async () => {
    const { world } = await moving()
    world.migrations.setReachable(world.hv2.address, false)
    const status = await world.until(runsAt('hv2'), 20_000)
    expect(status.seq).toBeGreaterThan(2)
    expect(world.domainsRunning()).toBe(1)
  })

  it.each([
    ['method live', { migrationMethod: 'live' as const }, {}],
    ['live only', {}, { isLiveOnly: true }],
  ])('that fails leaves the guest where it is: %s', async (_name, meta, order) => {
    const { world, pid, id } = await moving(meta, order)
    world.migrations.setReachable(world.hv2.address, false)
    const status = await world.until((now) => now.moveFailure !== null, 10_000)
    expect(status.moveFailure).toMatchObject({
      orderId: id,
      isFinal: true,
      reason: expect.stringContaining('No route'),
    })
    await world.clock.advance(60_000)
    expect(world.hv1.libvirtd.domains.get(UUID)?.run?.pid).toBe(pid)
    expect(await world.status()).toMatchObject({ run: { node: 'hv1' }, seq: 1, phase: 'running' })
  })

  it('with method shutdown copies nothing', async () => {
    const { world } = await moving({ migrationMethod: 'shutdown' })
    await world.until(runsAt('hv2'), 10_000)
    expect(world.log.messages('info')).not.toContain('vm copy')
  })

  it('with method shutdown starts there also when the QEMU here had to be killed', async () => {
    const { world } = await moving({ migrationMethod: 'shutdown' })
    world.hv1.libvirtd.guest(UUID).acpi = 'ignores'
    world.hv1.hypervisor.destroy = async (uuid) => world.hv1.libvirtd.crash(uuid)
    expect(await world.until(runsAt('hv2'), 70_000)).toMatchObject({ failedReason: '' })
  })

  it('to a node that does not run is refused, and the guest is not shut down for it', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    await world.hv2.store.close()
    await world.wish(() => ({ node: world.hv2.name, move: { id: 'm', kind: 'move', isLiveOnly: false, policy: {} } }))
    const status = await world.until((now) => now.moveFailure !== null, 5000)
    expect(status).toMatchObject({ phase: 'running', run: { node: 'hv1' }, moveFailure: { isFinal: true } })
    await world.clock.advance(60_000)
    expect(world.domainsRunning()).toBe(1)
  })
})

describe('a live move and what can happen to it', () => {
  it('a lost word of the end: the guest libvirt resumed at the source stays the only one', async () => {
    const { world, pid } = await moving({ migrationMethod: 'live' })
    world.migrations.plan({ isFinishLost: true })
    // The target is silent until libvirt has resumed the source.
    await world.until((status) => status.migration?.step === 'copy', 3000)
    world.hv2.isCertified = false
    await world.clock.advance(3000)
    world.hv2.isCertified = true
    world.hv2.triggerAll()
    await world.until((now) => now.moveFailure !== null, 20_000)
    await world.clock.advance(60_000)
    expect(world.hv1.libvirtd.domains.get(UUID)?.run?.pid).toBe(pid)
    expect(world.hv2.libvirtd.domains.size).toBe(0)
  })

  it.each([0, 150, 400, 650, 720, 800, 900, 1000])('source daemon killed %i ms after the order', async (afterMs) => {
    const { world } = await moving()
    await advance(world, afterMs)
    world.hv1.killDaemon()
    await world.clock.advance(3000)
    world.assertOneDomain()
    world.hv1.restartDaemon()
    expect((await world.until(runsAt('hv2'), 60_000)).seq).toBe(2)
    await world.clock.advance(10_000)
    world.assertOneDomain()
  })

  it('source daemon away while the copy came to its end: its guest goes on at the target', async () => {
    const { world } = await moving()
    await advance(world, INTO_COPY_MS)
    world.hv1.killDaemon()
    await world.clock.advance(3000)
    const pid = world.hv2.libvirtd.domains.get(UUID)?.run?.pid
    world.hv1.restartDaemon()
    const status = await world.until(runsAt('hv2'), 5000)
    expect(status.seq).toBe(2)
    expect(world.hv2.libvirtd.domains.get(UUID)?.run?.pid).toBe(pid)
  })

  it('source daemon away while libvirt let the guest run on and it ended: its older copy never runs', async () => {
    const { world } = await moving()
    world.migrations.standing = { ...world.migrations.standing, isFinishLost: true }
    await advance(world, INTO_COPY_MS)
    world.hv1.killDaemon()
    await world.clock.advance(3000)
    const copy = world.hv2.libvirtd.domains.get(UUID)?.run?.pid
    expect([copy, world.domainsRunning()]).toEqual([expect.any(Number), 1])
    world.hv1.libvirtd.powerOff(UUID)
    await world.clock.advance(1000)
    world.hv1.restartDaemon()
    const status = await world.until(runsAt('hv2'), 60_000)
    expect(status.seq).toBeGreaterThan(2)
    expect(world.hv2.libvirtd.domains.get(UUID)?.run?.pid).not.toBe(copy)
  })

  it('source daemon stopped for long while libvirt still prepares a long copy', async () => {
    const { world, pid } = await moving()
    world.migrations.standing = { ...world.migrations.standing, prepareMs: 2000, copyMs: 30_000 }
    await world.until((status) => status.migration?.step === 'copy', 3000)
    await advance(world, 500)
    const stopped = world.hv1.stopDaemon()
    await advance(world, 10_000)
    await stopped
    await world.clock.advance(60_000)
    world.assertOneDomain()
    expect(world.hv1.libvirtd.domains.get(UUID)).toMatchObject({ state: 'running', run: { pid } })
  })

  it.each([0, 150, 400, 650, 720, 800, 900, 1000])(
    'source daemon stopped for long, %i ms after the order',
    async (afterMs) => {
      const { world, pid } = await moving()
      await advance(world, afterMs)
      const stopped = world.hv1.stopDaemon()
      await world.clock.advance(3000)
      await stopped
      // Nobody is there to hand anything over, so the guest runs on here, or had arrived.
      await world.clock.advance(60_000)
      world.assertOneDomain()
      const domains = [world.hv1, world.hv2].flatMap(({ libvirtd }) => libvirtd.domains.get(UUID) ?? [])
      expect(domains.map(({ state }) => state)).toEqual(['running'])
      if (world.hv1.libvirtd.domains.size > 0) expect(domains[0]?.run?.pid).toBe(pid)
      world.hv1.restartDaemon()
      const status = await world.until(runsAt('hv2'), 60_000)
      expect(status.restarts).toBe(0)
      world.assertOneDomain()
    },
  )

  it.each([0, 150, 400, 650, 720, 800, 900, 1000])('target daemon killed %i ms after the order', async (afterMs) => {
    const { world } = await moving()
    await advance(world, afterMs)
    world.hv2.killDaemon()
    await world.clock.advance(3000)
    world.assertOneDomain()
    world.hv2.restartDaemon()
    await world.until(runsAt('hv2'), 60_000)
    await world.clock.advance(10_000)
    world.assertOneDomain()
  })

  it('target power-cut in the middle of the copy: the guest stays at the source', async () => {
    const { world, pid } = await moving({ migrationMethod: 'live' })
    world.migrations.plan({ copyMs: 20_000 })
    await world.clock.advance(INTO_COPY_MS)
    world.migrations.setReachable(world.hv2.address, false)
    world.hv2.reboot()
    await world.until((now) => now.moveFailure !== null, 30_000)
    await world.clock.advance(10_000)
    expect(world.hv1.libvirtd.domains.get(UUID)?.run?.pid).toBe(pid)
    expect(world.hv2.libvirtd.domains.size).toBe(0)
  })

  it('source power-cut after the hand-over: the VM runs on at the target', async () => {
    const { world } = await moving()
    await world.until(runsAt('hv2'), 5000)
    const pid = world.hv2.libvirtd.domains.get(UUID)?.run?.pid
    world.hv1.reboot()
    await world.clock.advance(60_000)
    expect(world.hv2.libvirtd.domains.get(UUID)?.run?.pid).toBe(pid)
    expect(world.hv1.libvirtd.domains.size).toBe(0)
    world.assertOneDomain()
  })

  it('source power-cut before the hand-over: the paused copy is never resumed, the source starts the VM cold', async () => {
    const { world } = await moving()
    world.migrations.plan({ copyMs: 20_000 })
    await world.clock.advance(INTO_COPY_MS)
    world.hv1.killDaemon()
    await world.clock.advance(1000)
    world.hv1.reboot()
    for (let second = 0; second < 60; second += 1) {
      await world.clock.advance(1000)
      world.assertOneDomain()
    }
    const status = await world.until(runsAt('hv2'), 60_000)
    expect(status.seq).toBeGreaterThan(2)
  })

  it('a recovery takes the record during the copy: the copy is destroyed and reported gone', async () => {
    const { world } = await moving()
    world.migrations.plan({ copyMs: 1000 })
    const arrival = async () => (await (await world.admin.connected(1000)).get(tree.vm(UUID).arrival))?.value
    await world.until((status) => status.migration?.step === 'copy', 3000)
    await world.clock.advance(500)
    world.hv1.killDaemon()
    await world.clock.advance(3000)
    expect(await arrival()).toMatchObject({ node: 'hv2', state: 'complete' })
    // As the primary does it with proof that hv1 is over (protocol P6): migration first.
    world.hv1.reboot()
    world.hv1.isCertified = false
    await world.setStatus({ migration: null })
    await world.clock.advance(2000)
    expect(world.hv2.libvirtd.domains.size).toBe(0)
    expect(await arrival()).toMatchObject({ node: 'hv2', state: 'gone' })
    expect(await world.hv2.files.incoming(UUID)).toBeUndefined()
  })

  it('two orders at once: the later one counts', async () => {
    const { world, pid } = await moving()
    world.migrations.standing = { ...world.migrations.standing, copyMs: 5000 }
    await world.clock.advance(INTO_COPY_MS)
    await world.wish(() => ({ move: { id: 'later', kind: 'move', isLiveOnly: true, policy: {} } }))
    const status = await world.until(runsAt('hv2'), 20_000)
    expect(status.seq).toBe(2)
    expect(pid).toBeDefined()
  })

  it('a stop in the middle ends the copy and then the guest', async () => {
    const { world } = await moving()
    world.migrations.standing = { ...world.migrations.standing, copyMs: 60_000 }
    await world.clock.advance(INTO_COPY_MS)
    await world.wish((spec) => ({ power: 'off', wishes: { ...spec.wishes, stopNow: spec.wishes.stopNow + 1 } }))
    await world.off(20_000)
    await world.clock.advance(5000)
    expect([world.hv1.libvirtd.domains.size, world.hv2.libvirtd.domains.size]).toEqual([0, 0])
  })
})
