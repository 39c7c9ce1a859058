/** The contract of the Ceph port: what the node part and the API rely on, run against the fake and a real cluster. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PoolName, VolumeName, VolumeRef } from '../../src/model/ids.ts'
import type { CephWorld } from './ceph-world.ts'

const MIB = 1024 * 1024
const pool = PoolName.parse('vms')

/** Runs the contract in one world; every test uses a volume of its own. */
export function describeCeph(name: string, open: () => Promise<CephWorld> | CephWorld): void {
  describe(`${name} as Ceph`, () => {
    let world: CephWorld

    beforeAll(async () => {
      world = await open()
      await world.admin.createPool({ name: pool, pgs: 8, tier: 'default', copies: 1, minCopies: 1 })
    })
    afterAll(() => world?.close())

    async function volume(text: string) {
      const name = VolumeName.parse(text)
      await world.ceph.createVolume(pool, name, 16 * MIB)
      return { name, ref: VolumeRef.parse(`${pool}/${text}`) }
    }

    it('answers', () => world.ceph.ping())

    it('lists its pools, and makes none twice', async () => {
      expect(await world.ceph.listPools()).toContain('vms')
      const again = world.admin.createPool({ name: pool, pgs: 8, tier: 'default', copies: 1, minCopies: 1 })
      await expect(again).rejects.toMatchObject({ code: 'PVC_CEPH_EXISTS' })
      const stats = (await world.ceph.poolStats()).get('vms')
      expect(stats?.id).toBeGreaterThan(0)
    })

    it('makes, grows and removes volumes', async () => {
      const { name } = await volume('grows')
      await expect(world.ceph.createVolume(pool, name, MIB)).rejects.toMatchObject({ code: 'PVC_CEPH_EXISTS' })
      expect(await world.ceph.volumeInfo(pool, name)).toMatchObject({ sizeBytes: 16 * MIB, snapshotCount: 0 })
      expect((await world.ceph.volumeInfo(pool, name)).features).toContain('exclusive-lock')
      await world.ceph.resizeVolume(pool, name, 20 * MIB + 512)
      expect((await world.ceph.volumeInfo(pool, name)).sizeBytes).toBe(20 * MIB + 512)
      await expect(world.ceph.resizeVolume(pool, name, MIB)).rejects.toMatchObject({ code: 'PVC_CEPH_FAILED' })
      await world.ceph.removeVolume(pool, name)
      await expect(world.ceph.volumeInfo(pool, name)).rejects.toMatchObject({ code: 'PVC_CEPH_NOT_FOUND' })
      await expect(world.ceph.removeVolume(pool, name)).rejects.toMatchObject({ code: 'PVC_CEPH_NOT_FOUND' })
    })

    it('knows what does not exist', async () => {
      const missing = VolumeRef.parse('vms/none')
      await expect(world.ceph.locks(missing)).rejects.toMatchObject({ code: 'PVC_CEPH_NOT_FOUND' })
      await expect(world.ceph.watchers(missing)).rejects.toMatchObject({ code: 'PVC_CEPH_NOT_FOUND' })
      const elsewhere = world.ceph.createVolume(PoolName.parse('none'), VolumeName.parse('a'), MIB)
      await expect(elsewhere).rejects.toMatchObject({ code: 'PVC_CEPH_NOT_FOUND' })
    })

    it('shows who writes a volume, and does not remove it under them', async () => {
      const { name, ref } = await volume('in-use')
      expect([await world.ceph.locks(ref), await world.ceph.watchers(ref)]).toEqual([[], []])
      const holder = await world.hold(ref)
      const [lock] = await world.ceph.locks(ref)
      expect(lock).toMatchObject({ lockId: expect.stringMatching(/^auto \d+$/) })
      expect(lock?.address).toMatch(/^\d+\.\d+\.\d+\.\d+:0\/\d+$/)
      const watchers = await world.ceph.watchers(ref)
      expect(watchers.map((watcher) => watcher.address)).toEqual([lock?.address])
      await expect(world.ceph.removeVolume(pool, name)).rejects.toMatchObject({ code: 'PVC_CEPH_BUSY' })
      expect(await world.ceph.locks(ref)).toEqual([lock])
      await holder.close()
      expect([await world.ceph.locks(ref), await world.ceph.watchers(ref)]).toEqual([[], []])
      await world.ceph.removeVolume(pool, name)
    })

    it('lets a volume go at once when its dead client is blocklisted and its lock broken', async () => {
      const { ref } = await volume('orphaned')
      const holder = await world.hold(ref)
      await holder.kill()
      const [lock] = await world.ceph.locks(ref)
      if (!lock) throw new Error('the lock is gone')
      expect(await world.ceph.watchers(ref)).toHaveLength(1)
      await world.ceph.blocklistClient(lock.address, 3600)
      expect(await world.ceph.watchers(ref)).toEqual([])
      expect(await world.ceph.locks(ref)).toEqual([lock])
      await world.ceph.breakLock(ref, lock)
      await world.ceph.breakLock(ref, lock)
      expect(await world.ceph.locks(ref)).toEqual([])
      await (await world.hold(ref)).close()
    })

    it('evicts a dead client from its lock in one command', async () => {
      const { ref } = await volume('evicted')
      const holder = await world.hold(ref)
      await holder.kill()
      const [lock] = await world.ceph.locks(ref)
      if (!lock) throw new Error('the lock is gone')
      await world.ceph.evictLocker(ref, lock, 3600)
      await world.ceph.evictLocker(ref, lock, 3600)
      expect([await world.ceph.locks(ref), await world.ceph.watchers(ref)]).toEqual([[], []])
      await (await world.hold(ref)).close()
    })
  })
}
