/** The contract of the store port about an ephemeral that changes its session: run like the rest of it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StoreSession } from '../../src/ports/store.ts'
import { codeOf, DEADLINE_MS, level, note } from './store-note.ts'
import type { StoreWorld } from './store-world.ts'

const TIMES = 100

/** Runs the contract. `open` gives an empty tree. */
export function describeTakeover(name: string, open: () => Promise<StoreWorld> | StoreWorld): void {
  describe(`${name}: an ephemeral that changes its session`, () => {
    let world: StoreWorld
    let owners: readonly [StoreSession, StoreSession]
    let reader: StoreSession
    const key = note('/e')

    beforeEach(async () => {
      world = await open()
      const connect = async () => (await world.connect()).store.connected(DEADLINE_MS)
      owners = [await connect(), await connect()]
      reader = await connect()
    })
    afterEach(() => world.close())

    it('belongs to the new one, and is never missing', async () => {
      const [first, second] = owners
      await first.create(key, { n: 0 }, 'ephemeral')
      await reader.sync()
      let isOver = false
      let reads = 0
      let missing = 0
      const watching = (async () => {
        for (; !isOver; reads += 1) if ((await reader.get(key)) === undefined) missing += 1
      })()
      for (let n = 1; n <= TIMES; n += 1) {
        const owner = n % 2 === 0 ? first : second
        await owner.sync()
        await owner.replaceEphemeral(key, { n }, (await owner.get(key))?.version ?? -1)
        expect(await owner.get(key)).toMatchObject({ value: { n }, version: 0, ephemeralOwner: owner.id })
      }
      isOver = true
      await watching
      expect(reads).toBeGreaterThan(TIMES)
      expect(missing).toBe(0)
    })

    it('fires the watches on it', async () => {
      const [first, second] = owners
      await first.create(key, { n: 0 }, 'ephemeral')
      await reader.sync()
      const fired: string[] = []
      reader.onChange((path) => fired.push(path))
      await reader.readWatched(key.path)
      await second.replaceEphemeral(key, { n: 1 }, 0)
      await level('the watch to fire', async () => fired.includes(key.path))
      await reader.sync()
      expect((await reader.get(key))?.value.n).toBe(1)
    })

    it('is there, of the one or the other, when the connection is lost in the middle of it', async () => {
      const [first] = owners
      await first.create(key, { n: 0 }, 'ephemeral')
      const client = await world.connect()
      for (let n = 1; n <= 5; n += 1) {
        const second = await client.store.connected(DEADLINE_MS)
        await second.sync()
        const answer = codeOf(second.replaceEphemeral(key, { n }, (await second.get(key))?.version ?? -1))
        client.cut()
        expect([undefined, 'PVC_STORE_TIMEOUT']).toContain(await answer)
        client.heal()
        await reader.sync()
        expect([first.id, second.id]).toContain((await reader.get(key))?.ephemeralOwner)
      }
    })

    it('stays as it is when its version is another, or when it is gone', async () => {
      const [first, second] = owners
      expect(await codeOf(second.replaceEphemeral(key, { n: 1 }, 0))).toBe('PVC_STORE_MISSING')
      await first.create(key, { n: 0 }, 'ephemeral')
      await first.set(key, { n: 5 }, 0)
      expect(await codeOf(second.replaceEphemeral(key, { n: 1 }, 0))).toBe('PVC_STORE_VERSION')
      await second.sync()
      expect(await second.get(key)).toMatchObject({ value: { n: 5 }, version: 1, ephemeralOwner: first.id })
    })
  })
}
