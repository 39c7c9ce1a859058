import { beforeEach, describe, expect, it } from 'vitest'
import { FakeCeph } from '../../../../src/adapters/fake/ceph.ts'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { FakeFiles } from '../../../../src/adapters/fake/files.ts'
import { FakeHypervisor } from '../../../../src/adapters/fake/hypervisor.ts'
import { FakeLibvirtd } from '../../../../src/adapters/fake/libvirtd.ts'
import { LifeId, VmUuid } from '../../../../src/model/ids.ts'

const uuid = VmUuid.parse('aaaaaaaa-0000-4000-8000-000000000001')
const mark = { life: LifeId.parse('life-1'), seq: 3 }
const xml = `<domain><name>g1</name><uuid>${uuid}</uuid><memory unit='MiB'>96</memory><vcpu>2</vcpu><devices>
<disk type='network'><source protocol='rbd' name='vms/g1'/></disk></devices></domain>`

describe('a fake hypervisor', () => {
  let clock: ManualClock
  let ceph: FakeCeph
  let files: FakeFiles
  let libvirtd: FakeLibvirtd
  let hypervisor: FakeHypervisor
  let events: string[]

  beforeEach(async () => {
    clock = new ManualClock()
    ceph = new FakeCeph({ clock })
    ceph.addVolume('vms/g1')
    files = new FakeFiles()
    const { processes } = files
    const permitOf = (vm: VmUuid) => files.permitOf(vm)
    libvirtd = new FakeLibvirtd({ clock, processes, ceph, address: '10.0.0.1', permitOf })
    hypervisor = new FakeHypervisor({ libvirtd })
    events = []
    hypervisor.subscribe((event) => {
      events.push(event.kind === 'domain' ? `${event.event} ${event.detail}` : `connected ${event.connected}`)
    })
    await files.writePermit(uuid, mark)
  })

  it('starts a transient domain with its mark, events, process and lock', async () => {
    await hypervisor.create(uuid, xml, mark)
    expect(await hypervisor.list()).toEqual([
      { uuid, name: 'g1', state: 'running', reason: 'booted', mark, migrationId: undefined },
    ])
    expect(events).toEqual(['resumed unpaused', 'started booted'])
    expect([...(await files.qemuProcesses()).keys()]).toEqual([uuid])
    expect(await ceph.locks('vms/g1' as never)).toHaveLength(1)
    expect(await hypervisor.stats()).toMatchObject({ memoryAllocatedMiB: 96, vcpusAllocated: 2 })
  })

  it('refuses a start without an equal permit', async () => {
    await expect(hypervisor.create(uuid, xml, { ...mark, seq: 2 })).rejects.toMatchObject({
      code: 'PVC_HYPERVISOR_FAILED',
    })
    expect(await hypervisor.list()).toEqual([])
  })

  it('times out a create that takes effect later, and says so meanwhile', async () => {
    hypervisor.script.plan('create', { delayMs: 40_000 })
    const failed = expect(hypervisor.create(uuid, xml, mark)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
    await clock.advance(30_000)
    await failed
    expect([...hypervisor.outstandingCreates()]).toEqual([uuid])
    expect(await hypervisor.get(uuid)).toBeUndefined()
    await clock.advance(10_000)
    expect(hypervisor.outstandingCreates().size).toBe(0)
    expect(await hypervisor.get(uuid)).toMatchObject({ state: 'running' })
  })

  it('never runs a late create whose permit was taken away', async () => {
    hypervisor.script.plan('create', { delayMs: 40_000 })
    const failed = expect(hypervisor.create(uuid, xml, mark)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
    await clock.advance(35_000)
    await failed
    await files.removePermit(uuid)
    await clock.advance(5_000)
    expect(hypervisor.outstandingCreates().size).toBe(0)
    expect(await hypervisor.get(uuid)).toBeUndefined()
  })

  it('lists a domain whose start stalls as paused, and ends it on destroy', async () => {
    libvirtd.startStallMs = 15_000
    const failed = expect(hypervisor.create(uuid, xml, mark)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
    await clock.advance(1_000)
    expect(await hypervisor.get(uuid)).toMatchObject({ state: 'paused', reason: 'starting-up' })
    await hypervisor.destroy(uuid)
    await failed
    expect(await hypervisor.get(uuid)).toBeUndefined()
    await clock.advance(15_000)
    expect(await hypervisor.get(uuid)).toBeUndefined()
  })

  it('keeps a start in flight when the daemon restarts: the next daemon sees the domain, not the call', async () => {
    libvirtd.startStallMs = 5_000
    const lost = expect(hypervisor.create(uuid, xml, mark)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
    await settle()
    await hypervisor.close()
    await lost
    const next = new FakeHypervisor({ libvirtd })
    expect(next.outstandingCreates().size).toBe(0)
    expect(await next.get(uuid)).toMatchObject({ reason: 'starting-up' })
    await clock.advance(5_000)
    expect(await next.get(uuid)).toMatchObject({ state: 'running' })
  })

  it('shuts a guest down, unless it ignores the power button', async () => {
    await hypervisor.create(uuid, xml, mark)
    libvirtd.guest(uuid).acpi = 'ignores'
    await hypervisor.shutdown(uuid)
    await clock.advance(60_000)
    expect(await hypervisor.get(uuid)).toBeDefined()
    libvirtd.guest(uuid).acpi = 'obeys'
    events.length = 0
    await hypervisor.shutdown(uuid)
    await clock.advance(300)
    expect(await hypervisor.get(uuid)).toBeUndefined()
    expect(events).toEqual(['shutdown guest', 'stopped shutdown'])
    expect(await ceph.locks('vms/g1' as never)).toEqual([])
  })

  it('leaves lock and watch behind when QEMU is killed', async () => {
    await hypervisor.create(uuid, xml, mark)
    events.length = 0
    libvirtd.crash(uuid)
    await settle()
    expect(events).toEqual(['stopped failed'])
    expect(await hypervisor.get(uuid)).toBeUndefined()
    expect(await ceph.locks('vms/g1' as never)).toHaveLength(1)
    expect(await files.volumeUsers('vms/g1')).toEqual([])
  })

  it('destroys without leaving a lock, and is content when nothing runs', async () => {
    await hypervisor.create(uuid, xml, mark)
    events.length = 0
    await hypervisor.destroy(uuid)
    await hypervisor.destroy(uuid)
    expect(events).toEqual(['shutdown host', 'stopped destroyed'])
    expect(await ceph.locks('vms/g1' as never)).toEqual([])
  })

  it('keeps guests when libvirtd dies, and fails calls in flight', async () => {
    await hypervisor.create(uuid, xml, mark)
    hypervisor.script.plan('list', { delayMs: 1000 })
    const lost = expect(hypervisor.list()).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
    libvirtd.stop()
    await lost
    expect(hypervisor.isConnected).toBe(false)
    await expect(hypervisor.get(uuid)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_UNAVAILABLE' })
    libvirtd.start()
    await settle()
    expect(events.slice(-2)).toEqual(['connected false', 'connected true'])
    expect(await hypervisor.get(uuid)).toMatchObject({ state: 'running' })
  })

  it('shows a QEMU that libvirt lost track of, until it is killed', async () => {
    await hypervisor.create(uuid, xml, mark)
    libvirtd.forget(uuid)
    expect(await hypervisor.get(uuid)).toBeUndefined()
    const pid = (await files.qemuProcesses()).get(uuid)
    await files.killQemu(uuid, pid ?? -1)
    expect((await files.qemuProcesses()).size).toBe(0)
  })
})
