/** The contract of the hypervisor port: what the node part relies on, run against the fake and against a real libvirtd. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LifeId, VmUuid } from '../../src/model/ids.ts'
import type { DomainMark, Hypervisor } from '../../src/ports/hypervisor.ts'
import { pollUntil } from '../lab/poll.ts'
import type { HypervisorWorld } from './hypervisor-world.ts'

const mark: DomainMark = { life: LifeId.parse('life-1'), seq: 3 }

/** Resolves when `look` is true, polled on the level. */
function level(what: string, look: () => boolean | Promise<boolean>): Promise<true> {
  return pollUntil({ what, timeoutMs: 15_000, intervalMs: 20 }, async () => (await look()) || undefined)
}

/** Runs the contract in one world; every test begins with an empty one. */
export function describeHypervisor(name: string, open: () => Promise<HypervisorWorld> | HypervisorWorld): void {
  describe(`${name} as a hypervisor`, () => {
    let world: HypervisorWorld
    let hypervisor: Hypervisor
    let uuid: VmUuid
    let xml: string
    let events: string[]

    beforeAll(async () => {
      world = await open()
    })
    afterAll(() => world?.close())

    beforeEach(async () => {
      hypervisor = await world.connect()
      uuid = VmUuid.parse(randomUUID())
      xml = world.xml(uuid, 'g1')
      events = []
      hypervisor.subscribe((event) => {
        if (event.kind === 'connection') events.push(`connected ${event.connected}`)
        else if (event.uuid === uuid) events.push(`${event.event} ${event.detail}`)
      })
      await world.files.writePermit(uuid, mark)
    })
    afterEach(() => world.reset())

    const start = () => hypervisor.create(uuid, xml, mark)
    const heard = (event: string) => level(event, () => events.includes(event))
    const gone = () => level('the domain is gone', async () => (await hypervisor.get(uuid)) === undefined)
    const qemuPid = async () => (await world.files.qemuProcesses()).get(uuid)

    describe('a start', () => {
      it('makes a transient domain that carries its mark, with its events', async () => {
        await start()
        const domain = { uuid, name: 'g1', state: 'running', reason: 'booted', mark, migrationId: undefined }
        expect(await hypervisor.list()).toEqual([domain])
        expect(await hypervisor.get(uuid)).toEqual(domain)
        expect(await hypervisor.xml(uuid)).toContain('<name>g1</name>')
        expect(await qemuPid()).toBeGreaterThan(0)
        await heard('started booted')
        expect(events).toEqual(['resumed unpaused', 'started booted'])
        expect(hypervisor.outstandingCreates().size).toBe(0)
      })

      it.each([
        ['no permit', undefined],
        ['the permit of another life', { life: LifeId.parse('life-2'), seq: 3 }],
        ['the permit of a later start', { ...mark, seq: 4 }],
      ])('with %s is refused, and leaves nothing', async (_, permit) => {
        if (permit) await world.files.writePermit(uuid, permit)
        else await world.files.removePermit(uuid)
        await expect(start()).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
        expect(await hypervisor.list()).toEqual([])
        expect(await qemuPid()).toBeUndefined()
      })

      it('of a domain that runs fails and leaves it alone', async () => {
        await start()
        const pid = await qemuPid()
        await expect(start()).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
        expect(await qemuPid()).toBe(pid)
      })

      it('that outlives its deadline is outstanding and listed, then runs', async () => {
        await world.stallStarts(8)
        await expect(start()).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
        expect([...hypervisor.outstandingCreates()]).toEqual([uuid])
        expect(await hypervisor.get(uuid)).toMatchObject({ state: 'paused', reason: 'starting-up', mark })
        await expect(start()).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
        await level('the start has returned', () => hypervisor.outstandingCreates().size === 0)
        expect(await hypervisor.get(uuid)).toMatchObject({ state: 'running' })
      })

      it('that stalls is ended by destroy, and never runs', async () => {
        await world.stallStarts(8)
        await expect(start()).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
        await hypervisor.destroy(uuid)
        await level('the start has returned', () => hypervisor.outstandingCreates().size === 0)
        expect(await hypervisor.get(uuid)).toBeUndefined()
        expect(events).not.toContain('started booted')
      })

      it('in flight is seen by the next daemon as a domain, not as a call', async () => {
        await world.stallStarts(8)
        await expect(start()).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
        const next = await world.connect()
        expect(next.outstandingCreates().size).toBe(0)
        expect(await next.get(uuid)).toMatchObject({ reason: 'starting-up' })
        await level('the domain runs', async () => (await next.get(uuid))?.state === 'running')
      })
    })

    describe('an end', () => {
      it('by destroy is told, and destroying again is no error', async () => {
        await start()
        await hypervisor.destroy(uuid)
        expect(await hypervisor.get(uuid)).toBeUndefined()
        expect(await qemuPid()).toBeUndefined()
        await heard('stopped destroyed')
        expect(events.slice(-2)).toEqual(['shutdown host', 'stopped destroyed'])
        await hypervisor.destroy(uuid)
        await hypervisor.undefine(uuid)
      })

      it('of QEMU by a signal is told as a failure', async () => {
        await start()
        const pid = await qemuPid()
        await world.files.killQemu(uuid, pid ?? -1)
        await heard('stopped failed')
        await gone()
        expect(await qemuPid()).toBeUndefined()
      })

      it('that the guest ignores leaves it running', async () => {
        await start()
        await hypervisor.shutdown(uuid)
        expect(await hypervisor.get(uuid)).toMatchObject({ state: 'running' })
      })

      it('of a domain that does not exist fails when the guest is to be asked', async () => {
        await expect(hypervisor.shutdown(uuid)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
        await expect(hypervisor.reset(uuid)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_FAILED' })
      })
    })

    it('suspends, resumes and resets', async () => {
      await start()
      await hypervisor.suspend(uuid)
      expect(await hypervisor.get(uuid)).toMatchObject({ state: 'paused', reason: 'user' })
      await hypervisor.resume(uuid)
      expect(await hypervisor.get(uuid)).toMatchObject({ state: 'running', reason: 'unpaused' })
      await hypervisor.reset(uuid)
      await level('the reset is told', () => events.some((event) => event.startsWith('reboot')))
    })

    it('lists a leftover definition, and removes it', async () => {
      await world.define(xml)
      expect(await hypervisor.get(uuid)).toMatchObject({ state: 'shutoff', mark: undefined })
      await hypervisor.destroy(uuid)
      await hypervisor.undefine(uuid)
      expect(await hypervisor.list()).toEqual([])
      await hypervisor.undefine(uuid)
    })

    it('gives statistics of running guests, and facts of the host', async () => {
      expect(await hypervisor.stats()).toMatchObject({ guests: [], memoryAllocatedMiB: 0 })
      await start()
      const sample = await hypervisor.stats()
      expect(sample).toMatchObject({ memoryAllocatedMiB: 32, memoryProvisionedMiB: 32, vcpusAllocated: 1 })
      expect(sample.guests.map((guest) => guest.uuid)).toEqual([uuid])
      const facts = await hypervisor.facts()
      expect(facts.cpuCount).toBeGreaterThan(0)
      expect(facts.memoryTotalMiB).toBeGreaterThan(0)
    })

    it('takes a secret again and again', async () => {
      const secret = randomUUID()
      await hypervisor.ensureSecret(secret, `client.${secret}`, Buffer.from('one'))
      await hypervisor.ensureSecret(secret, `client.${secret}`, Buffer.from('two'))
    })

    it('opens the console of a guest for one listener, or takes it by force, until the guest ends', async () => {
      const ends: string[] = []
      const open = (who: string, isForced: boolean) =>
        hypervisor.openConsole(uuid, isForced, { onData: () => undefined, onEnd: () => ends.push(who) })
      const failed = { code: 'PVC_HYPERVISOR_FAILED' }
      await expect(open('early', true)).rejects.toMatchObject(failed)
      await start()
      const first = await open('first', false)
      await first.write(Buffer.from('hello\r'))
      await expect(open('second', false)).rejects.toMatchObject(failed)
      const third = await open('third', true)
      await level('the first one has lost it', () => ends.includes('first'))
      await third.close()
      await third.close()
      await open('fourth', false)
      await hypervisor.destroy(uuid)
      await level('the guest has ended', () => ends.includes('fourth'))
      expect(ends).toEqual(['first', 'fourth'])
    })

    it('loses its connection with libvirtd and finds its guests again', async () => {
      await start()
      const pid = await qemuPid()
      await world.killLibvirtd()
      await heard('connected false')
      expect(hypervisor.isConnected).toBe(false)
      // One link may notice before another: then the call is still sent, and breaks.
      const code = expect.stringMatching(/^PVC_HYPERVISOR_(UNAVAILABLE|TIMEOUT)$/)
      await expect(hypervisor.get(uuid)).rejects.toMatchObject({ code })
      await world.startLibvirtd()
      await heard('connected true')
      expect(await hypervisor.get(uuid)).toMatchObject({ state: 'running', mark })
      expect(await qemuPid()).toBe(pid)
    })
  })
}
