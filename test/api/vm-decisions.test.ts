import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Decision } from '../../src/contract/vm-move.ts'
import { DECISIONS_KEPT } from '../../src/model/decision.ts'
import { LifeId, type NodeName } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, NODES, RESOURCES, startCluster, type TestCluster, vmXml } from './cluster.ts'

const [hv1, hv2, hv3] = NODES as [NodeName, NodeName, NodeName]

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

const move = (action: string, args: Record<string, string> = {}) =>
  cluster.call('POST', '/vm/web/node', { action, ...args })
const defineAnywhere = (name: string, args: Record<string, string> = {}) =>
  cluster.call('POST', '/vm', args, { form: { xml: vmXml(name) } })

async function decisions(args: Record<string, string> = {}): Promise<Decision[]> {
  const { status, body } = await cluster.call('GET', '/vm/web/decisions', args)
  expect(status).toBe(200)
  return (body as { decisions: Decision[] }).decisions
}

const setFree = (name: NodeName, memoryFreeMiB: number) =>
  cluster.change(tree.node(name).status, (status) => ({ ...status, resources: { ...RESOURCES, memoryFreeMiB } }))

describe('GET /vm/{vm}/decisions', () => {
  it('tells of each automatic choice and every candidate, newest first', async () => {
    await setFree(hv3, 400_000)
    await defineAnywhere('web')
    await cluster.change(tree.node(hv2).spec, (spec) => ({ ...spec, wanted: 'flush' as const }))
    await cluster.change(tree.node(hv2).status, (status) => ({ ...status, domainState: 'flushed' as const }))
    await move('migrate')
    expect(await decisions()).toMatchObject([
      {
        kind: 'migrate',
        from: 'hv3',
        choice: 'hv1',
        reason: expect.stringMatching(/^the only node possible/),
        candidates: [
          { node: 'hv1', eligible: true, score: expect.any(Number) },
          { node: 'hv2', eligible: false, reason: 'its domain state is flushed', score: null },
          { node: 'hv3', eligible: false, reason: 'the VM is there now', score: null },
        ],
      },
      { kind: 'define', from: '', choice: 'hv3', reason: 'best by mem: 400000 MiB free' },
    ])
    expect(await decisions({ last: '1' })).toHaveLength(1)
  })

  it('holds nothing an operator decided', async () => {
    await define(cluster, 'web')
    await move('move', { node: 'hv2' })
    await move('migrate', { node: 'hv3' })
    await move('unmigrate')
    expect(await decisions()).toEqual([])
  })

  it('also tells why nothing could be chosen', async () => {
    await define(cluster, 'web', { limit: 'hv1' })
    expect((await move('migrate')).status).toBe(400)
    expect(await decisions()).toMatchObject([
      { kind: 'migrate', choice: '', reason: expect.stringContaining('hv2: not in') },
    ])
  })

  it(`keeps the last ${DECISIONS_KEPT} of a VM`, async () => {
    await define(cluster, 'web')
    for (let count = 0; count < DECISIONS_KEPT + 3; count += 1) expect((await move('move')).status).toBe(200)
    const kept = await decisions()
    expect(kept).toHaveLength(DECISIONS_KEPT)
    expect(await cluster.session.children(tree.decisions.path)).toEqual([cluster.spec('web').uuid])
  })

  it('forgets them with the VM', async () => {
    await defineAnywhere('web')
    expect(await cluster.session.children(tree.decisions.path)).toHaveLength(1)
    await cluster.call('DELETE', '/vm/web', { delete_disks: 'false' })
    expect(await cluster.session.children(tree.decisions.path)).toEqual([])
    expect((await cluster.call('GET', '/vm/web/decisions')).status).toBe(404)
  })

  it('keeps both of two choices made at once', async () => {
    await define(cluster, 'web')
    const replies = await Promise.all([move('move'), move('move')])
    expect(replies.map(({ status }) => status)).toEqual([200, 200])
    expect(await decisions()).toHaveLength(2)
  })
})

describe('dry_run', () => {
  async function unchanged(act: () => Promise<unknown>): Promise<void> {
    const snapshot = async () => [
      await cluster.session.children(tree.vms.path),
      await cluster.session.children(tree.vmNames.path),
      await cluster.session.children(tree.decisions.path),
      (await cluster.session.children(tree.vms.path))?.length === 1 ? cluster.spec('web') : undefined,
    ]
    const before = await snapshot()
    await act()
    expect(await snapshot()).toEqual(before)
  }

  it('of a define says where it would go, and writes nothing', async () => {
    await setFree(hv2, 400_000)
    await unchanged(async () => {
      expect(await defineAnywhere('web', { dry_run: 'True' })).toMatchObject({
        status: 200,
        body: {
          message: "VM 'web' would be defined on node 'hv2'.",
          decision: { kind: 'define', choice: 'hv2', candidates: [{ node: 'hv1' }, { node: 'hv2' }, { node: 'hv3' }] },
        },
      })
    })
  })

  it('of a define finds what would be refused', async () => {
    await define(cluster, 'web')
    await unchanged(async () => {
      expect((await defineAnywhere('web', { dry_run: 'True' })).status).toBe(400)
      const { uuid } = cluster.spec('web')
      const twin = await cluster.call('POST', '/vm', { dry_run: 'True' }, { form: { xml: vmXml('web2', { uuid }) } })
      expect(twin.status).toBe(400)
      expect((await defineAnywhere('web2', { dry_run: 'True', node: 'hv9' })).status).toBe(400)
    })
  })

  it.each(['move', 'migrate'])('of a %s says where it would go, and writes nothing', async (action) => {
    await define(cluster, 'web')
    await cluster.call('POST', '/vm/web/state', { state: 'start' })
    await cluster.report('web', (status, spec) => ({
      run: { node: hv1, life: LifeId.parse('l'), holder: null },
      seq: status.seq + 1,
      phase: 'running',
      observedGeneration: spec.generation,
      done: spec.wishes,
    }))
    await unchanged(async () => {
      const reply = await move(action, { dry_run: 'true', wait: 'true' })
      expect(reply).toMatchObject({
        status: 200,
        body: { node: 'hv2', decision: { kind: action, from: 'hv1', choice: 'hv2' } },
      })
      const named = await move(action, { dry_run: 'true', node: 'hv3' })
      expect(named).toMatchObject({ body: { decision: { choice: 'hv3', candidates: [{ node: 'hv3' }] } } })
      expect((await move('unmigrate', { dry_run: 'true' })).status).toBe(400)
    })
  })
})

describe('anti-affinity', () => {
  it('spreads the VMs of a group, and says so', async () => {
    for (const name of ['a', 'b', 'c']) await defineAnywhere(name, { anti_affinity_group: 'db' })
    expect(['a', 'b', 'c'].map((name) => cluster.spec(name).node)).toEqual(['hv1', 'hv2', 'hv3'])
    await defineAnywhere('web', { anti_affinity_group: 'db' })
    const [chosen] = await decisions()
    expect(chosen?.choice).toBe('hv1')
    expect(chosen?.candidates.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('beside a of group db'),
      expect.stringContaining('beside b of group db'),
      expect.stringContaining('beside c of group db'),
    ])
  })
})

describe('start priority and anti-affinity group', () => {
  it('are set at define, changed by meta, and only when given', async () => {
    await define(cluster, 'web', { start_priority: '90', anti_affinity_group: 'db' })
    const meta = async () => (await cluster.call('GET', '/vm/web/meta')).body
    expect(await meta()).toMatchObject({ start_priority: 90, anti_affinity_group: 'db' })
    expect((await cluster.call('GET', '/vm/web')).body).toMatchObject([
      { start_priority: 90, anti_affinity_group: 'db' },
    ])
    const set = (args: Record<string, string>) => cluster.call('POST', '/vm/web/meta', args)
    await set({ start_priority: '0' })
    expect(await meta()).toMatchObject({ start_priority: 0, anti_affinity_group: 'db' })
    await set({ anti_affinity_group: '' })
    expect(await meta()).toMatchObject({ start_priority: 0, anti_affinity_group: null })
    for (const args of [{ start_priority: '101' }, { start_priority: '-1' }, { anti_affinity_group: 'a b' }])
      expect((await set(args as unknown as Record<string, string>)).status).toBe(400)
  })
})
