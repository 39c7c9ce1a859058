import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LifeId, type NodeName } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, NODES, RESOURCES, type Reply, startCluster, type TestCluster, vmXml } from './cluster.ts'

const [hv1, hv2, hv3] = NODES as [NodeName, NodeName, NodeName]

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
  await define(cluster, 'web')
})
afterEach(() => cluster.close())

const move = (action: string, args: Record<string, string> = {}) =>
  cluster.call('POST', '/vm/web/node', { action, ...args })
const info = async () => ((await cluster.call('GET', '/vm/web')).body as Record<string, unknown>[])[0] ?? {}
const messageOf = ({ body }: Reply) => (body as { message: string }).message

/** Acts as the node: the VM runs there, and everything wanted is done. */
function runsAt(node: NodeName): Promise<void> {
  return cluster.report('web', (status, spec) => ({
    run: { node, life: LifeId.parse('l'), holder: null },
    seq: status.seq + 1,
    phase: 'running',
    observedGeneration: spec.generation,
    done: spec.wishes,
    migration: null,
    handedOver: null,
  }))
}

async function startAt(node: NodeName): Promise<void> {
  await cluster.call('POST', '/vm/web/state', { state: 'start' })
  await runsAt(node)
}

const setNode = (name: NodeName, change: object) =>
  cluster.change(tree.node(name).status, (status) => ({ ...status, ...change }))
async function setFlushed(name: NodeName): Promise<void> {
  await cluster.change(tree.node(name).spec, (spec) => ({ ...spec, wanted: 'flush' as const }))
  await setNode(name, { domainState: 'flushed' })
}
const setFree = (name: NodeName, memoryFreeMiB: number) =>
  cluster.change(tree.node(name).status, (status) => ({
    ...status,
    resources: { ...RESOURCES, memoryFreeMiB },
  }))

describe('POST /vm/{vm}/node on a running VM', () => {
  beforeEach(() => startAt(hv1))

  it.each([
    ['migrate', {}, "Migrating VM 'web' to node 'hv2'.", { node: 'hv2', lastNode: 'hv1' }],
    ['migrate', { node: 'hv3' }, "Migrating VM 'web' to node 'hv3'.", { node: 'hv3', lastNode: 'hv1' }],
    ['move', { node: 'hv3' }, "Permanently migrating VM 'web' to node 'hv3'.", { node: 'hv3', lastNode: null }],
  ])('%s %o', async (action, args, message, spec) => {
    const reply = await move(action, args)
    const order = cluster.spec('web').move
    expect(reply).toMatchObject({ status: 200, body: { message, node: spec.node, version: 3, order: order?.id } })
    expect(cluster.spec('web')).toMatchObject({ ...spec, generation: 3 })
    expect(order).toMatchObject({ kind: action, isLiveOnly: false, policy: {}, homeBefore: null })
  })

  it('brings it home', async () => {
    await move('migrate', { node: 'hv2' })
    await runsAt(hv2)
    expect(await info()).toMatchObject({ node: 'hv2', last_node: 'hv1', migrated: 'from hv1', migration: null })
    expect((await cluster.call('GET', '/vm/web/node')).body).toEqual({ name: 'web', node: 'hv2', last_node: 'hv1' })
    expect(messageOf(await move('unmigrate'))).toBe("Unmigrating VM 'web' back to node 'hv1'.")
    await runsAt(hv1)
    expect(await info()).toMatchObject({ node: 'hv1', last_node: '', migrated: 'no', state: 'start' })
    expect(await move('unmigrate')).toMatchObject({ status: 400, body: { message: "VM 'web' is not migrated." } })
  })

  it('keeps the original home when it is sent on by force, and gives it up by a move', async () => {
    await move('migrate', { node: 'hv2' })
    await runsAt(hv2)
    expect(await move('migrate', { node: 'hv3' })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining("is migrated already, from node 'hv1'") },
    })
    expect((await move('migrate', { node: 'hv3', force: 'true' })).status).toBe(200)
    expect(cluster.spec('web')).toMatchObject({ node: 'hv3', lastNode: 'hv1' })
    await runsAt(hv3)
    expect(await move('move', { node: 'hv3' })).toMatchObject({
      body: { message: "VM 'web' is on node 'hv3' for good now.", order: '' },
    })
    expect(cluster.spec('web')).toMatchObject({ node: 'hv3', lastNode: null, move: null })
    expect((await move('move', { node: 'hv3' })).status).toBe(400)
  })

  it('carries what is said about the copy', async () => {
    const policy = { bandwidth: '100', auto_converge: 'false', parallel: '4', force_live: 'True' }
    await move('migrate', policy)
    expect(cluster.spec('web').move).toMatchObject({
      isLiveOnly: true,
      policy: { bandwidthMiBps: 100, autoConverge: false, parallel: 4 },
    })
    expect((await info())['state']).toBe('migrate-live')
  })

  it('shows how far it is', async () => {
    await move('migrate', { node: 'hv2' })
    const { move: order } = cluster.spec('web')
    const waiting = { id: order?.id, from: 'hv1', to: 'hv2', step: 'waiting', percent: null }
    expect(await info()).toMatchObject({ state: 'migrate', node: 'hv1', last_node: '', migration: waiting })
    const progress = { percent: 42, remainingMiB: 500, totalMiB: 2048, dirtyMiBps: 3, speedMiBps: 100, expectedS: 5 }
    const [from, to] = [hv1, hv2].map((node) => ({ node, life: LifeId.parse('l') })) as never[]
    const migration = { id: order?.id ?? '', from, to, startedAt: 7, progress } as never as { step: 'copy' }
    await cluster.report('web', () => ({ phase: 'migrating', migration: { ...migration, step: 'copy' } as never }))
    expect((await info())['migration']).toEqual({
      ...waiting,
      step: 'copy',
      started_at: 7,
      percent: 42,
      remaining_mib: 500,
      total_mib: 2048,
      dirty_mibps: 3,
      speed_mibps: 100,
      expected_s: 5,
    })
    const second = await move('migrate', { node: 'hv3' })
    expect(second).toMatchObject({ status: 409, body: { version: 3 } })
    expect(messageOf(second)).toContain("on its way to node 'hv2' (42 % copied, 500 MiB left)")
  })

  it('shows why it failed, and where the VM stayed', async () => {
    await move('migrate', { node: 'hv2' })
    const orderId = cluster.spec('web').move?.id ?? ''
    await cluster.report('web', () => ({ moveFailure: { orderId, reason: 'no route to host', isFinal: true } }))
    expect(await info()).toMatchObject({
      state: 'start',
      node: 'hv1',
      last_node: '',
      migrated: 'no',
      migration: null,
      move_failed_reason: 'no route to host',
    })
    // It may be tried again without force: nothing is under way.
    expect((await move('migrate', { node: 'hv2' })).status).toBe(200)
    expect(await info()).toMatchObject({ move_failed_reason: '', state: 'migrate' })
  })

  it('supersedes a move under way by force, and takes one back', async () => {
    await move('migrate', { node: 'hv2' })
    expect((await move('migrate', { node: 'hv3' })).status).toBe(409)
    expect((await move('migrate', { node: 'hv3', force: 'true' })).status).toBe(200)
    expect(cluster.spec('web')).toMatchObject({ node: 'hv3', lastNode: 'hv1' })
    expect(await move('migrate', { cancel: 'true' })).toMatchObject({
      status: 200,
      body: { message: "Cancelled the move of VM 'web' to node 'hv3'; it stays on node 'hv1'." },
    })
    expect(cluster.spec('web')).toMatchObject({ node: 'hv1', lastNode: null, move: null })
    expect(await move('migrate', { cancel: 'true' })).toMatchObject({
      status: 400,
      body: { message: "VM 'web' is not moving." },
    })
    expect((await move('migrate', { cancel: 'true', dry_run: 'true' })).status).toBe(400)
    expect((await move('migrate', { cancel: 'true', node: 'hv2' })).status).toBe(400)
  })

  it.each<[string, () => Promise<void>, Record<string, string>, string]>([
    ['is not ready', () => setNode(hv2, { domainState: 'flushed' }), {}, 'its domain state is unflush'],
    ['is not certified', () => setNode(hv2, { certified: false }), {}, 'it is not certified'],
    ['has no daemon', () => setNode(hv2, { daemon: 'stop' }), {}, 'its daemon is in state stop'],
    ['has vanished', () => cluster.session.remove(tree.node(hv2).alive.path), {}, 'its daemon is in state dead'],
    ['is full', () => setFree(hv2, 2047), {}, '2047 MiB free, 2048 MiB needed'],
    ['has another processor', () => setNode(hv2, { arch: 'aarch64' }), {}, 'its processor is aarch64, not x86_64'],
  ])('says at once that the target %s', async (_, arrange, args, reason) => {
    await arrange()
    const before = cluster.spec('web')
    await expect.poll(async () => messageOf(await move('migrate', { node: 'hv2', ...args }))).toContain(reason)
    expect(cluster.spec('web')).toEqual(before)
  })

  it('says at once that a target is unknown, out of the limit or the place it has', async () => {
    expect(await move('move', { node: 'hv9' })).toMatchObject({
      status: 400,
      body: { message: { node: "node names the unknown node 'hv9'" } },
    })
    expect(messageOf(await move('move', { node: 'hv1' }))).toBe("VM 'web' is on node 'hv1' already.")
    await cluster.call('POST', '/vm/web/meta', { limit: 'hv1,hv2' })
    expect(messageOf(await move('move', { node: 'hv3' }))).toBe(
      "Node 'hv3' cannot take VM 'web': not in the node limit of the VM.",
    )
    expect((await move('fly')).status).toBe(400)
    expect((await cluster.call('POST', '/vm/nope/node', { action: 'move' })).status).toBe(404)
    expect((await move('move', { version: '1' })).status).toBe(409)
  })

  it('counts what is on its way already', async () => {
    for (const name of ['b', 'c']) {
      await define(cluster, name)
      await cluster.call('POST', `/vm/${name}/state`, { state: 'start' })
      await cluster.report(name, (status, spec) => ({
        run: { node: hv1, life: LifeId.parse('l'), holder: null },
        seq: status.seq + 1,
        phase: 'running',
        observedGeneration: spec.generation,
        done: spec.wishes,
      }))
    }
    await setFree(hv2, 5000)
    await setFree(hv3, 0)
    const go = (name: string) => cluster.call('POST', `/vm/${name}/node`, { action: 'move' })
    expect((await go('web')).status).toBe(200)
    expect((await go('b')).status).toBe(200)
    expect(messageOf(await go('c'))).toContain('hv2: 904 MiB free, 2048 MiB needed')
  })
})

describe('a guest that cannot be copied', () => {
  const local = `<disk type='file'><source file='/srv/a.img'/><target dev='sdb'/></disk>`
  beforeEach(async () => {
    const xml = vmXml('web', { uuid: cluster.spec('web').uuid }).replace('<emulator>', `${local}<emulator>`)
    await cluster.call('PUT', '/vm/web', {}, { form: { xml } })
    await startAt(hv1)
  })

  it('is refused live, and shut down otherwise', async () => {
    expect(messageOf(await move('migrate', { force_live: 'true' }))).toBe(
      "VM 'web' cannot be moved live because of the local disk sdb (/srv/a.img).",
    )
    expect(messageOf(await move('migrate'))).toBe(
      "Migrating VM 'web' to node 'hv2'. It is shut down and started there.",
    )
  })

  it('is not moved at all when its method is live', async () => {
    await cluster.call('POST', '/vm/web/meta', { migration_method: 'live' })
    expect(await move('move')).toMatchObject({ status: 400 })
  })
})

describe('POST /vm/{vm}/node on a VM that is off', () => {
  it.each([
    ['migrate', "Migrated VM 'web' to node 'hv2'.", { node: 'hv2', lastNode: 'hv1', move: null }],
    ['move', "Permanently migrated VM 'web' to node 'hv2'.", { node: 'hv2', lastNode: null, move: null }],
  ])('%s just places it, and there is nothing to wait for', async (action, message, spec) => {
    expect(await move(action, { wait: 'true', force_live: 'true' })).toMatchObject({
      status: 200,
      body: { message, order: '' },
    })
    expect(cluster.spec('web')).toMatchObject(spec)
    expect(await info()).toMatchObject({ state: 'stop', node: 'hv2', migration: null })
  })

  it('is not held to the memory that is free now, but to the other rules', async () => {
    await setFree(hv3, 0)
    expect((await move('move', { node: 'hv3' })).status).toBe(200)
    await setFlushed(hv1)
    expect((await move('move', { node: 'hv1' })).status).toBe(400)
  })

  it('is left alone while it is held', async () => {
    await cluster.change(tree.vm(cluster.spec('web').uuid).spec, (spec) => ({ ...spec, hold: 'import' }) as typeof spec)
    expect(messageOf(await move('move'))).toBe("VM 'web' is held by import; this needs force.")
    expect((await move('move', { force: 'true' })).status).toBe(200)
  })
})
