/** The contract of the store port: what its users rely on, run against the fake and against a real ensemble. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ChangeKind, StoreSession } from '../../src/ports/store.ts'
import { json } from '../../src/schema/codec.ts'
import { codeOf, DEADLINE_MS, level, note } from './store-note.ts'
import { type Client, clock, type StoreWorld } from './store-world.ts'

/** Runs the contract. `open` gives an empty tree. */
export function describeStore(name: string, open: () => Promise<StoreWorld> | StoreWorld): void {
  describe(`${name} as a store`, () => {
    let world: StoreWorld
    let client: Client
    let session: StoreSession

    beforeEach(async () => {
      world = await open()
      client = await world.connect()
      session = await client.store.connected(DEADLINE_MS)
    })
    afterEach(() => world.close())

    const other = async () => (await world.connect()).store.connected(DEADLINE_MS)

    describe('documents', () => {
      it('are created, read, changed and removed, with the numbers that compare-and-set needs', async () => {
        const key = note('/a')
        expect(await session.get(key)).toBeUndefined()
        expect(await session.create(key, { n: 1 })).toEqual({ path: '/a' })
        const first = await session.get(key)
        expect(first).toMatchObject({ value: { n: 1 }, version: 0, ephemeralOwner: '0' })
        expect(first?.mzxid).toBe(first?.czxid)
        const written = await session.set(key, { n: 2 }, 0)
        const second = await session.get(key)
        expect(second).toMatchObject({ value: { n: 2 }, ...written, version: 1, czxid: first?.czxid })
        expect(written.mzxid > (first?.mzxid ?? 0n)).toBe(true)
        await session.remove('/a', 1)
        expect(await session.get(key)).toBeUndefined()
      })

      it('are changed by one writer only, however many decided on the same version', async () => {
        const key = note('/a')
        await session.create(key, { n: 0 })
        const second = await other()
        const writers = [session, second, session, second]
        const codes = await Promise.all(writers.map((writer, n) => codeOf(writer.set(key, { n }, 0))))
        expect(codes.filter((code) => code === undefined)).toHaveLength(1)
        expect(codes.filter((code) => code === 'PVC_STORE_VERSION')).toHaveLength(3)
      })

      it('refuse what does not fit, with a code and the path', async () => {
        await session.create(note('/a'), { n: 0 })
        await session.create(note('/a/b'), { n: 0 })
        await expect(session.create(note('/a'), { n: 0 })).rejects.toMatchObject({
          code: 'PVC_STORE_EXISTS',
          details: { rc: -110, op: 'create', path: '/a' },
        })
        expect(await codeOf(session.create(note('/x/y'), { n: 0 }))).toBe('PVC_STORE_MISSING')
        expect(await codeOf(session.set(note('/x'), { n: 0 }, 0))).toBe('PVC_STORE_MISSING')
        expect(await codeOf(session.remove('/x'))).toBe('PVC_STORE_MISSING')
        expect(await codeOf(session.remove('/a'))).toBe('PVC_STORE_NOT_EMPTY')
        expect(await codeOf(session.remove('/a/b', 7))).toBe('PVC_STORE_VERSION')
        expect(await codeOf(session.remove('/a/b'))).toBeUndefined()
      })

      it('with text that does not match are reported with their path, and hinder no other', async () => {
        await session.create({ path: '/a', codec: json(z.string()) }, 'text')
        await session.create(note('/b'), { n: 1 })
        await expect(session.get(note('/a'))).rejects.toMatchObject({
          code: 'PVC_STORE_CORRUPT',
          details: { path: '/a' },
        })
        expect((await session.get(note('/b')))?.value.n).toBe(1)
      })

      it('keep text that is not ASCII', async () => {
        await session.create(note('/a'), { n: 1, text: 'Größe → 100 €' })
        expect((await session.get(note('/a')))?.value.text).toBe('Größe → 100 €')
      })

      it('over 512 kB are refused before they are sent, those below are not', async () => {
        const states: string[] = []
        session.state.subscribe((state) => states.push(state))
        for (const bytes of [512 * 1024 + 1, 1_048_576, 4_000_000]) {
          const work = session.create(note('/a'), { n: 1, text: 'x'.repeat(bytes) })
          expect(await codeOf(work)).toBe('PVC_STORE_TOO_LARGE')
        }
        await session.create(note('/a'), { n: 1, text: 'x'.repeat(512 * 1024 - 100) })
        const stored = await session.get(note('/a'))
        expect(stored?.value.text).toHaveLength(512 * 1024 - 100)
        expect(states).toEqual([])
      })
    })

    describe('directories', () => {
      it('list their children; a missing one is not an empty one', async () => {
        await session.ensure(['/d', '/d/e', '/d'])
        await session.ensure(['/d', '/d/f'])
        expect([...((await session.children('/d')) ?? [])].sort()).toEqual(['e', 'f'])
        expect(await session.children('/d/e')).toEqual([])
        expect(await session.children('/x')).toBeUndefined()
      })

      it('number sequential children without gaps or repeats, whoever creates them', async () => {
        await session.ensure(['/d'])
        const second = await other()
        const made = await Promise.all(
          [session, second, session, second].map((each, n) => each.create(note('/d/s-'), { n }, 'sequential')),
        )
        const names = made.map(({ path }) => path).sort()
        expect(names).toEqual([0, 1, 2, 3].map((n) => `/d/s-${String(n).padStart(10, '0')}`))
        expect((await session.get(note(made[2]?.path ?? '')))?.value.n).toBe(2)
      })

      it('show to one what was acknowledged to another before, after sync', async () => {
        const second = await other()
        for (let n = 0; n < 20; n += 1) {
          await session.ensure([`/n${n}`])
          await second.sync()
          expect(await second.children(`/n${n}`)).toEqual([])
        }
      })
    })

    describe('ephemerals', () => {
      it('belong to their session and go with it', async () => {
        const second = await world.connect()
        const owner = await second.store.connected(DEADLINE_MS)
        await owner.create(note('/e'), { n: 1 }, 'ephemeral')
        const { path } = await owner.create(note('/e-'), { n: 1 }, 'ephemeral-sequential')
        expect((await session.get(note('/e')))?.ephemeralOwner).toBe(owner.id)
        expect((await session.get(note(path)))?.ephemeralOwner).toBe(owner.id)
        await second.store.close()
        // The farewell is on its way to another server when close returns.
        await expect.poll(() => session.get(note('/e')), { timeout: DEADLINE_MS }).toBeUndefined()
        await expect.poll(() => session.get(note(path)), { timeout: DEADLINE_MS }).toBeUndefined()
        expect(owner.state.value).toBe('lost')
        expect(await codeOf(owner.get(note('/e')))).toBe('PVC_STORE_SESSION_LOST')
      })
    })

    describe('watches', () => {
      let seen: [string, ChangeKind][]
      beforeEach(() => {
        seen = []
        session.onChange((path, kind) => seen.push([path, kind]))
      })
      /** Everything that was fired before has arrived when a watch fired after it has. */
      const drain = async () => {
        const marker = `/marker${seen.length}`
        await session.readWatched(marker)
        await session.create(note(marker), { n: 0 })
        await level('marker watch', () => seen.some(([path]) => path === marker))
        return seen.filter(([path]) => !path.startsWith('/marker'))
      }

      it('fire once for a change, a creation and a removal, and are armed by reading again', async () => {
        expect(await session.readWatched('/a')).toBeUndefined()
        await session.create(note('/a'), { n: 1 })
        expect(await drain()).toEqual([['/a', 'data']])
        await session.set(note('/a'), { n: 2 }, 0)
        expect(await drain()).toEqual([['/a', 'data']])
        expect(await session.readWatched('/a')).toMatchObject({ text: '{"n":2}', version: 1 })
        await session.set(note('/a'), { n: 3 }, 1)
        await session.set(note('/a'), { n: 4 }, 2)
        expect(await drain()).toEqual(Array(2).fill(['/a', 'data']))
        await session.readWatched('/a')
        await session.remove('/a')
        expect(await drain()).toEqual(Array(3).fill(['/a', 'data']))
      })

      it('of children fire for names, not for documents, and see the directory itself come and go', async () => {
        expect(await session.childrenWatched('/d')).toBeUndefined()
        await session.ensure(['/d'])
        expect(await drain()).toEqual([['/d', 'children']])
        expect(await session.childrenWatched('/d')).toEqual([])
        await session.create(note('/d/a'), { n: 1 })
        expect(await drain()).toEqual(Array(2).fill(['/d', 'children']))
        expect(await session.childrenWatched('/d')).toEqual(['a'])
        await session.set(note('/d/a'), { n: 2 }, 0)
        expect(await drain()).toHaveLength(2)
        await session.remove('/d/a')
        expect(await drain()).toHaveLength(3)
        await session.childrenWatched('/d')
        await session.remove('/d')
        expect(await drain()).toEqual(Array(4).fill(['/d', 'children']))
      })

      it('wait for nothing when told to ignore an absent document', async () => {
        expect(await session.readWatched('/a', 'ignore')).toBeUndefined()
        await session.create(note('/a'), { n: 1 })
        expect(await drain()).toEqual([])
      })

      it('fire for what others do', async () => {
        const second = await other()
        await session.ensure(['/d'])
        await session.childrenWatched('/d')
        await second.create(note('/d/a'), { n: 1 }, 'ephemeral')
        await level('the watch', () => seen.length === 1)
      })
    })

    describe('a client that is cut off', () => {
      it('is suspended, refuses at once, and goes on with the same session when healed in time', async () => {
        await session.create(note('/e'), { n: 1 }, 'ephemeral')
        const states: string[] = []
        session.state.subscribe((state) => states.push(state))
        client.cut()
        await level('suspended', () => session.state.value === 'suspended')
        const startedAtMs = clock.nowMs()
        expect(await codeOf(session.get(note('/e')))).toBe('PVC_STORE_UNAVAILABLE')
        expect(await codeOf(session.create(note('/never'), { n: 1 }))).toBe('PVC_STORE_UNAVAILABLE')
        // At once, not by the time limit of an operation, which is seconds.
        expect(clock.nowMs() - startedAtMs).toBeLessThan(1000)
        client.heal()
        const again = await client.store.connected(DEADLINE_MS)
        expect(again).toBe(session)
        expect(states).toEqual(['suspended', 'connected'])
        expect((await session.get(note('/e')))?.ephemeralOwner).toBe(session.id)
        expect(await session.get(note('/never'))).toBeUndefined()
      })

      it('sees after healing what its watches missed', async () => {
        const second = await other()
        const seen: string[] = []
        session.onChange((path) => seen.push(path))
        await session.ensure(['/d'])
        await session.readWatched('/a')
        await session.childrenWatched('/d')
        client.cut()
        await level('suspended', () => session.state.value === 'suspended')
        await second.create(note('/a'), { n: 1 })
        await second.create(note('/d/x'), { n: 1 })
        client.heal()
        await level('both watches', () => seen.includes('/a') && seen.includes('/d'))
      })

      it('loses its session when it comes back too late; the next one is another, and the old one acts no more', async () => {
        const witness = await other()
        await session.create(note('/e'), { n: 1 }, 'ephemeral')
        client.cut()
        await level('suspended', () => session.state.value === 'suspended')
        await level('the ephemeral to go', async () => (await witness.get(note('/e'))) === undefined, 15_000)
        expect(session.leaseValidForMs()).toBeLessThanOrEqual(0)
        client.heal()
        await level('lost', () => session.state.value === 'lost')
        const next = await client.store.connected(DEADLINE_MS)
        expect(next.id).not.toBe(session.id)
        expect(next.state.value).toBe('connected')
        expect(await codeOf(session.create(note('/late'), { n: 1 }))).toBe('PVC_STORE_SESSION_LOST')
        expect(await next.get(note('/late'))).toBeUndefined()
      })

      it('cannot connect within the deadline, and says so', async () => {
        client.cut()
        await level('suspended', () => session.state.value === 'suspended')
        const startedAtMs = clock.nowMs()
        expect(await codeOf(client.store.connected(200))).toBe('PVC_STORE_UNAVAILABLE')
        expect(clock.nowMs() - startedAtMs).toBeGreaterThanOrEqual(199)
      })
    })

    describe('the lease', () => {
      it('is kept while idle, runs down while cut off, and never outlives the session', async () => {
        const witness = await other()
        await session.create(note('/e'), { n: 1 }, 'ephemeral')
        const settledMs = session.lastAckSentAtMs()
        await level('the idle session to be kept', () => session.lastAckSentAtMs() > settledMs)
        expect(session.leaseValidForMs()).toBeGreaterThan(0)
        expect(session.leaseValidForMs()).toBeLessThan(session.timeoutMs)
        client.cut()
        await level('suspended', () => session.state.value === 'suspended')
        const contactMs = session.lastAckSentAtMs()
        await level('the ephemeral to go', async () => (await witness.get(note('/e'))) === undefined, 15_000)
        expect(session.leaseValidForMs()).toBeLessThanOrEqual(0)
        expect(session.lastAckSentAtMs()).toBe(contactMs)
        expect(clock.nowMs()).toBeGreaterThanOrEqual(contactMs + session.timeoutMs)
      })
    })

    it('closes: the session is over and no other begins', async () => {
      await client.store.close()
      expect(session.state.value).toBe('lost')
      expect(client.store.session.value).toBeUndefined()
      expect(await codeOf(client.store.connected(50))).toBe('PVC_STORE_UNAVAILABLE')
      await client.store.close()
    })
  })
}
