import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isVmSpec } from '../../src/model/domain.ts'
import { LifeId, NodeName, VmUuid } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, NODES, RESOURCES, startCluster, type TestCluster, vmXml } from './cluster.ts'

const UUID = VmUuid.parse('11111111-2222-4333-8444-555555555555')

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

async function names(): Promise<string[]> {
  const { body } = await cluster.call('GET', '/vm')
  return (body as { name: string }[]).map(({ name }) => name)
}

describe('POST /vm', () => {
  it('defines a VM that is off, with its rules, tags and rbd list', async () => {
    const reply = await cluster.call(
      'POST',
      '/vm',
      {
        node: 'hv1',
        limit: 'hv1,hv2',
        selector: 'mem',
        autostart: 'True',
        migration_method: 'live',
        migration_max_downtime: '250',
        user_tags: ['tag1', 'tag2'],
        protected_tags: 'ptag',
      },
      { form: { xml: vmXml('newvm', { uuid: UUID, disks: ['vms/newvm_sda', 'vms/newvm_sdb'] }) } },
    )
    expect(reply).toMatchObject({
      status: 200,
      body: { message: `Added new VM with Name 'newvm' and UUID '${UUID}' to database.` },
    })
    expect(cluster.spec('newvm')).toMatchObject({
      uuid: UUID,
      generation: 1,
      power: 'off',
      node: 'hv1',
      lastNode: null,
      hold: null,
      memoryMiB: 2048,
      vcpus: 2,
      description: 'Test VM newvm',
      rbdList: ['vms/newvm_sda', 'vms/newvm_sdb'],
      meta: {
        nodeLimit: ['hv1', 'hv2'],
        selector: 'mem',
        autostart: true,
        migrationMethod: 'live',
        migrationMaxDowntimeMs: 250,
      },
      tags: [
        { name: 'tag1', type: 'user', protected: false },
        { name: 'tag2', type: 'user', protected: false },
        { name: 'ptag', type: 'user', protected: true },
      ],
    })
    expect(await names()).toEqual(['newvm'])
  })

  it('applies the defaults that an absent argument always meant', async () => {
    await define(cluster, 'web')
    expect(cluster.spec('web').meta).toEqual({
      nodeLimit: [],
      selector: 'none',
      autostart: false,
      migrationMethod: 'none',
      migrationMaxDowntimeMs: 300,
      profile: '',
      startPriority: 50,
      antiAffinityGroup: '',
    })
  })

  it('gives a definition without UUID one, and keeps it in the XML', async () => {
    const { uuid, xml } = await define(cluster, 'web')
    expect(uuid).toMatch(/^[0-9a-f]{8}-/)
    expect(xml).toContain(`<name>web</name><uuid>${uuid}</uuid>`)
  })

  it('refuses malformed XML with line and reason, and writes nothing', async () => {
    const broken = vmXml('web').replace('</vcpu>', '</vcpus>')
    const reply = await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: broken } })
    expect(reply.status).toBe(400)
    expect(reply.body).toEqual({
      message: 'The VM definition is not usable: line 5: </vcpus> closes <vcpu> of line 5.',
    })
    expect(await cluster.session.children(tree.vms.path)).toEqual([])
    expect(await cluster.session.children(tree.vmNames.path)).toEqual([])
  })

  it('names a missing argument', async () => {
    expect(await cluster.call('POST', '/vm', {})).toMatchObject({
      status: 400,
      body: { message: { xml: 'xml is required' } },
    })
  })

  it.each([
    ['node', { node: 'hv9' }, "names the unknown node 'hv9'"],
    ['limit', { limit: 'hv1,nope' }, "names the unknown node 'nope'"],
    ['node', { node: 'hv3', limit: 'hv1' }, "'hv3' is not in the limit"],
    ['selector', { selector: 'best' }, 'selector must be one of mem, memprov, vcpus, load, vms, none'],
    ['migration_max_downtime', { migration_max_downtime: '3.5' }, 'must be a whole number'],
    ['autostart', { autostart: 'perhaps' }, 'must be true or false'],
    ['user_tags', { user_tags: 'x'.repeat(65) }, 'must have 1 to 64 characters'],
  ])('refuses a bad %s', async (argument, args, text) => {
    const { status, body } = await cluster.call('POST', '/vm', args, { form: { xml: vmXml('web') } })
    expect(status).toBe(400)
    const message = (body as { message: Record<string, string> }).message
    expect(message[argument]).toContain(text)
  })

  it('refuses a VM larger than its node', async () => {
    const big = vmXml('big', { memory: '515743' })
    const memory = await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: big } })
    expect(memory).toMatchObject({ status: 400, body: { message: { xml: expect.stringContaining('515743 MiB') } } })
    const wide = vmXml('wide', { vcpu: 31 })
    const vcpus = await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: wide } })
    expect(vcpus).toMatchObject({ status: 400, body: { message: { xml: expect.stringContaining('31 vCPUs') } } })
  })

  it('refuses a name or a UUID that is taken', async () => {
    const { uuid } = await define(cluster, 'web')
    const sameName = await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: vmXml('web') } })
    expect(sameName).toMatchObject({ status: 400, body: { message: "A VM named 'web' exists already." } })
    const sameUuid = await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: vmXml('web2', { uuid }) } })
    expect(sameUuid).toMatchObject({ status: 400, body: { message: expect.stringContaining(uuid) } })
    expect(await names()).toEqual(['web'])
    // The refused name is free.
    expect(await cluster.session.children(tree.vmNames.path)).toEqual(['web'])
  })

  it('chooses the node by the selector, among those that work and are ready', async () => {
    const [hv1, hv2, hv3] = NODES as [NodeName, NodeName, NodeName]
    const free = (memoryFreeMiB: number) => ({ ...RESOURCES, memoryFreeMiB })
    await cluster.change(tree.node(hv1).status, (status) => ({ ...status, resources: free(100_000) }))
    await cluster.change(tree.node(hv2).status, (status) => ({ ...status, resources: free(200_000) }))
    await cluster.change(tree.node(hv3).status, (status) => ({ ...status, domainState: 'flushed' as const }))
    await cluster.call('POST', '/vm', {}, { form: { xml: vmXml('web') } })
    expect(cluster.spec('web').node).toBe('hv2')
  })

  it('says of each node why it was not chosen', async () => {
    for (const name of NODES)
      await cluster.change(tree.node(name).status, (status) => ({ ...status, daemon: 'stop' as const }))
    const reply = await cluster.call('POST', '/vm', {}, { form: { xml: vmXml('web') } })
    expect(reply.status).toBe(400)
    expect((reply.body as { message: string }).message).toContain('hv2: its daemon is in state stop')
  })
})

describe('a define that died half-way', () => {
  it('is not listed, and the next define of the name goes on from it', async () => {
    const { session } = cluster
    await session.create(tree.vmNames.child('web'), { uuid: UUID })
    await session.create(tree.vm(UUID).spec, { uuid: UUID, deleted: { at: 0, lastSeq: 0, generation: 0 } })
    expect(await names()).toEqual([])
    await define(cluster, 'web')
    expect(await names()).toEqual(['web'])
    expect((await session.get(tree.vmNames.child('web')))?.value.uuid).toBe(cluster.spec('web').uuid)
  })

  it('is taken up with the same UUID, also when its status exists', async () => {
    const { session } = cluster
    await session.create(tree.vmNames.child('web'), { uuid: UUID })
    await session.create(tree.vm(UUID).spec, { uuid: UUID, deleted: { at: 0, lastSeq: 7, generation: 3 } })
    await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: vmXml('web', { uuid: UUID }) } })
    expect(cluster.spec('web').generation).toBe(4)
    expect((await session.get(tree.vm(UUID).status))?.value).toMatchObject({ seq: 7, run: null, observedGeneration: 3 })
  })

  it('goes on with the seq that nodes remember when the tombstone is gone', async () => {
    const { session } = cluster
    for (const [name, seq] of [
      ['hv1', 3],
      ['hv2', 57],
    ] as const)
      await session.create(tree.node(NodeName.parse(name)).seqs, { seqs: { [UUID]: seq } })
    await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: vmXml('web', { uuid: UUID }) } })
    expect((await session.get(tree.vm(UUID).status))?.value).toMatchObject({ seq: 57, run: null })
  })

  it('waits for a node that still holds the record of the last VM with this UUID', async () => {
    const { session } = cluster
    const keys = tree.vm(UUID)
    await session.create(keys.spec, { uuid: UUID, deleted: { at: 0, lastSeq: 2, generation: 1 } })
    const status = { ...(await import('../../src/model/domain.ts')).emptyVmStatus(3, 0) }
    const run = { node: NodeName.parse('hv1'), life: LifeId.parse('l'), holder: null }
    await session.create(keys.status, { ...status, run, phase: 'running' })
    const reply = await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: vmXml('web', { uuid: UUID }) } })
    expect(reply).toMatchObject({ status: 400, body: { message: expect.stringContaining('hv1 still holds') } })
    expect(isVmSpec((await session.get(keys.spec))?.value)).toBe(false)
  })
})

describe('two defines of one name at the same time', () => {
  it('leave exactly one VM of that name', async () => {
    const define = () => cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml: vmXml('web') } })
    const replies = await Promise.all([define(), define(), define()])
    expect(replies.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1)
    const defined = await names()
    expect(defined.length).toBe(replies.filter(({ status }) => status === 200).length)
    if (defined.length === 0) expect((await define()).status).toBe(200)
  })
})
