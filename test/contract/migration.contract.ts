/** The contract of copies between two hypervisors: what a move relies on, run against two fakes and two real libvirtds. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LifeId, VmUuid } from '../../src/model/ids.ts'
import type { DomainMark, Hypervisor, MigrationRequest } from '../../src/ports/hypervisor.ts'
import { pollUntil } from '../lab/poll.ts'
import type { MigrationWorld } from './migration-world.ts'

const oldMark: DomainMark = { life: LifeId.parse('life-1'), seq: 3 }
const newMark: DomainMark = { life: LifeId.parse('life-2'), seq: 4 }
/** Slow enough that the guest of the contract is never done. */
const SLOW = { bandwidthMiBps: 2, autoConverge: false }

/** Resolves when `look` is true, polled on the level. */
function level(what: string, look: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<true> {
  return pollUntil({ what, timeoutMs, intervalMs: 20 }, async () => (await look()) || undefined)
}

/** Runs the contract in one world; every test begins with a guest that runs at the source and is expected at the target. */
export function describeMigration(name: string, open: () => Promise<MigrationWorld> | MigrationWorld): void {
  describe(`${name} as two hypervisors`, () => {
    let world: MigrationWorld
    let source: Hypervisor
    let target: Hypervisor
    let uuid: VmUuid
    let id: string
    let events: string[]

    beforeAll(async () => {
      world = await open()
    })
    afterAll(() => world?.close())

    beforeEach(async () => {
      ;[source, target] = await Promise.all([world.source.connect(), world.target.connect()])
      uuid = VmUuid.parse(randomUUID())
      id = randomUUID()
      events = []
      listen('source', source)
      listen('target', target)
      await world.source.files.writePermit(uuid, oldMark)
      await source.create(uuid, world.xml(uuid, 'g1'), oldMark)
      await world.target.files.writeIncoming(uuid, id)
      await heard('source: started booted')
      events.length = 0
    })
    afterEach(async () => {
      await world.reset()
      await world.target.files.removeIncoming(uuid)
    })

    const listen = (side: string, hypervisor: Hypervisor) =>
      hypervisor.subscribe((event) => {
        if (event.kind === 'domain' && event.uuid === uuid)
          events.push(`${side}: ${event.event} ${event.detail}`.trim())
      })
    const heard = (event: string) => level(event, () => events.includes(event))
    const of = (side: 'source' | 'target') => events.filter((event) => event.startsWith(side))
    const request = (change: Partial<MigrationRequest> = {}): MigrationRequest => ({
      migrationId: id,
      targetAddress: world.targetAddress,
      maxDowntimeMs: 300,
      policy: {},
      ...change,
    })
    const shows = async (hypervisor: Hypervisor) => {
      const domain = await hypervisor.get(uuid)
      return domain ? `${domain.state} ${domain.reason}` : 'nothing'
    }
    const atSource = () => expect(source.get(uuid)).resolves.toMatchObject({ state: 'running', mark: oldMark })
    const nothingAtTarget = async () => {
      await level('the copy is gone', async () => (await target.get(uuid)) === undefined)
      await level('its QEMU is gone', async () => (await world.target.qemuPid(uuid)) === undefined)
    }
    /** A copy that lasts, after some of it has been done; `failed` resolves to the error with which it ends. */
    const slowCopy = async () => {
      world.slowNextCopy()
      const failed = source.migrate(uuid, request({ policy: SLOW, maxDowntimeMs: 10 })).then(
        () => 'it succeeded',
        (error: unknown) => error,
      )
      await level('something is copied', async () => ((await source.migrationProgress(uuid))?.percent ?? 0) > 0)
      return { failed }
    }

    it('leaves a paused copy that says by which migration it came, and runs when it is told to', async () => {
      await source.migrate(uuid, request())
      expect(await source.get(uuid)).toBeUndefined()
      const copy = { uuid, name: 'g1', state: 'paused', reason: 'user', mark: undefined, migrationId: id }
      expect(await target.get(uuid)).toEqual(copy)
      expect(await target.list()).toEqual([copy])
      await heard('source: job-completed')
      expect(of('source')).toEqual(['source: suspended migrated', 'source: stopped migrated', 'source: job-completed'])
      await target.setMark(uuid, newMark)
      await target.resume(uuid)
      const running = { state: 'running', reason: 'unpaused', mark: newMark, migrationId: undefined }
      expect(await target.get(uuid)).toMatchObject(running)
      await heard('target: resumed unpaused')
      expect(of('target')).toEqual(['target: started migrated', 'target: suspended paused', 'target: resumed unpaused'])
    })

    it('succeeds when the source ends its own QEMU as soon as the copy is complete', async () => {
      const pid = (await world.source.qemuPid(uuid)) ?? -1
      const call = source.migrate(uuid, request())
      await heard('target: suspended paused')
      expect(await world.source.files.endQemu(uuid, pid, 500)).toBe('ended')
      expect(await world.source.qemuPid(uuid)).toBeUndefined()
      await target.setMark(uuid, newMark)
      await target.resume(uuid)
      await call
      await level('the source is gone', async () => (await source.get(uuid)) === undefined)
      expect(await shows(target)).toBe('running unpaused')
    })

    it('shows a copy that is not complete as paused by its migration, and tells how far it is', async () => {
      const { failed } = await slowCopy()
      expect(await target.get(uuid)).toMatchObject({ state: 'paused', reason: 'migration', migrationId: id })
      expect(await target.migrationProgress(uuid)).toBeUndefined()
      await atSource()
      const progress = await source.migrationProgress(uuid)
      expect(progress?.totalMiB).toBeGreaterThanOrEqual(32)
      expect(progress?.percent).toBeLessThan(100)
      expect(progress?.remainingMiB).toBeGreaterThan(1)
      const again = source.migrate(uuid, request())
      await expect(again).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
      await source.abortMigration(uuid)
      await failed
    })

    it('that is aborted leaves the guest at the source', async () => {
      const { failed } = await slowCopy()
      await source.abortMigration(uuid)
      expect(await failed).toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      await atSource()
      await nothingAtTarget()
      await heard('target: stopped failed')
      expect(of('source')).toEqual([])
      expect(await source.migrationProgress(uuid)).toBeUndefined()
      await source.abortMigration(uuid)
      await source.migrate(uuid, request({ policy: {} }))
    })

    it('goes on without the daemon that asked for it; the next one can follow it and end it', async () => {
      const { failed } = await slowCopy()
      const next = await world.source.connect()
      await source.close()
      const before = (await next.migrationProgress(uuid))?.remainingMiB ?? 0
      await level('more is copied', async () => ((await next.migrationProgress(uuid))?.remainingMiB ?? before) < before)
      await next.abortMigration(uuid)
      await failed
      await nothingAtTarget()
      expect(await shows(next)).toBe('running booted')
    })

    it('is refused by the start hook of a target that expects another one, or none', async () => {
      await world.target.files.writeIncoming(uuid, 'another')
      await expect(source.migrate(uuid, request())).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      await world.target.files.removeIncoming(uuid)
      await expect(source.migrate(uuid, request())).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      await atSource()
      await nothingAtTarget()
    })

    it('to a host that cannot be reached fails', async () => {
      const nowhere = source.migrate(uuid, request({ targetAddress: world.nowhereAddress }))
      await expect(nowhere).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      await atSource()
    })

    it('of a domain that does not exist fails; there is nothing to follow or to end', async () => {
      const stranger = VmUuid.parse(randomUUID())
      await expect(source.migrate(stranger, request())).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      await expect(source.setMark(stranger, newMark)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      expect(await source.migrationProgress(stranger)).toBeUndefined()
      await source.abortMigration(stranger)
    })

    it('ends with the guest at the source', async () => {
      const { failed } = await slowCopy()
      await source.destroy(uuid)
      expect(await failed).toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      expect(await shows(source)).toBe('nothing')
      await nothingAtTarget()
    })

    it('ends with its copy, and leaves the guest at the source', async () => {
      const { failed } = await slowCopy()
      await target.destroy(uuid)
      expect(await failed).toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      await atSource()
      await nothingAtTarget()
    })

    it('that loses the libvirtd of its target leaves the guest at the source', async () => {
      const { failed } = await slowCopy()
      await world.target.killLibvirtd()
      expect(await failed).toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      await atSource()
      await world.target.startLibvirtd()
      await level('libvirt is back', () => target.isConnected)
      await nothingAtTarget()
    })

    it('that loses the libvirtd of its source leaves the guest there, and its copy is destroyed', async () => {
      const { failed } = await slowCopy()
      await world.source.killLibvirtd()
      expect(await failed).toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
      await nothingAtTarget()
      expect(of('target')).toEqual(['target: started migrated', 'target: shutdown host', 'target: stopped destroyed'])
      await world.source.startLibvirtd()
      await level('libvirt is back', () => source.isConnected)
      await level('the guest runs', async () => (await source.get(uuid))?.state === 'running')
      await atSource()
    })
  })
}
