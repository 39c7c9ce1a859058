import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { settle } from '../../src/adapters/fake/clock.ts'
import type { VmStatus } from '../../src/model/domain.ts'
import { LifeId, NodeName } from '../../src/model/ids.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, type Reply, startCluster, type TestCluster, vmXml } from './cluster.ts'

const RUN = { node: NodeName.parse('hv1'), life: LifeId.parse('l'), holder: null }

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
  await define(cluster, 'web')
})
afterEach(() => cluster.close())

const ask = (state: string, args = {}) => cluster.call('POST', '/vm/web/state', { state, ...args })

/** Acts as the node: everything wanted now is carried out, ending in `phase`. */
function carryOut(phase: VmStatus['phase'], over: Partial<VmStatus> = {}): Promise<void> {
  return cluster.report('web', (status, spec) => ({
    run: phase === 'running' ? RUN : null,
    seq: status.seq + 1,
    phase,
    observedGeneration: spec.generation,
    done: spec.wishes,
    ...over,
  }))
}

const state = async () => ((await cluster.call('GET', '/vm/web/state')).body as { state: string }).state

describe('POST /vm/{vm}/state', () => {
  it.each([
    ['start', "Starting VM 'web'.", { power: 'on', wishes: { start: 1 } }],
    ['stop', "Forcibly stopping VM 'web'.", { power: 'off', wishes: { stopNow: 1 } }],
    ['disable', "Disabled VM 'web'.", { power: 'disabled', wishes: { stopNow: 0 } }],
  ])('%s writes the wish', async (action, message, wish) => {
    expect(await ask(action)).toMatchObject({ status: 200, body: { message } })
    expect(cluster.spec('web')).toMatchObject({ generation: 2, ...wish })
  })

  it('shows what it wrote in the next list', async () => {
    await ask('start')
    expect(await state()).toBe('start')
    await carryOut('running')
    await ask('shutdown')
    expect(await state()).toBe('shutdown')
    await carryOut('off')
    expect(await state()).toBe('stop')
    await ask('disable')
    expect(await state()).toBe('disable')
  })

  it('restarts and shuts down only what is wanted on', async () => {
    for (const action of ['restart', 'shutdown'])
      expect(await ask(action)).toMatchObject({ status: 400, body: { message: "VM 'web' is not started." } })
    await ask('start')
    await carryOut('running')
    expect(await ask('restart')).toMatchObject({ status: 200, body: { message: "Restarting VM 'web'." } })
    expect(await state()).toBe('restart')
    expect(cluster.spec('web').wishes.restart).toBe(1)
  })

  it('starts a held VM only with force, which ends the hold', async () => {
    const key = tree.vm(cluster.spec('web').uuid).spec
    await cluster.change(key, (spec) => ({ ...spec, hold: 'mirror', generation: 9 }) as typeof spec)
    expect(await state()).toBe('mirror')
    expect(await ask('start')).toMatchObject({ status: 400, body: { message: expect.stringContaining('mirror') } })
    expect((await ask('start', { force: 'True' })).status).toBe(200)
    expect(cluster.spec('web')).toMatchObject({ hold: null, power: 'on' })
  })

  it('a start leaves a failure', async () => {
    await ask('start')
    await carryOut('failed', { failedReason: 'no such disk' })
    expect(await state()).toBe('fail')
    await ask('start')
    expect(cluster.spec('web').wishes.start).toBe(2)
  })

  it('writes over a version the index has not seen yet', async () => {
    // Two changes at once: one of them loses the compare-and-set, reads again and wins.
    const replies = await Promise.all([ask('start'), ask('stop'), ask('disable')])
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(cluster.spec('web').generation).toBe(4)
  })

  it.each([
    ['argument', { version: '7' }, {}],
    ['If-Match', {}, { 'if-match': '"7"' }],
  ])('refuses a change decided on another version (%s)', async (_, args, headers) => {
    const reply = await cluster.call('POST', '/vm/web/state', { state: 'start', ...args }, { headers })
    expect(reply).toMatchObject({ status: 409, body: { message: "VM 'web' has version 1, not 7.", version: 1 } })
    const accepted = await ask('start', { version: '1' })
    expect(accepted.status).toBe(200)
  })

  it('says which argument is missing, and 404 for an unknown VM', async () => {
    expect(await cluster.call('POST', '/vm/web/state')).toMatchObject({
      status: 400,
      body: { message: { state: 'state is required' } },
    })
    expect((await cluster.call('POST', '/vm/nope/state', { state: 'start' })).status).toBe(404)
  })
})

describe('wait', () => {
  async function answered(reply: Promise<Reply>): Promise<boolean> {
    await settle()
    await settle()
    return Promise.race([reply.then(() => true), settle().then(() => false)])
  }

  it('start answers when the VM runs', async () => {
    const reply = ask('start', { wait: 'true' })
    expect(await answered(reply)).toBe(false)
    await carryOut('starting', { run: RUN })
    expect(await answered(reply)).toBe(false)
    await carryOut('running')
    expect(await reply).toMatchObject({ status: 200, body: { message: "Started VM 'web'." } })
  })

  it('start answers with the reason of its failure', async () => {
    const reply = ask('start', { wait: 'true' })
    await settle()
    await carryOut('failed', { failedReason: 'Volume vms/web_sda is locked by 10.0.0.9' })
    expect(await reply).toMatchObject({
      status: 400,
      body: { message: "VM 'web' failed: Volume vms/web_sda is locked by 10.0.0.9." },
      headers: { 'x-pvc-error': 'PVC_VM_FAILED' },
    })
  })

  it('shutdown answers when the record is empty', async () => {
    await ask('start')
    await carryOut('running')
    const reply = ask('shutdown', { wait: 'True' })
    await settle()
    await carryOut('stopping', { run: RUN })
    expect(await answered(reply)).toBe(false)
    await carryOut('off')
    expect(await reply).toMatchObject({ status: 200, body: { message: "Shut down VM 'web'." } })
  })

  it('restart answers when the VM runs again, not before', async () => {
    await ask('start')
    await carryOut('running')
    const reply = ask('restart', { wait: 'true' })
    await settle()
    await cluster.report('web', (_, spec) => ({ observedGeneration: spec.generation }))
    expect(await answered(reply)).toBe(false)
    await carryOut('running')
    expect(await reply).toMatchObject({ status: 200, body: { message: "Restarted VM 'web'." } })
  })

  it('answers at once when there is nothing to wait for', async () => {
    await ask('stop')
    await carryOut('off')
    await carryOut('off', { observedGeneration: 99 })
    expect(await ask('stop', { wait: 'true' })).toMatchObject({ status: 200 })
  })

  it('gives up after a bounded time, and says that the wish stands', async () => {
    const reply = ask('start', { wait: 'true' })
    await settle()
    await cluster.clock.advance(60_000)
    expect(await reply).toMatchObject({ status: 504, body: { message: expect.stringContaining('it stays wanted') } })
    expect(cluster.spec('web').power).toBe('on')
  })

  it('says why it was not possible so far', async () => {
    const reply = ask('start', { wait: 'true' })
    await settle()
    await cluster.report('web', () => ({ run: RUN, phase: 'starting', failedReason: 'no such image' }))
    await cluster.clock.advance(60_000)
    expect(await reply).toMatchObject({ status: 504, body: { message: expect.stringContaining('no such image.') } })
  })

  it('ends when somebody else wants the opposite', async () => {
    const reply = ask('start', { wait: 'true' })
    await settle()
    await ask('stop')
    expect(await reply).toMatchObject({ status: 409, body: { message: expect.stringContaining('Another request') } })
  })
})

describe('PUT /vm/{vm}', () => {
  const modify = (xml: string, args = {}) => cluster.call('PUT', '/vm/web', args, { form: { xml } })

  it('replaces the definition and counts the version', async () => {
    const reply = await modify(vmXml('web', { memory: '4096', vcpu: 4, disks: ['vms/web_sda', 'ssd/web_sdb'] }))
    expect(reply).toMatchObject({
      status: 200,
      body: { message: "Successfully modified configuration of VM 'web'." },
    })
    const spec = cluster.spec('web')
    expect(spec).toMatchObject({
      generation: 2,
      memoryMiB: 4096,
      vcpus: 4,
      rbdList: ['vms/web_sda', 'ssd/web_sdb'],
      wishes: { restart: 0 },
    })
    expect(spec.xml).toContain(`<uuid>${spec.uuid}</uuid>`)
  })

  it('wishes a restart of a VM that is wanted on, and only then', async () => {
    await modify(vmXml('web'), { restart: 'True' })
    expect(cluster.spec('web').wishes.restart).toBe(0)
    await ask('start')
    await modify(vmXml('web'), { restart: 'True' })
    expect(cluster.spec('web').wishes.restart).toBe(1)
  })

  it('keeps name and UUID, and refuses what cannot run or be read', async () => {
    const before = cluster.spec('web')
    const otherUuid = '99999999-2222-4333-8444-555555555555'
    for (const xml of [
      vmXml('web2'),
      vmXml('web', { uuid: otherUuid }),
      vmXml('web', { memory: '99999999' }),
      vmXml('web').replace('</domain>', ''),
    ])
      expect((await modify(xml)).status).toBe(400)
    expect(cluster.spec('web')).toEqual(before)
  })
})

describe('meta and tags', () => {
  it('changes what is given, and nothing else', async () => {
    const set = (args: Record<string, string>) => cluster.call('POST', '/vm/web/meta', args)
    await set({ limit: 'hv1,hv2', selector: 'vms', autostart: 'true', migration_max_downtime: '200' })
    expect(await set({ profile: 'default', migration_method: 'shutdown' })).toMatchObject({
      status: 200,
      body: { message: "Successfully modified PVC metadata of VM 'web'." },
    })
    expect((await cluster.call('GET', '/vm/web/meta')).body).toEqual({
      name: 'web',
      node_limit: ['hv1', 'hv2'],
      node_selector: 'vms',
      node_autostart: true,
      migration_method: 'shutdown',
      migration_max_downtime: 200,
      start_priority: 50,
      anti_affinity_group: null,
      console_lines: null,
      user_data: null,
    })
    await set({ user_data: '#cloud-config\n' })
    expect(cluster.spec('web').meta.userData).toBe('#cloud-config\n')
    await set({ limit: '' })
    expect(cluster.spec('web').meta.userData).toBe('#cloud-config\n')
    await set({ user_data: '' })
    expect(cluster.spec('web').meta.userData).toBeUndefined()
    expect((await set({ user_data: 'x'.repeat(16_385) })).status).toBe(400)
    expect((await cluster.call('GET', '/vm/web/meta')).body).toMatchObject({ node_limit: null, node_autostart: true })
    expect((await set({})).status).toBe(400)
    expect((await set({ limit: 'hv9' })).status).toBe(400)
  })

  it('adds and removes one tag; a protected one stays', async () => {
    const edit = (action: string, tag: string, more = {}) =>
      cluster.call('POST', '/vm/web/tags', { action, tag, ...more })
    await edit('add', 'a', { protected: 'False' })
    await edit('add', 'p', { protected: 'True' })
    // Adding it again does not take its protection away.
    await edit('add', 'p', { protected: 'False' })
    expect((await cluster.call('GET', '/vm/web/tags')).body).toEqual({
      name: 'web',
      tags: [
        { name: 'a', type: 'user', protected: false },
        { name: 'p', type: 'user', protected: true },
      ],
    })
    expect((await edit('remove', 'p')).status).toBe(400)
    expect((await edit('remove', 'zzz')).status).toBe(404)
    expect(await edit('remove', 'a')).toMatchObject({
      status: 200,
      body: { message: "Successfully removed tag 'a' from VM 'web'." },
    })
  })
})
