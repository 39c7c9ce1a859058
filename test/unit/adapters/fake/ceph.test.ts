import { beforeEach, describe, expect, it } from 'vitest'
import { FakeCeph } from '../../../../src/adapters/fake/ceph.ts'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { PoolName, VolumeName, VolumeRef } from '../../../../src/model/ids.ts'

const volume = VolumeRef.parse('vms/a')

describe('a fake Ceph', () => {
  let clock: ManualClock
  let ceph: FakeCeph

  beforeEach(() => {
    clock = new ManualClock()
    ceph = new FakeCeph({ clock })
    ceph.addVolume(volume)
  })

  function open(ip: string) {
    const client = ceph.connect(ip)
    const image = ceph.image(volume)
    if (!image) throw new Error('no image')
    client.open(image)
    return { client, write: (seq = 1) => client.write(image, { owner: ip, seq }) }
  }

  it('hands the lock of a living client over on request: it fences nobody', async () => {
    const first = open('10.0.0.1')
    const second = open('10.0.0.2')
    expect([first.write(), second.write(), first.write()]).toEqual(['written', 'written', 'written'])
    expect(ceph.writes.map((write) => write.owner)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.1'])
    expect(await ceph.locks(volume)).toMatchObject([{ address: first.client.address }])
  })

  it('keeps the lock of a killed client until its watch expires, then blocklists it', async () => {
    const dead = open('10.0.0.1')
    dead.write()
    dead.client.die()
    const next = open('10.0.0.1')
    expect(next.write()).toBe('waiting')
    expect(await ceph.watchers(volume)).toHaveLength(2)
    await clock.advance(30_000)
    expect(next.write()).toBe('written')
    expect(ceph.isBlocklisted(dead.client.address)).toBe(true)
  })

  it('lets the lock go at once when its dead client is blocklisted and its lock broken', async () => {
    const dead = open('10.0.0.1')
    dead.write()
    dead.client.die()
    const [lock] = await ceph.locks(volume)
    if (!lock) throw new Error('no lock')
    await ceph.blocklistClient(lock.address, 3600)
    expect(await ceph.watchers(volume)).toEqual([])
    await ceph.breakLock(volume, lock)
    await ceph.breakLock(volume, lock)
    expect(await ceph.locks(volume)).toEqual([])
    expect(open('10.0.0.1').write()).toBe('written')
  })

  it('gives lock and watch back when a client ends in an orderly way', async () => {
    const only = open('10.0.0.1')
    only.write()
    only.client.close()
    expect(await ceph.locks(volume)).toEqual([])
    expect(await ceph.watchers(volume)).toEqual([])
    expect(only.write()).toBe('closed')
  })

  it('fails writes of a blocklisted client, and allows them again when the entry has expired', async () => {
    const client = open('10.0.0.1')
    await ceph.blocklistClient('10.0.0.1:0/0', 10)
    expect(client.write()).toBe('blocklisted')
    await clock.advance(10_000)
    client.client.setReachable(false)
    client.client.setReachable(true)
    expect(client.write()).toBe('written')
  })

  it('refuses to remove a volume in use, and knows missing and existing ones', async () => {
    const pool = PoolName.parse('vms')
    const name = VolumeName.parse('a')
    const client = open('10.0.0.1')
    await expect(ceph.removeVolume(pool, name)).rejects.toMatchObject({ code: 'PVC_CEPH_BUSY' })
    client.client.close()
    await ceph.removeVolume(pool, name)
    await expect(ceph.volumeInfo(pool, name)).rejects.toMatchObject({ code: 'PVC_CEPH_NOT_FOUND' })
    await ceph.createVolume(pool, name, 1024)
    await expect(ceph.createVolume(pool, name, 1024)).rejects.toMatchObject({ code: 'PVC_CEPH_EXISTS' })
  })

  it('times out when it hangs, and still does what was asked', async () => {
    ceph.script.plan('blocklistClient', { delayMs: 20_000 })
    const call = ceph.blocklistClient('10.0.0.9:0/1', 3600)
    const failed = expect(call).rejects.toMatchObject({ code: 'PVC_CEPH_TIMEOUT' })
    await clock.advance(10_000)
    await failed
    expect(ceph.isBlocklisted('10.0.0.9:0/1')).toBe(false)
    await clock.advance(10_000)
    expect(ceph.isBlocklisted('10.0.0.9:0/1')).toBe(true)
  })
})
