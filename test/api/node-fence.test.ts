import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NodeFence } from '../../src/contract/node-fence.ts'
import { CLOSED_JOURNAL, type FenceJournal } from '../../src/model/fence.ts'
import { LifeId, NodeName } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, NODES, startCluster, type TestCluster } from './cluster.ts'

const [hv1 = NodeName.parse('hv1')] = NODES
const keys = tree.node(hv1)
const LIFE = LifeId.parse('life-1')

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

const statusOf = async () => (await cluster.call('GET', '/node/hv1/fence')).body as NodeFence
const daemonState = async () => (await cluster.call('GET', '/node/hv1/daemon-state')).body
const order = async () => (await cluster.session.get(keys.fenceOrder))?.value

function open(change: Partial<FenceJournal> = {}): Promise<void> {
  return cluster.change(keys.fence, () => ({ ...CLOSED_JOURNAL, state: 'open', seq: 4, life: LIFE, ...change }))
}

async function die(): Promise<void> {
  await cluster.session.remove(keys.alive.path)
  await expect.poll(() => cluster.index.get(keys.alive)).toBeUndefined()
}

describe('GET /node/{node}/fence', () => {
  it('tells of a node that was never fenced', async () => {
    expect(await statusOf()).toMatchObject({
      node: 'hv1',
      daemon_state: 'run',
      state: 'closed',
      seq: 0,
      opened_at: null,
    })
  })

  it('tells proof, VMs and history', async () => {
    await open({
      state: 'evidence',
      evidence: [{ kind: 'self-fence', waitedMs: 16_000, at: 5 }],
      events: [{ afterMs: 1200, at: 5, step: 'open', text: 'it is being fenced' }],
      stuck: 'no node can take web',
    })
    await die()
    expect(await statusOf()).toMatchObject({
      daemon_state: 'fenced',
      state: 'evidence',
      stuck: 'no node can take web',
      evidence: [{ kind: 'self-fence', text: 'its guard must have ended every guest after 16 s' }],
      events: [{ after_s: 1.2, step: 'open' }],
    })
  })

  it('knows no such node', async () => {
    expect(await cluster.call('GET', '/node/hv9/fence')).toMatchObject({ status: 404 })
  })
})

describe('daemon state', () => {
  it('is dead while the fence is open and fenced once it is proven, until the node is taken back', async () => {
    await die()
    expect(await daemonState()).toMatchObject({ daemon_state: 'dead' })
    await open()
    expect(await daemonState()).toMatchObject({ daemon_state: 'dead' })
    await cluster.change(keys.fence, (journal) => ({ ...journal, state: 'recovered' as const }))
    expect(await daemonState()).toMatchObject({ daemon_state: 'fenced' })
    await cluster.session.create(keys.alive, { life: LIFE }, 'ephemeral')
    await expect.poll(() => cluster.index.get(keys.alive)).toBeDefined()
    expect(await daemonState()).toMatchObject({ daemon_state: 'fenced' })
    await cluster.change(keys.fence, (journal) => ({ ...journal, state: 'closed' as const }))
    expect(await daemonState()).toMatchObject({ daemon_state: 'run' })
  })
})

describe('POST /node/{node}/fence', () => {
  const fence = (args = {}) => cluster.call('POST', '/node/hv1/fence', { yes: 'true', ...args })

  it('orders it, bound to the present life', async () => {
    expect(await fence()).toMatchObject({ status: 200, body: { message: 'Fencing node hv1.', seq: 1 } })
    expect(await order()).toMatchObject({ kind: 'fence', seq: 0, by: expect.stringContaining('the admin') })
    expect(await statusOf()).toMatchObject({ pending_order: 'fence' })
    await open({ seq: 1 })
    expect(await statusOf()).toMatchObject({ pending_order: '' })
  })

  it.each([
    ['without a yes', { yes: 'false' }, undefined, 'ends its guests by force'],
    ['of a node that is being fenced', {}, open, 'is being fenced already'],
    ['of the primary itself', {}, () => cluster.reign(hv1), 'make another coordinator primary first'],
  ])('is refused %s', async (_name, args, prepare, message) => {
    await prepare?.()
    expect(await fence(args)).toMatchObject({
      headers: { 'x-pvc-error': 'PVC_STATE_REFUSED' },
      body: { message: expect.stringContaining(message) },
    })
    expect(await order()).toBeUndefined()
  })

  it('of another node than the primary is taken', async () => {
    await cluster.reign(NodeName.parse('hv2'))
    expect(await fence()).toMatchObject({ status: 200 })
  })

  it('is refused in maintenance', async () => {
    const { generation = 0 } = (await cluster.session.get(tree.cluster))?.value ?? {}
    await cluster.reign(NodeName.parse('hv2'), { maintenanceSeen: generation + 1 })
    await cluster.call('POST', '/status', { state: 'true' })
    expect(await fence()).toMatchObject({ body: { message: expect.stringContaining('in maintenance') } })
  })

  it('is for admins', async () => {
    const options = { token: cluster.tokens.operator }
    expect(await cluster.call('POST', '/node/hv1/fence', { yes: 'true' }, options)).toMatchObject({ status: 403 })
  })
})

describe('POST /node/{node}/fence-confirm', () => {
  const confirm = (args = {}) => cluster.call('POST', '/node/hv1/fence-confirm', { yes: 'true', ...args })

  it('is bound to the fence and the life it is about', async () => {
    await open()
    await die()
    expect(await confirm({ seq: '4' })).toMatchObject({ status: 200, body: { seq: 4 } })
    expect(await order()).toMatchObject({ kind: 'confirm', life: 'life-1', seq: 4 })
  })

  it('is refused when another fence was meant, the node lives, nothing is open, or nobody vouches', async () => {
    expect(await confirm()).toMatchObject({ body: { message: expect.stringContaining('is not being fenced') } })
    await open()
    expect(await confirm()).toMatchObject({
      body: { message: expect.stringContaining('is in touch with the cluster') },
    })
    await die()
    expect(await confirm({ seq: '3' })).toMatchObject({ headers: { 'x-pvc-error': 'PVC_OBJECT_CONFLICT' } })
    expect(await confirm({ yes: 'false' })).toMatchObject({
      body: { message: expect.stringContaining('disks are destroyed') },
    })
    expect(await order()).toBeUndefined()
  })
})

describe('DELETE /vm/{vm}', () => {
  it('is refused at once while the node that holds the VM is dead, and the VM stays on', async () => {
    await define(cluster, 'web')
    await cluster.call('POST', '/vm/web/state', { state: 'start' })
    await cluster.report('web', (status) => ({ run: { node: hv1, life: LIFE, holder: null }, seq: status.seq + 1 }))
    await die()
    expect(await cluster.call('DELETE', '/vm/web')).toMatchObject({
      headers: { 'x-pvc-error': 'PVC_STATE_REFUSED' },
      body: { message: expect.stringContaining("Node 'hv1', which holds VM 'web', does not answer") },
    })
    expect(cluster.spec('web').power).toBe('on')
  })
})
