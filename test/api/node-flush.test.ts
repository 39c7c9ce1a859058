import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NodeFlush } from '../../src/contract/node-flush.ts'
import type { FlushRun, FlushStep } from '../../src/model/flush.ts'
import { LifeId, NodeName } from '../../src/model/ids.ts'
import type { DomainState } from '../../src/model/node.ts'
import { FLUSH_WAIT_MS } from '../../src/operations/node-flush.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, NODES, startCluster, type TestCluster } from './cluster.ts'

const [hv1 = NodeName.parse('hv1'), hv2 = hv1] = NODES
const LIFE = LifeId.parse('life-1')

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

const ask = (state: string, args = {}) => cluster.call('POST', '/node/hv1/domain-state', { state, ...args })
const flushOf = async (node = 'hv1') => (await cluster.call('GET', `/node/${node}/flush`)).body as NodeFlush
const wanted = () => cluster.index.get(tree.node(hv1).spec)?.value

/** A VM that runs on hv1. */
async function running(name: string): Promise<void> {
  await define(cluster, name)
  await cluster.call('POST', `/vm/${name}/state`, { state: 'start' })
  const run = { node: hv1, life: LIFE, holder: null }
  await cluster.report(name, (status, spec) => ({
    run,
    seq: status.seq + 1,
    phase: 'running',
    observedGeneration: spec.generation,
  }))
}

/** Publishes what the node does, as its daemon would. */
async function publish(run: Partial<FlushRun>, domainState: DomainState): Promise<void> {
  const { wish = 0, wanted: kind = 'ready' } = wanted() ?? {}
  const blank = { startedAt: 1000, endedAt: null, waitsFor: null, problem: '', parallel: 2, hidden: 0, later: 0 }
  const next: FlushRun = { id: `${kind}-${wish}`, kind, wish, ...blank, steps: [], ...run }
  const key = tree.node(hv1).flush
  if (cluster.index.get(key) === undefined) await cluster.session.create(key, next)
  else await cluster.change(key, () => next)
  await cluster.change(tree.node(hv1).status, (status) => ({ ...status, domainState }))
  await expect.poll(() => cluster.index.get(key)?.value.wish).toBe(next.wish)
}

function step(vm: string, own: Partial<FlushStep>): FlushStep {
  const base = { target: hv2, method: 'live', state: 'waiting', reason: '', orderId: null } as const
  return { vm: cluster.spec(vm).uuid, name: vm, ...base, tried: [], ...own }
}

describe('POST /node/{node}/domain-state', () => {
  it('asks the node to be emptied, and to be taken back', async () => {
    expect(await ask('flush')).toMatchObject({
      status: 200,
      body: { message: 'Removing node hv1 from active service.', wish: 1 },
    })
    expect(wanted()).toMatchObject({ wanted: 'flush', wish: 1, generation: 2 })
    // From this moment, also before the node says anything itself.
    expect((await cluster.call('GET', '/node/hv1')).body).toMatchObject([{ domain_state: 'flush' }])
    await publish({ endedAt: 2000 }, 'flushed')
    expect(await ask('flush')).toMatchObject({ status: 200, body: { message: 'Node hv1 is already flushed.' } })
    expect(await ask('ready')).toMatchObject({ body: { message: 'Restoring node hv1 to active service.', wish: 2 } })
    expect((await cluster.call('GET', '/node/hv1')).body).toMatchObject([{ domain_state: 'unflush' }])
    await publish({ endedAt: 3000 }, 'ready')
    expect(await ask('ready')).toMatchObject({ status: 200, body: { message: 'Node hv1 is already ready.', wish: 2 } })
    expect(wanted()).toMatchObject({ wanted: 'ready', wish: 2, generation: 3 })
  })

  it('changes nothing when the same is asked during the work, and tries again what has failed', async () => {
    await running('web')
    await ask('flush')
    await publish({ steps: [step('web', { state: 'moving' })] }, 'flush')
    expect((await ask('flush')).body).toMatchObject({ message: 'Removing node hv1 from active service.', wish: 1 })
    await publish({ steps: [step('web', { state: 'failed', reason: 'No route to host' })] }, 'flush')
    expect((await ask('flush')).body).toMatchObject({ wish: 2 })
  })

  it('waits until the node is empty', async () => {
    const answer = ask('flush', { wait: 'true' })
    await expect.poll(() => wanted()?.wanted).toBe('flush')
    await publish({}, 'flush')
    await publish({ endedAt: 2000 }, 'flushed')
    expect(await answer).toMatchObject({ status: 200, body: { message: 'Removed node hv1 from active service.' } })
  })

  it('says which VM keeps the node from being empty', async () => {
    await running('web')
    const answer = ask('flush', { wait: 'true' })
    await expect.poll(() => wanted()?.wanted).toBe('flush')
    await publish({ steps: [step('web', { state: 'failed', reason: 'No route to host' })] }, 'flush')
    const message = "Node 'hv1' is not empty, it is tried again in a while. VM 'web': No route to host."
    expect(await answer).toMatchObject({ status: 400, body: { message }, headers: { 'x-pvc-error': 'PVC_VM_FAILED' } })
  })

  it('gives up waiting when something else is asked, and after its time', async () => {
    const first = ask('flush', { wait: 'true' })
    await expect.poll(() => wanted()?.wanted).toBe('flush')
    const second = ask('ready', { wait: 'true' })
    expect(await first).toMatchObject({ headers: { 'x-pvc-error': 'PVC_OBJECT_CONFLICT' } })
    await publish({ waitsFor: hv2 }, 'unflush')
    await cluster.clock.advance(FLUSH_WAIT_MS)
    expect(await second).toMatchObject({
      headers: { 'x-pvc-error': 'PVC_WAIT_TIMEOUT' },
      body: { message: expect.stringContaining("Node 'hv1' waits for node 'hv2'") },
    })
  })

  it('shows the plan without doing anything', async () => {
    await running('web')
    await running('db')
    await cluster.call('POST', '/vm/db/meta', { limit: 'hv1', migration_method: 'live' })
    const { status, body } = await ask('flush', { dry_run: 'true' })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      message: 'Node hv1 would be emptied: 1 VM would move, 1 VM would be shut down.',
      plan: {
        kind: 'flush',
        steps: [
          { name: 'db', method: 'shutdown', target: '', reason: expect.stringContaining('not in the node limit') },
          { name: 'web', method: 'live', target: 'hv2', state: 'waiting' },
        ],
      },
    })
    expect(wanted()).toMatchObject({ wanted: 'ready', wish: 0 })
    expect((await ask('ready', { dry_run: 'true' })).body).toMatchObject({
      message: 'Node hv1 would be taken back into service: nothing has to be done.',
    })
  })

  it('refuses what it does not know', async () => {
    expect((await ask('fenced')).status).toBe(400)
    expect((await cluster.call('POST', '/node/hv9/domain-state', { state: 'flush' })).status).toBe(404)
    expect((await cluster.call('GET', '/node/hv9/flush')).status).toBe(404)
  })
})

describe('GET /node/{node}/flush', () => {
  it('tells of a node that was never asked', async () => {
    expect(await flushOf()).toMatchObject({ node: 'hv1', domain_state: 'ready', kind: '', wish: 0, steps: [] })
  })

  it('tells of the work, with the figures of what is copied', async () => {
    await running('web')
    await ask('flush')
    expect(await flushOf()).toMatchObject({ wish: 1, current: false })
    const progress = {
      percent: 42,
      remainingMiB: 500,
      totalMiB: 2048,
      dirtyMiBps: 3,
      speedMiBps: 100,
      expectedS: 5,
    }
    await cluster.report('web', () => ({
      migration: {
        id: 'o',
        from: { node: hv1, life: LIFE },
        to: { node: hv2, life: LIFE },
        step: 'copy',
        startedAt: 0,
        progress,
      },
    }))
    await publish({ waitsFor: hv2, steps: [step('web', { state: 'moving' })] }, 'flush')
    expect(await flushOf()).toEqual({
      node: 'hv1',
      daemon_state: 'run',
      domain_state: 'flush',
      kind: 'flush',
      wish: 1,
      current: true,
      started_at: 1000,
      ended_at: null,
      waits_for: 'hv2',
      problem: '',
      parallel: 2,
      steps: [
        {
          uuid: cluster.spec('web').uuid,
          name: 'web',
          target: 'hv2',
          method: 'live',
          state: 'moving',
          reason: '',
          percent: 42,
          remaining_mib: 500,
          expected_s: 5,
        },
      ],
      hidden: 0,
      later: 0,
    })
  })
})
