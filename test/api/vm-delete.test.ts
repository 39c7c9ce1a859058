import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { settle } from '../../src/adapters/fake/clock.ts'
import { LifeId, NodeName } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, startCluster, type TestCluster, vmXml } from './cluster.ts'

const RUN = { node: NodeName.parse('hv1'), life: LifeId.parse('l'), holder: null }

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
  await define(cluster, 'web')
})
afterEach(() => cluster.close())

const remove = (args = {}) => cluster.call('DELETE', '/vm/web', args)
const listed = async () => ((await cluster.call('GET', '/vm')).body as unknown[]).length

describe('DELETE /vm/{vm}', () => {
  it('leaves a tombstone with the last seq, and frees the name', async () => {
    const { uuid } = cluster.spec('web')
    await cluster.report('web', () => ({ seq: 5 }))
    expect(await remove()).toMatchObject({ status: 200, body: { message: "Undefined VM 'web' from the cluster." } })
    expect(await listed()).toBe(0)
    const { session } = cluster
    expect((await session.get(tree.vm(uuid).spec))?.value).toMatchObject({
      uuid,
      deleted: { lastSeq: 5, generation: 2 },
    })
    expect(await session.get(tree.vm(uuid).status)).toBeUndefined()
    expect(await session.get(tree.vmNames.child('web'))).toBeUndefined()
    expect((await cluster.call('GET', '/vm/web')).status).toBe(404)
    expect((await remove()).status).toBe(404)
  })

  it('lets the same UUID be defined again, where seq and version go on', async () => {
    const { uuid } = cluster.spec('web')
    await cluster.report('web', () => ({ seq: 5 }))
    await remove()
    await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: vmXml('web', { uuid }) } })
    expect(cluster.spec('web').generation).toBe(3)
    expect((await cluster.session.get(tree.vm(uuid).status))?.value).toMatchObject({ seq: 5, observedGeneration: 2 })
  })

  it('stops a running VM first, and waits until its node let go', async () => {
    await cluster.report('web', () => ({ run: RUN, seq: 1, phase: 'running' }))
    const reply = remove()
    await settle()
    expect(cluster.spec('web')).toMatchObject({ power: 'off', wishes: { stopNow: 1 } })
    expect(await listed()).toBe(1)
    await cluster.report('web', () => ({ run: null, seq: 2, phase: 'off' }))
    expect((await reply).status).toBe(200)
    expect(await listed()).toBe(0)
  })

  it('removes nothing when the node does not let go in time', async () => {
    await cluster.report('web', () => ({ run: RUN, seq: 1, phase: 'running' }))
    const reply = remove({ delete_disks: 'True' })
    await settle()
    await cluster.clock.advance(30_000)
    expect(await reply).toMatchObject({
      status: 504,
      body: { message: expect.stringContaining('hv1 has not stopped') },
    })
    expect(await listed()).toBe(1)
  })

  it('keeps the seq of a node that took the record at the last moment', async () => {
    const { uuid } = cluster.spec('web')
    const keys = tree.vm(uuid)
    // The node read the wish to start just before, and takes the record between our reading and our tombstone.
    const original = cluster.store.session.value
    if (original === undefined) throw new Error('no session')
    const set = original.set.bind(original)
    let hasRaced = false
    original.set = async (key, value, version) => {
      if (key.path === keys.spec.path && !hasRaced && 'deleted' in (value as object)) {
        hasRaced = true
        await cluster.change(keys.status, (status) => ({ ...status, run: RUN, seq: 1, phase: 'starting' as const }))
      }
      return set(key, value, version)
    }
    const reply = remove()
    for (let turn = 0; turn < 5; turn += 1) await settle()
    await cluster.change(keys.status, (status) => ({ ...status, run: null, seq: 2, phase: 'off' as const }))
    expect((await reply).status).toBe(200)
    expect((await cluster.session.get(keys.spec))?.value).toMatchObject({ deleted: { lastSeq: 2 } })
    expect(await cluster.session.get(keys.status)).toBeUndefined()
  })

  it('removes the volumes of the VM last, and only when asked', async () => {
    cluster.ceph.addVolume('vms/web_sda')
    await remove({ delete_disks: 'False' })
    expect(cluster.ceph.image('vms/web_sda')).toBeDefined()
    await define(cluster, 'web')
    expect(await remove({ delete_disks: 'True' })).toMatchObject({
      status: 200,
      body: { message: "Removed VM 'web' and its disks from the cluster." },
    })
    expect(cluster.ceph.image('vms/web_sda')).toBeUndefined()
  })

  it('names the volumes that Ceph did not remove', async () => {
    cluster.ceph.lockByStranger(cluster.ceph.addVolume('vms/web_sda').name, '10.0.0.9')
    const reply = remove({ delete_disks: 'True' })
    await settle()
    expect(await listed()).toBe(0)
    await cluster.clock.advance(40_000)
    expect(await reply).toMatchObject({
      status: 502,
      body: { message: expect.stringContaining("'vms/web_sda'") },
    })
    expect(cluster.ceph.image('vms/web_sda')).toBeDefined()
  })

  it('waits for a copy that was arriving elsewhere to close the volumes', async () => {
    const stranger = cluster.ceph.lockByStranger(cluster.ceph.addVolume('vms/web_sda').name, '10.0.0.9')
    const reply = remove({ delete_disks: 'True' })
    await settle()
    await cluster.clock.advance(5000)
    stranger.close()
    await cluster.clock.advance(1000)
    expect((await reply).status).toBe(200)
    expect(cluster.ceph.image('vms/web_sda')).toBeUndefined()
  })

  it('refuses to remove a volume that another VM has too', async () => {
    const xml = vmXml('clone', { disks: ['vms/web_sda'] })
    await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml } })
    expect(await remove({ delete_disks: 'True' })).toMatchObject({
      status: 400,
      body: { message: "Volume 'vms/web_sda' is also used by VM 'clone'." },
    })
    expect(cluster.spec('web').wishes.stopNow).toBe(0)
  })

  it('refuses when the VM was started in between', async () => {
    await cluster.report('web', () => ({ run: RUN, seq: 1, phase: 'running' }))
    const reply = remove()
    await settle()
    await cluster.call('POST', '/vm/web/state', { state: 'start' })
    await cluster.report('web', () => ({ run: null, seq: 2, phase: 'off' }))
    expect((await reply).status).toBe(409)
    expect(await listed()).toBe(1)
  })
})
