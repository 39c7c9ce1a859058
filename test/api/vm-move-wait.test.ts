import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { settle } from '../../src/adapters/fake/clock.ts'
import type { VmStatus } from '../../src/model/domain.ts'
import { LifeId, type NodeName } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, NODES, type Reply, startCluster, type TestCluster } from './cluster.ts'

const [hv1, hv2, hv3] = NODES as [NodeName, NodeName, NodeName]

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
  await define(cluster, 'web')
  await cluster.call('POST', '/vm/web/state', { state: 'start' })
  await runsAt(hv1)
})
afterEach(() => cluster.close())

const move = (action: string, args: Record<string, string> = {}) =>
  cluster.call('POST', '/vm/web/node', { action, ...args })
const messageOf = ({ body }: Reply) => (body as { message: string }).message
const holding = (node: NodeName) => ({ node, life: LifeId.parse('l'), holder: null })

/** Acts as the node: the VM runs there, and everything wanted is done. */
function runsAt(node: NodeName, over: Partial<VmStatus> = {}): Promise<void> {
  return cluster.report('web', (status, spec) => ({
    run: holding(node),
    seq: status.seq + 1,
    phase: 'running',
    observedGeneration: spec.generation,
    done: spec.wishes,
    migration: null,
    handedOver: null,
    ...over,
  }))
}

/** Asks to wait, and comes back when the order is written; `state` tells whether the answer has come. */
async function waiting(action: string, args: Record<string, string> = {}) {
  const before = cluster.spec('web').generation
  let reply: Reply | undefined
  const answer = move(action, { wait: 'true', ...args }).then((came) => {
    reply = came
    return came
  })
  await expect.poll(() => cluster.spec('web').generation, { interval: 1 }).toBeGreaterThan(before)
  await settle()
  return {
    answer,
    hasCome: async () => {
      await settle()
      return reply !== undefined
    },
    order: cluster.spec('web').move?.id ?? '',
  }
}

const copying = (order: string): Partial<VmStatus> => ({
  phase: 'migrating',
  migration: {
    id: order,
    from: holding(hv1),
    to: holding(hv2),
    step: 'copy',
    startedAt: 0,
    progress: { percent: 12, remainingMiB: 1800, totalMiB: 2048, dirtyMiBps: 1, speedMiBps: 10, expectedS: 180 },
  },
})

describe('wait', () => {
  it.each([
    ['migrate', "Migrated VM 'web' to node 'hv2'."],
    ['move', "Permanently migrated VM 'web' to node 'hv2'."],
  ])('answers a %s when the VM runs there, not before', async (action, message) => {
    const { answer, hasCome, order } = await waiting(action, { node: 'hv2' })
    await cluster.report('web', () => copying(order))
    // Handed over, but the copy does not run yet.
    for (const over of [{ phase: 'migrating' }, { handedOver: order }] as const) {
      await runsAt(hv2, over)
      expect(await hasCome()).toBe(false)
    }
    await runsAt(hv2)
    expect(await answer).toMatchObject({ status: 200, body: { message, node: 'hv2', order } })
  })

  it('follows a VM through a shutdown when it could not be copied', async () => {
    const { answer, hasCome, order } = await waiting('migrate', { node: 'hv2' })
    const moveFailure = { orderId: order, reason: 'not migratable', isFinal: false }
    await cluster.report('web', () => ({ moveFailure, phase: 'stopping' }))
    await cluster.report('web', ({ seq }) => ({ run: null, seq: seq + 1, phase: 'off' }))
    expect(await hasCome()).toBe(false)
    await runsAt(hv2)
    expect((await answer).status).toBe(200)
  })

  it.each<[string, (order: string) => Partial<VmStatus>, string]>([
    [
      'the copy failed for good',
      (orderId) => ({ moveFailure: { orderId, reason: 'no route to host', isFinal: true } }),
      "VM 'web' stays on node 'hv1': no route to host.",
    ],
    [
      'it does not start there',
      () => ({ run: null, phase: 'failed', failedReason: 'no such secret', observedGeneration: 3 }),
      "VM 'web' does not start on node 'hv2': no such secret.",
    ],
  ])('says when %s', async (_, change, message) => {
    const { answer, order } = await waiting('migrate', { node: 'hv2' })
    await cluster.report('web', () => change(order))
    expect(await answer).toMatchObject({ status: 400, body: { message }, headers: { 'x-pvc-error': 'PVC_VM_FAILED' } })
  })

  it('does not take an older failure for its own', async () => {
    await cluster.report('web', () => ({ moveFailure: { orderId: 'old', reason: 'x', isFinal: true } }))
    const { answer, hasCome } = await waiting('migrate', { node: 'hv2' })
    expect(await hasCome()).toBe(false)
    await runsAt(hv2)
    expect((await answer).status).toBe(200)
  })

  it.each<[string, () => Promise<unknown>, string]>([
    ['sent it elsewhere', () => move('migrate', { node: 'hv3', force: 'true' }), "was sent to node 'hv3' meanwhile."],
    ['took it back', () => move('migrate', { cancel: 'true' }), 'stays, the move was cancelled.'],
    ['stopped it', () => cluster.call('POST', '/vm/web/state', { state: 'stop' }), 'was asked to stop meanwhile.'],
  ])('says when another request %s', async (_, act, text) => {
    const { answer } = await waiting('migrate', { node: 'hv2' })
    await act()
    expect(await answer).toMatchObject({ status: 409, body: { message: `VM 'web' ${text}` } })
  })

  it('ends at once when nothing runs that had to be moved', async () => {
    await cluster.call('POST', '/vm/web/state', { state: 'stop' })
    await cluster.report('web', ({ seq }, spec) => ({
      run: null,
      seq: seq + 1,
      phase: 'off',
      observedGeneration: spec.generation,
    }))
    expect(await move('migrate', { wait: 'true' })).toMatchObject({ status: 200 })
  })

  it('is bounded, and then says how far it is', async () => {
    const { answer, order } = await waiting('migrate', { node: 'hv2' })
    await cluster.report('web', () => copying(order))
    await cluster.clock.advance(60_000 + 180_000 + 3 * 2048 * 1000)
    const reply = await answer
    expect(reply.status).toBe(504)
    expect(messageOf(reply)).toMatch(
      /^This was not finished within \d+ s; .*So far: phase migrating on node 'hv1', 12 % copied\.$/,
    )
    expect(cluster.spec('web').node).toBe('hv2')
  })

  it('waits for a cancelled copy to be gone', async () => {
    await move('migrate', { node: 'hv2' })
    await cluster.report('web', () => copying(cluster.spec('web').move?.id ?? ''))
    const { answer, hasCome } = await waiting('migrate', { cancel: 'true' })
    expect(await hasCome()).toBe(false)
    await runsAt(hv1)
    expect(messageOf(await answer)).toContain("it stays on node 'hv1'")
  })
})

describe('races', () => {
  it('lets one of two moves at once through, and tells the other of it', async () => {
    const replies = await Promise.all([move('move', { node: 'hv2' }), move('move', { node: 'hv3' })])
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409])
    const won = replies.find(({ status }) => status === 200)?.body as { node: string; order: string }
    expect(cluster.spec('web')).toMatchObject({ node: won.node, generation: 3, move: { id: won.order } })
    const lost = replies.find(({ status }) => status === 409) as Reply
    expect(messageOf(lost)).toContain(`on its way to node '${won.node}'`)
  })

  it('lets the later of two forced moves stand', async () => {
    const forced = (node: string) => move('move', { node, force: 'true' })
    const replies = await Promise.all([forced('hv2'), forced('hv3')])
    expect(replies.map(({ status }) => status)).toEqual([200, 200])
    const last = replies
      .map(({ body }) => body as { node: string; version: number })
      .find(({ version }) => version === 4)
    expect(cluster.spec('web')).toMatchObject({ node: last?.node, generation: 4, lastNode: null })
  })

  it('judges a cancel by the record, not by an index that lags', async () => {
    await move('migrate', { node: 'hv2' })
    const key = tree.vm(cluster.spec('web').uuid).status
    const present = await cluster.session.get(key)
    if (present === undefined) throw new Error('no status')
    // Arrived in this moment: the index of the API has not heard of it.
    const { index } = cluster
    const get = index.get.bind(index)
    const stale = get(key)
    vi.spyOn(index, 'get').mockImplementation((asked) => (asked.path === key.path ? (stale as never) : get(asked)))
    await cluster.session.set(key, { ...present.value, run: holding(hv2), seq: 9 }, present.version)
    const reply = await move('migrate', { cancel: 'true' })
    vi.restoreAllMocks()
    expect([reply.status, cluster.spec('web').node]).toEqual([400, 'hv2'])
  })

  it('tells who waits that the VM was removed', async () => {
    const { answer } = await waiting('migrate', { node: 'hv2' })
    const removal = cluster.call('DELETE', '/vm/web', { delete_disks: 'false' })
    await expect.poll(() => cluster.spec('web').power).toBe('off')
    await cluster.report('web', ({ seq }) => ({ run: null, seq: seq + 1, phase: 'off' }))
    expect((await removal).status).toBe(200)
    expect([404, 409]).toContain((await answer).status)
    expect((await cluster.call('GET', '/vm/web')).status).toBe(404)
  })

  it('refuses to move a VM that is being removed', async () => {
    const removal = cluster.call('DELETE', '/vm/web', { delete_disks: 'false' })
    await expect.poll(() => cluster.spec('web').power).toBe('off')
    const { uuid } = cluster.spec('web')
    await cluster.report('web', ({ seq }) => ({ run: null, seq: seq + 1, phase: 'off' }))
    const [reply, removed] = await Promise.all([move('migrate'), removal])
    // Whoever comes first: a VM that was re-placed is removed, or told of, but never left half.
    const isGone = removed.status === 200
    expect(isGone ? [200, 400, 404] : [200]).toContain(reply.status)
    if (isGone) expect((await cluster.session.get(tree.vm(uuid).status))?.value).toBeUndefined()
    else expect(removed.status).toBe(409)
  })

  it('tells who waits when the target vanishes, as long as its node has not given up', async () => {
    const { answer } = await waiting('migrate', { node: 'hv2' })
    await cluster.session.remove(tree.node(hv2).alive.path)
    await settle()
    await cluster.clock.advance(10_000_000)
    expect(messageOf(await answer)).toContain("on node 'hv1', node 'hv2' is gone")
  })

  it('passes by a node that vanished a moment ago', async () => {
    await cluster.session.remove(tree.node(hv2).alive.path)
    await expect.poll(() => cluster.index.get(tree.node(hv2).alive)).toBeUndefined()
    expect(messageOf(await move('migrate'))).toBe(`Migrating VM 'web' to node '${hv3}'.`)
  })
})
