import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PvcError } from '../../src/model/errors.ts'
import { PoolName, VolumeName } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, startCluster, type TestCluster } from './cluster.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

const add = (args = {}) =>
  cluster.call('POST', '/storage/ceph/volume', { volume: 'tvol', pool: 'vms', size: '10G', force: 'False', ...args })
const key = tree.volume(PoolName.parse('vms'), VolumeName.parse('tvol'))

describe('pools', () => {
  const pool = (args = {}) =>
    cluster.call('POST', '/storage/ceph/pool', {
      pool: 'fast',
      pgs: '64',
      replcfg: 'copies=3,mincopies=2',
      tier: 'ssd',
      ...args,
    })

  it('are created in Ceph and listed', async () => {
    expect(await pool()).toMatchObject({ status: 200, body: { message: "Created RBD pool 'fast' with 64 PGs." } })
    expect(await cluster.ceph.listPools()).toContain('fast')
    const { body } = await cluster.call('GET', '/storage/ceph/pool', { limit: '^fast$' })
    expect(body).toMatchObject([{ name: 'fast', pgs: '64', tier: 'ssd', volume_count: 0 }])
    expect(await pool()).toMatchObject({ status: 400, body: { message: "Pool 'fast' exists already." } })
    expect((await add({ pool: 'fast' })).status).toBe(200)
  })

  it('refuse bad arguments by name', async () => {
    const { body } = await pool({ pgs: '63', replcfg: 'copies=2,mincopies=3', tier: 'tape', pool: 'a b' })
    expect(Object.keys((body as { message: object }).message).sort()).toEqual(['pgs', 'pool', 'replcfg', 'tier'])
  })

  it('can be repeated when the first attempt died after Ceph', async () => {
    cluster.ceph.addVolume('half/x')
    expect((await pool({ pool: 'half' })).status).toBe(200)
  })

  it('are listed in time although Ceph hangs, with the last figures', async () => {
    await cluster.call('GET', '/storage/ceph/pool')
    await cluster.clock.advance(6000)
    cluster.ceph.script.plan('poolStats', { delayMs: 60_000 })
    const reply = cluster.call('GET', '/storage/ceph/pool')
    await cluster.clock.advance(500)
    expect(await reply).toMatchObject({ status: 200, body: [{ name: 'vms', stats: { free_bytes: 1024 ** 4 } }] })
  })

  it('answer 404 when unknown', async () => {
    expect(await cluster.call('GET', '/storage/ceph/pool/nope')).toMatchObject({
      status: 404,
      body: { message: "Pool 'nope' not found." },
    })
  })
})

describe('volumes', () => {
  it('are created, shown, resized and removed', async () => {
    expect(await add()).toMatchObject({
      status: 200,
      body: { message: "Created RBD volume 'tvol' of size '10G' in pool 'vms'." },
    })
    expect(await cluster.call('GET', '/storage/ceph/volume')).toMatchObject({
      status: 200,
      body: [{ name: 'tvol', pool: 'vms', stats: { size: '10G' } }],
    })
    const resize = (args: Record<string, string>) => cluster.call('PUT', '/storage/ceph/volume/vms/tvol', args)
    expect(await resize({ new_size: '20G', force: 'False' })).toMatchObject({
      status: 200,
      body: { message: "Resized RBD volume 'tvol' to size '20G' in pool 'vms'." },
    })
    expect((await cluster.session.get(key))?.value.info.sizeBytes).toBe(20 * 1024 ** 3)
    expect(await resize({ new_size: '1G' })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('making it smaller needs force') },
    })
    expect((await resize({ new_name: 'x' })).status).toBe(400)
    expect((await resize({})).status).toBe(400)
    expect(await cluster.call('DELETE', '/storage/ceph/volume/vms/tvol')).toMatchObject({
      status: 200,
      body: { message: "Removed RBD volume 'tvol' in pool 'vms'." },
    })
    expect(cluster.ceph.image('vms/tvol')).toBeUndefined()
    expect((await cluster.call('GET', '/storage/ceph/volume')).body).toEqual([])
    expect((await cluster.call('DELETE', '/storage/ceph/volume/vms/tvol')).status).toBe(404)
  })

  it.each(['1048576', '1024K', '1M', '1MiB', '0.5M'])('understand the size %s', async (size) => {
    expect((await add({ size })).status).toBe(200)
    expect((await cluster.session.get(key))?.value.info.sizeBytes).toBe(1024 ** 2)
  })

  it.each(['', '0', 'big', '-1G', '10X'])('refuse the size "%s"', async (size) => {
    expect(await add({ size })).toMatchObject({ status: 400, body: { message: { size: expect.any(String) } } })
  })

  it('stay below the free space, and without force below 80 % of the pool', async () => {
    // The fake pool has 1 TiB free and 1 GiB stored.
    expect(await add({ size: '1T', force: 'True' })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('has only') },
    })
    expect(await add({ size: '820G' })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('80 %') },
    })
    expect((await add({ size: '820G', force: 'True' })).status).toBe(200)
  })

  it('are filtered by pool and name', async () => {
    await add()
    await add({ volume: 'other' })
    const list = async (args: Record<string, string>) =>
      ((await cluster.call('GET', '/storage/ceph/volume', args)).body as { name: string }[]).map(({ name }) => name)
    expect(await list({ pool: 'vms' })).toEqual(['other', 'tvol'])
    expect(await list({ pool: 'none' })).toEqual([])
    expect(await list({ limit: '^t', pool: 'vms' })).toEqual(['tvol'])
  })

  it('refuse a name that is taken and a pool that is unknown', async () => {
    await add()
    expect(await add()).toMatchObject({ status: 400, body: { message: "Volume 'vms/tvol' exists already." } })
    cluster.ceph.addVolume('vms/foreign')
    expect((await add({ volume: 'foreign' })).status).toBe(400)
    expect((await add({ pool: 'nope' })).status).toBe(404)
  })

  it('leave nothing behind when Ceph fails half-way', async () => {
    cluster.ceph.script.plan('volumeInfo', {
      error: new PvcError('PVC_CEPH_FAILED', 'rbd: error opening image'),
    })
    expect(await add()).toMatchObject({ status: 502, body: { message: expect.stringContaining('error opening') } })
    expect(cluster.ceph.image('vms/tvol')).toBeUndefined()
    expect(await cluster.session.get(key)).toBeUndefined()
  })

  it('without a document are removed by name, if they are in Ceph, and in no use', async () => {
    const remove = (volume: string) => cluster.call('DELETE', `/storage/ceph/volume/${volume}`)
    cluster.ceph.addVolume('vms/tvol')
    cluster.ceph.addVolume('vms/open')
    const open = cluster.ceph.image('vms/open')
    if (open !== undefined) cluster.ceph.connect('10.0.2.1').open(open)
    cluster.ceph.addVolume('vms/web_sda')
    cluster.ceph.addVolume('foreign/tvol')
    await define(cluster, 'web')
    expect(await add()).toMatchObject({ status: 400 })
    expect(await remove('vms/tvol')).toMatchObject({ status: 200 })
    expect(cluster.ceph.image('vms/tvol')).toBeUndefined()
    expect(await remove('vms/tvol')).toMatchObject({ status: 404 })
    expect(await remove('vms/open')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('watchers') },
    })
    expect(await remove('vms/web_sda')).toMatchObject({ status: 400 })
    expect(await remove('foreign/tvol')).toMatchObject({ status: 404 })
    expect(await remove('vms/..')).toMatchObject({ status: 404 })
    for (const volume of ['vms/open', 'vms/web_sda', 'foreign/tvol'] as const)
      expect(cluster.ceph.image(volume)).toBeDefined()
  })

  it('cannot be removed while a VM names them', async () => {
    await add({ volume: 'web_sda' })
    await define(cluster, 'web')
    expect(await cluster.call('DELETE', '/storage/ceph/volume/vms/web_sda')).toMatchObject({
      status: 400,
      body: { message: "Volume 'vms/web_sda' is a disk of VM 'web'." },
    })
  })
})
