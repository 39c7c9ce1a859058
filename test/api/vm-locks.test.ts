import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FakeCephClient } from '../../src/adapters/fake/ceph-image.ts'
import { CLOSED_JOURNAL, type FenceJournal } from '../../src/model/fence.ts'
import { NodeName } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, LIFE, NODES, startCluster, type TestCluster } from './cluster.ts'

const [hv1 = NodeName.parse('hv1'), hv2 = NodeName.parse('hv2')] = NODES
const VOLUME = 'vms/web_sda'
const SENTENCE = 'nothing writes to the volumes of web'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
  for (const [index, name] of NODES.entries()) {
    await cluster.change(tree.node(name).status, (status) => ({ ...status, storageAddrs: [`10.0.2.${index + 1}`] }))
  }
  await define(cluster, 'web')
  cluster.ceph.addVolume(VOLUME)
})
afterEach(() => cluster.close())

function lockBy(ip: string): FakeCephClient {
  const client = cluster.ceph.connect(ip)
  const image = cluster.ceph.image(VOLUME)
  if (image === undefined) throw new Error(`no ${VOLUME}`)
  client.open(image)
  client.write(image, { owner: 'guest', seq: 1 })
  return client
}

/** A client of hv2 that died so long ago that its watch is gone. */
async function leftBy(ip = '10.0.2.2'): Promise<FakeCephClient> {
  const client = lockBy(ip)
  client.die()
  await cluster.clock.advance(31_000)
  return client
}

function hold(node: NodeName): Promise<void> {
  return cluster.report('web', (status) => ({ run: { node, life: LIFE, holder: null }, seq: status.seq + 1 }))
}

function journal(change: Partial<FenceJournal>): Promise<void> {
  return cluster.change(tree.node(hv2).fence, () => ({ ...CLOSED_JOURNAL, seq: 1, life: LIFE, ...change }))
}

const flush = (args = {}) => cluster.call('POST', '/vm/web/locks', args)
const locked = () => cluster.ceph.image(VOLUME)?.lock !== undefined

async function expectRefused(args: object, words: string): Promise<void> {
  expect(await flush(args)).toMatchObject({
    headers: { 'x-pvc-error': 'PVC_STATE_REFUSED' },
    body: { message: expect.stringContaining(words) },
  })
  expect(locked()).toBe(true)
}

describe('POST /vm/{vm}/locks', () => {
  it('breaks what a dead client of a node left, and shuts that client out', async () => {
    const { address } = await leftBy()
    expect(await flush()).toMatchObject({
      status: 200,
      body: {
        message: "Broke 1 lock on the volumes of VM 'web' and shut the clients out of Ceph.",
        locks: [{ volume: VOLUME, client: address, node: 'hv2' }],
      },
    })
    expect(locked()).toBe(false)
    expect(cluster.ceph.isBlocklisted(address)).toBe(true)
    expect(cluster.ceph.isBlocklisted('10.0.2.2:0/1')).toBe(false)
  })

  it('has nothing to do where nothing is locked', async () => {
    expect(await flush()).toMatchObject({
      status: 200,
      body: { message: "No volume of VM 'web' is locked.", locks: [] },
    })
  })

  it('is refused while the client has the volume open, unless somebody vouches for it', async () => {
    const { address } = lockBy('10.0.2.2')
    await expectRefused({}, `client ${address} of node hv2 had volume ${VOLUME} open less than 30 s ago`)
    await expectRefused({}, `force it with the sentence: ${SENTENCE}`)
    await expectRefused({ force: 'yes' }, `'force' has to be: ${SENTENCE}`)
    expect(await flush({ force: SENTENCE })).toMatchObject({ status: 200 })
    expect(locked()).toBe(false)
    expect(cluster.ceph.isBlocklisted(address)).toBe(true)
  })

  it('is refused while the node of the lock holds the VM, also when its client does not show itself', async () => {
    await leftBy()
    await hold(hv2)
    await expectRefused({}, 'node hv2 holds the VM')
    await hold(hv1)
    expect(await flush()).toMatchObject({ status: 200 })
  })

  it('is refused while the VM is being moved', async () => {
    await leftBy()
    const migration = {
      id: 'm',
      from: { node: hv1, life: LIFE },
      to: { node: hv2, life: LIFE },
      step: 'copy' as const,
      startedAt: 0,
      progress: null,
    }
    await cluster.report('web', () => ({ migration }))
    await expectRefused({}, 'is being moved')
  })

  it('believes the fence of the node whose client it is, as soon as its life is proven over and Ceph shuts it out', async () => {
    lockBy('10.0.2.2')
    await hold(hv2)
    const blocklist = { kind: 'blocklist' as const, addresses: ['10.0.2.2'], osdEpoch: 7, at: 0 }
    const proof = { deadLives: [LIFE], addresses: ['10.0.2.2'], evidence: [blocklist] }
    await journal({ state: 'open', ...proof, evidence: [] })
    await expectRefused({}, 'node hv2 holds the VM')
    await journal({ state: 'evidence', ...proof, deadLives: [] })
    await expectRefused({}, 'node hv2 holds the VM')
    await journal({ state: 'evidence', ...proof, evidence: [{ kind: 'no-ceph', at: 0 }] })
    await expectRefused({}, 'node hv2 holds the VM')
    await journal({ state: 'evidence', ...proof })
    expect(await flush()).toMatchObject({ status: 200 })
  })

  it('never breaks the lock of a stranger, and then none at all', async () => {
    await leftBy('10.0.9.9')
    await expectRefused({ force: SENTENCE }, 'at 10.0.9.9, which is no node of this cluster')
    await define(cluster, 'db')
    expect(await cluster.call('POST', '/vm/nosuch/locks', {})).toMatchObject({ status: 404 })
  })

  it('is not for readers', async () => {
    const options = { token: cluster.tokens['read-only'] }
    expect(await cluster.call('POST', '/vm/web/locks', {}, options)).toMatchObject({ status: 403 })
  })
})
