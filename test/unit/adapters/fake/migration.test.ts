import { beforeEach, describe, expect, it } from 'vitest'
import { FakeCeph } from '../../../../src/adapters/fake/ceph.ts'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { FakeFiles } from '../../../../src/adapters/fake/files.ts'
import { FakeHypervisor } from '../../../../src/adapters/fake/hypervisor.ts'
import { FakeLibvirtd } from '../../../../src/adapters/fake/libvirtd.ts'
import { FakeMigrationNetwork } from '../../../../src/adapters/fake/migration.ts'
import { LifeId, VmUuid } from '../../../../src/model/ids.ts'
import type { MigrationRequest } from '../../../../src/ports/hypervisor.ts'

const uuid = VmUuid.parse('aaaaaaaa-0000-4000-8000-000000000001')
const oldMark = { life: LifeId.parse('life-1'), seq: 3 }
const newMark = { life: LifeId.parse('life-2'), seq: 4 }
const xml = `<domain><name>g1</name><uuid>${uuid}</uuid><memory unit='MiB'>96</memory><devices>
<disk type='network'><source protocol='rbd' name='vms/g1'/></disk></devices></domain>`
const request: MigrationRequest = { migrationId: 'm1', targetAddress: '10.0.0.2', maxDowntimeMs: 300, policy: {} }

let clock: ManualClock
let ceph: FakeCeph
let network: FakeMigrationNetwork
let events: string[]
let source: Host
let target: Host

class Host {
  readonly files = new FakeFiles()
  readonly libvirtd: FakeLibvirtd
  readonly hypervisor: FakeHypervisor

  constructor(name: string, address: string) {
    this.libvirtd = new FakeLibvirtd({
      clock,
      processes: this.files.processes,
      ceph,
      address,
      permitOf: (vm) => this.files.permitOf(vm),
      incomingOf: (vm) => this.files.incomingOf(vm),
      network: { migrations: network, address },
    })
    this.hypervisor = new FakeHypervisor({ libvirtd: this.libvirtd })
    this.hypervisor.subscribe((event) => {
      if (event.kind === 'domain') events.push(`${name}: ${event.event} ${event.detail}`.trim())
    })
  }

  async shows(): Promise<string> {
    const domain = await this.hypervisor.get(uuid)
    return domain ? `${domain.state} ${domain.reason}` : 'nothing'
  }

  async pid(): Promise<number> {
    return (await this.files.qemuProcesses()).get(uuid) ?? -1
  }
}

/** The end of a migration, as a word. */
function outcome(migration: Promise<void>): { word: string } {
  const end = { word: 'under way' }
  migration.then(
    () => {
      end.word = 'done'
    },
    (error: Error) => {
      end.word = error.message
    },
  )
  return end
}

beforeEach(async () => {
  clock = new ManualClock()
  ceph = new FakeCeph({ clock })
  ceph.addVolume('vms/g1')
  network = new FakeMigrationNetwork()
  events = []
  source = new Host('source', '10.0.0.1')
  target = new Host('target', '10.0.0.2')
  await source.files.writePermit(uuid, oldMark)
  await source.hypervisor.create(uuid, xml, oldMark)
  await target.files.writeIncoming(uuid, 'm1')
  await settle()
  events.length = 0
})

describe('a fake migration', () => {
  it('leaves a paused copy, ends the source, and its guest writes once resumed', async () => {
    const end = outcome(source.hypervisor.migrate(uuid, request))
    await clock.advance(50)
    expect(await target.shows()).toBe('paused starting-up')
    await clock.advance(300)
    expect(await target.hypervisor.get(uuid)).toMatchObject({ reason: 'migration', migrationId: 'm1', mark: undefined })
    expect(await source.hypervisor.get(uuid)).toMatchObject({ state: 'running', mark: oldMark })
    expect(await source.hypervisor.migrationProgress(uuid)).toMatchObject({
      percent: 50,
      remainingMiB: 48,
      totalMiB: 96,
    })
    await expect(target.hypervisor.resume(uuid)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
    await clock.advance(300)
    expect(await source.shows()).toBe('paused migration')
    await clock.advance(100)
    expect(await target.shows()).toBe('paused user')
    expect(end.word).toBe('under way')
    await clock.advance(200)
    expect([end.word, await source.shows(), await source.pid()]).toEqual(['done', 'nothing', -1])
    await target.hypervisor.setMark(uuid, newMark)
    await target.hypervisor.resume(uuid)
    expect(await target.hypervisor.get(uuid)).toMatchObject({ mark: newMark, migrationId: undefined })
    expect(ceph.writes.at(-1)).toMatchObject({ owner: 'life-2', seq: 4, address: expect.stringContaining('10.0.0.2') })
    await settle()
    expect(events).toEqual([
      'target: started migrated',
      'source: suspended migrated',
      'target: suspended paused',
      'source: stopped migrated',
      'source: job-completed',
      'target: resumed unpaused',
    ])
  })

  it.each([
    ['ended', []],
    ['killed', [uuid]],
  ] as const)('goes on when the source ends its QEMU at the switch (%s)', async (how, stubborn) => {
    for (const vm of stubborn) source.files.stubborn.add(vm)
    const end = outcome(source.hypervisor.migrate(uuid, request))
    await clock.advance(700)
    expect(await source.files.endQemu(uuid, await source.pid(), 500)).toBe(how)
    expect([await source.pid(), await source.shows()]).toEqual([-1, 'nothing'])
    expect(await ceph.watchers('vms/g1' as never)).toHaveLength(how === 'killed' ? 2 : 1)
    await clock.advance(200)
    expect([end.word, await source.shows(), await target.shows()]).toEqual(['done', 'nothing', 'paused user'])
  })

  it('is refused by the hook of a target that expects another one, or none', async () => {
    await target.files.writeIncoming(uuid, 'm2')
    await expect(source.hypervisor.migrate(uuid, request)).rejects.toThrow('Hook script')
    await target.files.removeIncoming(uuid)
    await expect(source.hypervisor.migrate(uuid, request)).rejects.toThrow('Hook script')
    expect([await source.shows(), await target.shows()]).toEqual(['running booted', 'nothing'])
  })

  it('to a host that cannot be reached fails', async () => {
    network.setReachable('10.0.0.2', false)
    await expect(source.hypervisor.migrate(uuid, request)).rejects.toThrow('No route to host')
    network.setReachable('10.0.0.2', true)
    target.libvirtd.stop()
    await expect(source.hypervisor.migrate(uuid, request)).rejects.toThrow('No route to host')
  })

  it.each([300, 650])('that is aborted after %i ms leaves the guest at the source', async (ms) => {
    const end = outcome(source.hypervisor.migrate(uuid, request))
    await clock.advance(ms)
    await source.hypervisor.abortMigration(uuid)
    await settle()
    expect(end.word).toContain('canceled by client')
    expect(await source.hypervisor.get(uuid)).toMatchObject({ state: 'running', mark: oldMark })
    expect([await target.shows(), await target.pid()]).toEqual(['nothing', -1])
    await source.hypervisor.abortMigration(uuid)
    expect(await source.hypervisor.migrationProgress(uuid)).toBeUndefined()
  })

  it('whose last reply gets lost resumes the source beside a complete copy, unless its QEMU was ended', async () => {
    network.plan({ isFinishLost: true })
    let end = outcome(source.hypervisor.migrate(uuid, request))
    await clock.advance(900)
    expect([await source.shows(), await target.shows()]).toEqual(['running migration-canceled', 'paused user'])
    expect(end.word).toContain('socket is closed')
    expect(events).toContain('source: resumed migrated')

    await target.hypervisor.destroy(uuid)
    network.plan({ isFinishLost: true })
    end = outcome(source.hypervisor.migrate(uuid, request))
    await clock.advance(700)
    await source.files.endQemu(uuid, await source.pid(), 500)
    await clock.advance(200)
    expect([await source.shows(), await target.shows()]).toEqual(['nothing', 'paused user'])
    expect(end.word).toContain('socket is closed')
  })

  it.each([300, 650])('whose target dies after %i ms leaves the guest at the source', async (ms) => {
    const end = outcome(source.hypervisor.migrate(uuid, request))
    await clock.advance(ms)
    target.files.reboot()
    await clock.advance(1000)
    expect(end.word).not.toBe('under way')
    expect(await source.hypervisor.get(uuid)).toMatchObject({ state: 'running' })
    expect(await target.shows()).toBe('nothing')
  })

  it.each([300, 650])('whose target libvirtd dies after %i ms leaves the guest at the source', async (ms) => {
    const end = outcome(source.hypervisor.migrate(uuid, request))
    await clock.advance(ms)
    target.libvirtd.stop()
    await clock.advance(1000)
    expect(end.word).toContain('socket is closed')
    expect(await source.hypervisor.get(uuid)).toMatchObject({ state: 'running' })
    target.libvirtd.start()
    expect([await target.shows(), await target.pid()]).toEqual(['nothing', -1])
  })

  it.each([
    [300, 'running booted', 'nothing', 'running booted'],
    [650, 'running unpaused', 'nothing', 'running unpaused'],
    [750, 'paused migration', 'paused user', 'paused migration'],
  ])('whose source libvirtd dies after %i ms', async (ms, atSource, atTarget, afterStart) => {
    const end = outcome(source.hypervisor.migrate(uuid, request))
    await clock.advance(ms)
    source.libvirtd.stop()
    await clock.advance(1000)
    expect(end.word).toContain('broke')
    const domain = source.libvirtd.domains.get(uuid)
    expect(`${domain?.state} ${domain?.reason}`).toBe(atSource)
    expect(await target.shows()).toBe(atTarget)
    source.libvirtd.start()
    expect(await source.shows()).toBe(afterStart)
  })

  it('goes on when the daemon that asked for it dies', async () => {
    const end = outcome(source.hypervisor.migrate(uuid, request))
    await clock.advance(300)
    await source.hypervisor.close()
    await clock.advance(1000)
    expect(end.word).toContain('broke')
    expect(source.libvirtd.domains.size).toBe(0)
    expect(await target.shows()).toBe('paused user')
  })
})
