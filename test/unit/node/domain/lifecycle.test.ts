import { describe, expect, it } from 'vitest'
import { UUID, VOLUME } from './fixtures.ts'
import { World } from './world.ts'

describe('a VM on its node', () => {
  it('starts when it is wanted on, under the run record and with its mark', async () => {
    const world = await World.create()
    await world.turnOn()
    const status = await world.running()
    expect(status).toMatchObject({ run: { node: 'hv1', life: 'hv1-life-1', holder: null }, seq: 1, failedReason: '' })
    expect(world.hv1.libvirtd.domains.get(UUID)?.mark).toEqual({ life: 'hv1-life-1', seq: 1 })
    expect(status.startedGeneration).toBe(2)
  })

  it('shuts down when it is wanted off, and gives the record and the permit back', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    await world.turnOff()
    expect(await world.off()).toMatchObject({ seq: 2, startedGeneration: 0 })
    expect(world.domainsRunning()).toBe(0)
    expect((await world.hv1.files.permits()).size).toBe(0)
  })

  it('is destroyed when it ignores the button for the shutdown time', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    world.hv1.libvirtd.guest(UUID).acpi = 'ignores'
    await world.turnOff()
    await world.clock.advance(59_000)
    expect(world.domainsRunning()).toBe(1)
    await world.off(3000)
  })

  it('restarts in an orderly way, also when the guest ignores the button', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    const first = world.hv1.libvirtd.domains.get(UUID)?.run?.pid
    world.hv1.libvirtd.guest(UUID).acpi = 'ignores'
    await world.wish((spec) => ({ wishes: { ...spec.wishes, restart: spec.wishes.restart + 1 } }))
    const status = await world.until((now) => now.done.restart === 1 && now.phase === 'running', 70_000)
    expect(world.hv1.libvirtd.domains.get(UUID)?.run?.pid).not.toBe(first)
    expect(status.restarts).toBe(0)
  })

  it('is destroyed at once by an immediate stop', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    world.hv1.libvirtd.guest(UUID).acpi = 'ignores'
    await world.wish((spec) => ({ power: 'off', wishes: { ...spec.wishes, stopNow: spec.wishes.stopNow + 1 } }))
    expect((await world.off(1000)).done.stopNow).toBe(1)
  })

  it('comes back at once after its QEMU was killed, with the dead client blocklisted and its lock broken', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    const old = world.hv1.libvirtd.domains.get(UUID)?.run?.client
    world.hv1.libvirtd.crash(UUID)
    await world.until((status) => status.phase === 'running' && status.restarts === 1, 1000)
    expect(old && world.ceph.isBlocklisted(old.address)).toBe(true)
    expect(
      world.ceph
        .image(VOLUME)
        ?.locks()
        .map((lock) => lock.address),
    ).not.toContain(old?.address)
  })

  it('leaves a free volume behind when it is stopped right after a crash', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    world.hv1.hypervisor.script.always('create', { delayMs: 20_000 })
    const old = world.hv1.libvirtd.domains.get(UUID)?.run?.client
    world.hv1.isCertified = false
    world.hv1.libvirtd.crash(UUID)
    await world.turnOff()
    world.hv1.isCertified = true
    await world.off()
    expect(old && world.ceph.isBlocklisted(old.address)).toBe(true)
  })

  it('comes back after the guest powered itself off', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    world.hv1.libvirtd.powerOff(UUID)
    await world.until((status) => status.phase === 'running' && status.restarts === 1, 1000)
  })

  it('fails after eight starts in ten minutes, and a new start clears that', async () => {
    const world = await World.create()
    await world.turnOn()
    for (let end = 0; end < 8; end += 1) {
      await world.until((status) => status.phase === 'running' && status.restarts === end, 70_000)
      world.hv1.libvirtd.crash(UUID)
    }
    const failed = await world.until((status) => status.phase === 'failed', 70_000)
    expect(failed.run).toBeNull()
    expect(failed.failedReason).toMatch(/8 times within 10 minutes/)
    await world.turnOn()
    await world.running()
  })

  it('is refused when a stranger holds its volume, with lock, owner and volume in the reason', async () => {
    const world = await World.create()
    const stranger = world.ceph.lockByStranger(VOLUME, '10.90.1.99')
    await world.turnOn()
    const failed = await world.until((status) => status.phase === 'failed')
    expect(failed.failedReason).toContain(VOLUME)
    expect(failed.failedReason).toContain('10.90.1.99')
    expect(world.ceph.isBlocklisted(stranger.address)).toBe(false)
    expect(world.hv1.libvirtd.domains.size).toBe(0)
  })

  it('says why a start failed, tries again, and runs when the cause is gone', async () => {
    const world = await World.create()
    world.hv1.libvirtd.stop()
    await world.turnOn()
    await world.clock.advance(3000)
    world.hv1.libvirtd.start()
    await world.running(10_000)
  })

  it('starts by what is wanted when its turn comes, not by what was wanted when it was queued', async () => {
    const world = await World.create()
    world.ceph.script.plan('locks', { delayMs: 5000 })
    await world.turnOn()
    await world.clock.advance(1000)
    await world.wish((spec) => ({ xml: spec.xml.replace('1024', '2048') }))
    await world.running(10_000)
    expect(world.hv1.libvirtd.domains.get(UUID)?.xml).toContain('2048')
    await world.turnOff()
    await world.off()
    world.ceph.script.plan('locks', { delayMs: 5000 })
    await world.turnOn()
    await world.clock.advance(1000)
    await world.turnOff()
    await world.off(10_000)
    expect(world.log.messages('info').filter((message) => message === 'vm destroy')).toEqual([])
  })

  it('outlasts a Ceph that does not answer for ten minutes: it says what it waits for, then runs', async () => {
    const world = await World.create()
    world.ceph.script.always('locks', { delayMs: 20_000 })
    await world.turnOn()
    for (let minute = 0; minute < 10; minute += 1) {
      await world.clock.advance(60_000)
      expect(await world.status()).toMatchObject({ phase: 'starting', run: { node: 'hv1' } })
    }
    expect((await world.status()).failedReason).toContain('locks')
    expect(world.hv1.faults.get(`VM_START_WAITS:${UUID}`)).toContain('locks')
    world.ceph.script.always('locks', undefined)
    expect((await world.running(75_000)).failedReason).toBe('')
    expect(world.hv1.faults.has(`VM_START_WAITS:${UUID}`)).toBe(false)
  })

  it('does nothing without a certificate', async () => {
    const world = await World.create()
    world.hv1.isCertified = false
    await world.turnOn()
    await world.clock.advance(60_000)
    expect(await world.status()).toMatchObject({ run: null, seq: 0 })
  })
})

describe('a VM and the failures of its node', () => {
  it('is adopted undisturbed after kill -9 of the daemon', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    const pid = world.hv1.libvirtd.domains.get(UUID)?.run?.pid
    world.hv1.killDaemon()
    await world.clock.advance(40_000)
    world.hv1.restartDaemon()
    await world.clock.advance(40_000)
    expect(world.hv1.libvirtd.domains.get(UUID)?.run?.pid).toBe(pid)
    expect(await world.status()).toMatchObject({ phase: 'running', seq: 1, restarts: 0 })
  })

  it('a create that outlives its deadline and the wish never runs beside another copy', async () => {
    const world = await World.create()
    world.hv1.hypervisor.script.plan('create', { delayMs: 120_000 })
    await world.turnOn()
    await world.clock.advance(40_000)
    expect(world.hv1.faults.has(`VM_START_SLOW:${UUID}`)).toBe(true)
    await world.wish(() => ({ node: world.hv2.name }))
    await world.clock.advance(10_000)
    expect((await world.status()).run?.node).toBe('hv1')
    expect(world.domainsRunning()).toBe(0)
    const status = await world.until((now) => now.run?.node === 'hv2' && now.phase === 'running', 120_000)
    expect(status.seq).toBe(3)
    expect(world.hv1.libvirtd.domains.get(UUID)?.run).toBeUndefined()
  })

  it('a daemon killed with a create in flight gives the record up only when that start is ended', async () => {
    const world = await World.create()
    world.hv1.libvirtd.startStallMs = 30_000
    await world.turnOn()
    await world.clock.advance(1000)
    world.hv1.killDaemon()
    await world.turnOff()
    world.hv1.restartDaemon()
    await world.off(10_000)
    expect(world.hv1.libvirtd.domains.size).toBe(0)
    await world.clock.advance(60_000)
    expect([world.domainsRunning(), world.hv1.processes.list()]).toEqual([0, []])
  })

  it('comes back under the new life after its machine rebooted', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    world.hv1.reboot()
    const status = await world.until((now) => now.run?.life === 'hv1-life-1x' && now.phase === 'running', 10_000)
    expect(status.seq).toBe(2)
  })

  it('is destroyed where the record is no longer its own', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    const status = await world.status()
    world.hv1.isCertified = false
    await world.setStatus({ run: { node: world.hv2.name, life: world.hv2.life, holder: 'job-1' }, seq: status.seq + 1 })
    world.hv1.isCertified = true
    world.hv1.triggerAll()
    await world.clock.advance(100)
    expect(world.domainsRunning()).toBe(0)
  })

  it('is not touched when the store went backwards', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    const pid = world.hv1.libvirtd.domains.get(UUID)?.run?.pid
    await world.setStatus({ run: null, seq: 0, phase: 'off' })
    await world.clock.advance(60_000)
    expect(world.hv1.libvirtd.domains.get(UUID)?.run?.pid).toBe(pid)
    expect(world.hv1.faults.has(`STORE_ROLLBACK:${UUID}`)).toBe(true)
    expect((await world.status()).seq).toBe(0)
  })

  it('a QEMU that libvirt has lost is ended after half a minute, then the VM comes back', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    world.hv1.libvirtd.forget(UUID)
    world.hv1.triggerAll()
    await world.clock.advance(20_000)
    expect(world.hv1.processes.list().length).toBe(1)
    await world.until((status) => status.phase === 'running' && status.restarts === 1, 30_000)
    expect(world.hv1.processes.list().length).toBe(1)
  })

  it('leaves no timer behind when its daemon stops', async () => {
    const world = await World.create()
    await world.turnOn()
    await world.running()
    await world.hv1.stopDaemon()
    await world.hv2.stopDaemon()
    expect(world.clock.pendingTimers).toBe(0)
    expect(world.domainsRunning()).toBe(1)
  })
})
