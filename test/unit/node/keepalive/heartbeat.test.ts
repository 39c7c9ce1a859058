import { beforeEach, describe, expect, it } from 'vitest'
import { FakeCeph } from '../../../../src/adapters/fake/ceph.ts'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { FakeFiles } from '../../../../src/adapters/fake/files.ts'
import { FakeHypervisor } from '../../../../src/adapters/fake/hypervisor.ts'
import { FakeLibvirtd } from '../../../../src/adapters/fake/libvirtd.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakeEnsemble, type FakeStore } from '../../../../src/adapters/fake/store.ts'
import { MutableSignal } from '../../../../src/base/signal.ts'
import { LifeId, NodeName, VmUuid } from '../../../../src/model/ids.ts'
import type { CoordinatorState, DaemonState, NodeStatus } from '../../../../src/model/node.ts'
import { createFaultBoard, type FaultBoard } from '../../../../src/node/faults.ts'
import { Collector } from '../../../../src/node/keepalive/collector.ts'
import { Heartbeat } from '../../../../src/node/keepalive/heartbeat.ts'
import { createSeqKeeper, type SeqKeeper } from '../../../../src/node/keepalive/seq-guard.ts'
import { Membership } from '../../../../src/node/membership/membership.ts'
import type { SelfFenceStatus } from '../../../../src/node/self-fence/decide.ts'
import type { StoreSession } from '../../../../src/ports/store.ts'
import { tree } from '../../../../src/schema/tree.ts'

const self = NodeName.parse('hv1')
const keys = tree.node(self)
const uuidOf = (index: number) => VmUuid.parse(`11111111-1111-4111-8111-${String(index).padStart(12, '0')}`)
const INTERVAL_MS = 5000

let clock: ManualClock
let ensemble: FakeEnsemble
let libvirtd: FakeLibvirtd
let files: FakeFiles
let ceph: FakeCeph
let reader: StoreSession
let selfFence: SelfFenceStatus

type Daemon = {
  store: FakeStore
  hypervisor: FakeHypervisor
  faults: FaultBoard
  seqs: SeqKeeper
  daemon: MutableSignal<DaemonState>
  coordinator: MutableSignal<CoordinatorState>
  ack: MutableSignal<number | undefined>
  heartbeat: Heartbeat
}

function start(hypervisor = new FakeHypervisor({ libvirtd })): Daemon {
  const store = ensemble.connect()
  const log = new FakeLog()
  const faults = createFaultBoard(clock)
  const seqs = createSeqKeeper({ files, faults, log })
  const registration = { self, mode: 'coordinator', clusterName: 'test', shutdownTimeoutMs: 180_000 } as const
  const newUuid = () => 'life-1'
  const membership = new Membership({ registration, machineId: 'm1', store, files, clock, log, faults, newUuid })
  const daemon = new MutableSignal<DaemonState>('init')
  const coordinator = new MutableSignal<CoordinatorState>('secondary')
  const ack = new MutableSignal<number | undefined>(undefined)
  const onNews = () => heartbeat.trigger()
  const collector = new Collector({ hypervisor, files, ceph, clock, faults, intervalMs: INTERVAL_MS, onNews })
  const heartbeat: Heartbeat = new Heartbeat({
    self,
    identity: { pvc: '2.0.0', kernel: '6.1', os: 'Debian', arch: 'x86_64' },
    coordinator,
    storageAddresses: ['10.0.0.1'],
    clusterAddress: '10.0.0.1',
    intervalMs: INTERVAL_MS,
    membership,
    collector,
    faults,
    seqs,
    daemon,
    domainState: () => 'ready',
    ack,
    selfFence: { status: () => selfFence, isLatched: () => false },
    promised: (running) => ({ memoryMiB: running.has(uuidOf(99)) ? 0 : 512, vcpus: 1 }),
    clock,
    log,
  })
  membership.start()
  collector.start()
  heartbeat.start()
  return { store, hypervisor, faults, seqs, daemon, coordinator, ack, heartbeat }
}

function runGuests(count: number): void {
  for (let index = 0; index < count; index += 1) startGuest(index)
}
function startGuest(index: number): void {
  const xml = `<domain><name>vm${index}</name><memory unit='MiB'>1024</memory><vcpu>2</vcpu></domain>`
  libvirtd.finishStart(libvirtd.beginStart(uuidOf(index), xml, { life: LifeId.parse('life-1'), seq: 1 }))
}

async function status(): Promise<NodeStatus> {
  const found = await reader.get(keys.status)
  if (found === undefined) throw new Error('no status')
  return found.value
}
const versions = () => [
  ensemble.tree.get(keys.status.path)?.version ?? -1,
  ensemble.tree.get(keys.stats.path)?.version ?? -1,
]

beforeEach(async () => {
  selfFence = { selfFence: 'off', watchdog: 'absent', selfFenceBoundS: undefined }
  clock = new ManualClock()
  ensemble = new FakeEnsemble({ clock })
  files = new FakeFiles()
  libvirtd = new FakeLibvirtd({ clock, processes: files.processes })
  ceph = new FakeCeph({ clock })
  reader = await ensemble.connect().connected(1000)
})

describe('heartbeat', () => {
  it('is there at once, with facts and figures', async () => {
    runGuests(3)
    start()
    await clock.advance(1500)
    expect(await status()).toMatchObject({
      daemon: 'init',
      certified: true,
      life: 'life-1',
      selfFence: 'off',
      coordinator: 'secondary',
      versions: { pvc: '2.0.0', libvirt: '9.0.0', qemu: '7.2.0' },
      runningDomains: [uuidOf(0), uuidOf(1), uuidOf(2)],
      domainsCount: 3,
      resources: { cpuCount: 8, memoryAllocatedMiB: 3072, memoryProvisionedMiB: 3072 + 512, vcpusAllocated: 7 },
      faults: [],
    })
    expect((await reader.get(keys.stats))?.value.guests.map((guest) => guest.uuid)).toEqual([0, 1, 2].map(uuidOf))
  })

  it.each([1, 300])('costs two writes per interval with %i VMs', async (count) => {
    runGuests(count)
    start()
    await clock.advance(INTERVAL_MS * 2)
    const before = versions()
    await clock.advance(INTERVAL_MS * 20)
    const [statusWrites, statsWrites] = versions().map((version, index) => version - (before[index] ?? 0))
    expect(statusWrites).toBe(20)
    expect(statsWrites).toBe(20)
  })

  it('tells of changes within a second, many of them in one write', async () => {
    const { daemon, faults } = start()
    await clock.advance(INTERVAL_MS * 2 + 2500)
    const [before = 0] = versions()
    daemon.set('run')
    await clock.advance(0)
    expect((await status()).daemon).toBe('run')
    runGuests(20)
    faults.set('X', 'error', 'something')
    await clock.advance(2100)
    expect(await status()).toMatchObject({ domainsCount: 20, faults: [{ id: 'X' }] })
    expect((versions()[0] ?? 0) - before).toBeLessThanOrEqual(3)
  })

  it('tells at once what somebody waits for, though it told other news a moment ago', async () => {
    const { daemon, coordinator, ack, faults } = start()
    await clock.advance(INTERVAL_MS)
    faults.set('X', 'error', 'something')
    await clock.advance(10)
    const tells = async (news: Partial<NodeStatus>) => {
      if (news.daemon !== undefined) daemon.set(news.daemon)
      if (news.ack !== undefined) ack.set(news.ack)
      if (news.coordinator !== undefined) coordinator.set(news.coordinator)
      await clock.advance(10)
      expect(await status()).toMatchObject(news)
    }
    for (const state of ['run', 'shutdown'] as const) await tells({ daemon: state })
    await tells({ ack: 7 })
    for (const state of ['takeover', 'primary', 'relinquish', 'secondary'] as const) await tells({ coordinator: state })
  })

  it('counts on over a daemon restart, and does not seem empty before the first sample', async () => {
    runGuests(2)
    const first = start()
    await clock.advance(INTERVAL_MS * 3)
    await first.heartbeat.finish()
    const before = await status()
    await first.store.close()
    const hypervisor = new FakeHypervisor({ libvirtd })
    for (const call of ['stats', 'facts'] as const) hypervisor.script.always(call, { delayMs: 600_000 })
    start(hypervisor)
    await clock.advance(1000)
    const after = await status()
    expect(after.heartbeat).toBeGreaterThan(before.heartbeat)
    expect(after).toMatchObject({ domainsCount: 2, runningDomains: before.runningDomains })
    expect(after.resources).toMatchObject({ cpuCount: 8, memoryTotalMiB: before.resources?.memoryTotalMiB })
  })

  it('says nothing of its room after a boot until it is measured, and then at once', async () => {
    const hypervisor = new FakeHypervisor({ libvirtd })
    hypervisor.script.always('facts', { delayMs: 1500 })
    const { heartbeat } = start(hypervisor)
    await clock.advance(1000)
    expect(heartbeat.beats).toBeGreaterThan(0)
    expect((await status()).resources).toBeUndefined()
    await clock.advance(1600)
    expect((await status()).resources).toMatchObject({ cpuCount: 8, memoryFreeMiB: 7168 })
  })

  it('goes on in a new session', async () => {
    const { store } = start()
    await clock.advance(INTERVAL_MS)
    ensemble.expire(store)
    const { heartbeat: before } = await status()
    await clock.advance(100)
    expect((await status()).heartbeat).toBe(before + 1)
  })

  it('heals a document that somebody else touched', async () => {
    start()
    await clock.advance(INTERVAL_MS)
    const stray = await reader.get(keys.status)
    if (stray === undefined) throw new Error('no status')
    await reader.set(keys.status, { ...stray.value, domainsCount: 77 }, stray.version)
    await clock.advance(INTERVAL_MS * 2)
    expect((await status()).domainsCount).toBe(0)
    await reader.remove(keys.status.path)
    await clock.advance(INTERVAL_MS * 2)
    expect((await status()).domainsCount).toBe(0)
  })

  it('writes the last state when it ends', async () => {
    const { daemon, heartbeat } = start()
    await clock.advance(INTERVAL_MS)
    daemon.set('stop')
    expect(await heartbeat.finish()).toBe(true)
    expect((await status()).daemon).toBe('stop')
    const [version] = versions()
    await clock.advance(INTERVAL_MS * 3)
    expect(versions()[0]).toBe(version)
  })

  it('publishes the highest run sequences', async () => {
    const { seqs } = start()
    await clock.advance(INTERVAL_MS)
    seqs.check(uuidOf(1), 12)
    await clock.advance(INTERVAL_MS)
    expect((await reader.get(keys.seqs))?.value.seqs).toEqual({ [uuidOf(1)]: 12 })
  })
})

describe('heartbeat while something hangs', () => {
  it('beats on when libvirt does not answer, says how old the figures are, and recovers', async () => {
    runGuests(2)
    const { hypervisor, heartbeat } = start()
    await clock.advance(INTERVAL_MS * 2)
    hypervisor.script.always('stats', { delayMs: 3_600_000 })
    const before = heartbeat.beats
    const [, statsBefore] = versions()
    await clock.advance(INTERVAL_MS * 10)
    expect(heartbeat.beats - before).toBeGreaterThanOrEqual(10)
    expect(versions()[1]).toBeLessThanOrEqual((statsBefore ?? 0) + 1)
    const fault = (await status()).faults.find(({ id }) => id === 'STATISTICS_STALE')
    expect(fault?.message).toMatch(/are [45]\d s old/)
    expect((await status()).domainsCount).toBe(2)
    hypervisor.script.always('stats', undefined)
    await clock.advance(INTERVAL_MS * 4)
    expect((await status()).faults).toEqual([])
  })

  it('tells that libvirt is away', async () => {
    start()
    await clock.advance(INTERVAL_MS)
    libvirtd.stop()
    await clock.advance(1500)
    // A restart of libvirtd is no fault.
    expect((await status()).faults).toEqual([])
    await clock.advance(INTERVAL_MS)
    expect((await status()).faults.map(({ id }) => id)).toEqual(['LIBVIRT_UNREACHABLE'])
    libvirtd.start()
    await clock.advance(1500)
    expect((await status()).faults).toEqual([])
  })

  it('tells that Ceph is away, or hangs, and goes on', async () => {
    ceph.script.always('ping', { delayMs: 3_600_000 })
    const { heartbeat } = start()
    await clock.advance(INTERVAL_MS * 6)
    expect(heartbeat.beats).toBeGreaterThanOrEqual(6)
    expect((await status()).faults.map(({ id }) => id)).toEqual(['CEPH_UNREACHABLE'])
    ceph.script.always('ping', undefined)
    await clock.advance(INTERVAL_MS * 6)
    expect((await status()).faults).toEqual([])
  })

  it('writes again as soon as ZooKeeper is back', async () => {
    const { store } = start()
    await clock.advance(INTERVAL_MS)
    ensemble.suspend(store)
    await clock.advance(INTERVAL_MS * 4)
    const { heartbeat: before } = await status()
    ensemble.resume(store)
    await clock.advance(600)
    expect((await status()).heartbeat).toBeGreaterThan(before)
  })
})
