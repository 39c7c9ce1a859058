/** The contract of the storage fence: what the fencer and a returning node rely on, run against the fake and a real cluster. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { entriesOf, wholeAddress } from '../../src/model/storage-address.ts'
import { pollUntil } from '../lab/poll.ts'
import type { CephWorld } from './ceph-world.ts'

const YEAR_S = 365 * 86_400
const DAY_MS = 86_400_000

/** Runs the contract in one world; every test uses addresses of its own. */
export function describeStorageFence(name: string, open: () => Promise<CephWorld> | CephWorld): void {
  describe(`${name} as storage fence`, () => {
    let world: CephWorld

    beforeAll(async () => {
      world = await open()
    })
    afterAll(() => world?.close())

    const listed = async () => new Map((await world.fence.entries()).map((entry) => [entry.address, entry.untilMs]))

    it('blocklists whole hosts, of both families, for as long as asked', async () => {
      const before = await world.fence.osds()
      const { epoch: osdEpoch } = await world.fence.blocklist(['192.0.2.11', 'fd00:0::11'], YEAR_S)
      expect(osdEpoch).toBeGreaterThan(before.epoch)
      const entries = await listed()
      for (const ip of ['192.0.2.11', 'fd00:0::11']) {
        expect(entries.get(wholeAddress(ip))).toBeGreaterThan(Date.now() + 364 * DAY_MS)
      }
    })

    it('makes sure of a year beside an entry that ends earlier, and the node takes both out', async () => {
      for (const ip of ['192.0.2.12', 'fd00::12']) {
        await world.fence.blocklist([ip], 3600)
        await world.fence.blocklist([ip], YEAR_S)
        const entries = await listed()
        expect(Math.max(...entriesOf(ip).map((entry) => entries.get(entry) ?? 0))).toBeGreaterThan(
          Date.now() + 364 * DAY_MS,
        )
        await world.nodeFence.unblocklist([ip])
        const left = await listed()
        expect(entriesOf(ip).filter((entry) => left.has(entry))).toEqual([])
      }
    })

    it('lets the node take its own entry out, also twice', async () => {
      await world.fence.blocklist(['192.0.2.13'], YEAR_S)
      await world.nodeFence.unblocklist(['192.0.2.13'])
      await world.nodeFence.unblocklist(['192.0.2.13'])
      expect(await world.nodeFence.entries()).not.toContainEqual(expect.objectContaining({ address: '192.0.2.13:0/0' }))
    })

    it('proves its right without leaving anything', async () => {
      const before = [...(await listed()).keys()]
      await world.fence.mayBlocklist()
      await world.nodeFence.mayBlocklist()
      expect([...(await listed()).keys()]).toEqual(before)
    })

    it('says which map every OSD has, and a living one that was marked down comes back with a newer one', async () => {
      const { epoch: osdEpoch } = await world.fence.blocklist(['192.0.2.14'], YEAR_S)
      const ids = (await world.fence.osds()).osds.filter(({ isUp }) => isUp).map(({ id }) => id)
      expect(ids.length).toBeGreaterThan(0)
      await pollUntil({ what: 'the map at every OSD', timeoutMs: 20_000, intervalMs: 50 }, async () => {
        const epochs = await world.fence.osdEpochs(ids)
        return ids.every((id) => (epochs.get(id) ?? 0) >= osdEpoch)
      })
      await world.fence.markDown(ids)
      await pollUntil({ what: 'OSDs that came back', timeoutMs: 60_000, intervalMs: 100 }, async () => {
        const { osds } = await world.fence.osds()
        const epochs = await world.fence.osdEpochs(ids)
        return osds.every(({ isUp }) => isUp) && ids.every((id) => (epochs.get(id) ?? 0) > osdEpoch)
      })
      expect((await world.fence.osdEpochs([4711])).size).toBe(0)
    })

    it('stops at once when it is told to', async () => {
      const controller = new AbortController()
      const work = world.fence.entries(controller.signal)
      controller.abort()
      await expect(work).rejects.toMatchObject({ code: 'PVC_CEPH_TIMEOUT' })
    })
  })
}
