import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AuditEntry } from '../../src/model/cluster.ts'
import type { NodeName } from '../../src/model/ids.ts'
import { AuditLog } from '../../src/operations/audit.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, NODES, startCluster, type TestCluster, vmXml } from './cluster.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

async function audit(): Promise<AuditEntry[]> {
  return (await cluster.call('GET', '/audit')).body as AuditEntry[]
}

describe('tokens', () => {
  it('are accepted as X-Api-Key and as bearer', async () => {
    const bearer = { authorization: `Bearer ${cluster.tokens['read-only']}` }
    expect((await cluster.call('GET', '/vm', {}, { token: null, headers: bearer })).status).toBe(200)
    expect((await cluster.call('GET', '/vm', {}, { token: cluster.tokens['read-only'] })).status).toBe(200)
  })

  it.each(['', 'x', 'pvc_'])('are compared as a whole (%s)', async (token) => {
    expect((await cluster.call('GET', '/vm', {}, { token })).status).toBe(401)
    const half = cluster.tokens.admin.slice(0, -1)
    expect((await cluster.call('GET', '/vm', {}, { token: half })).status).toBe(401)
    expect((await cluster.call('GET', '/vm', { 'x-api-key': cluster.tokens.admin }, { token: null })).status).toBe(401)
  })

  it('stop working when they are removed', async () => {
    const [id] = (await cluster.session.children(tree.tokens.path)) ?? []
    for (const name of (await cluster.session.children(tree.tokens.path)) ?? []) {
      await cluster.session.remove(tree.tokens.child(name).path)
    }
    await cluster.index.removed(tree.tokens.child(id ?? '').path, 1000)
    expect((await cluster.call('GET', '/vm')).status).toBe(401)
  })

  it('are not needed when authentication is off', async () => {
    const open = await startCluster({ auth: false })
    try {
      expect((await open.call('POST', '/status', { state: 'false' }, { token: null })).status).toBe(200)
    } finally {
      await open.close()
    }
  })

  it('never show in what is stored or logged', async () => {
    await define(cluster, 'web')
    const stored = JSON.stringify(await audit())
    const logged = JSON.stringify(cluster.log.entries)
    for (const token of Object.values(cluster.tokens)) {
      expect(stored).not.toContain(token)
      expect(logged).not.toContain(token)
    }
  })
})

describe('the audit log', () => {
  it('says who did what to what, and how it ended', async () => {
    await define(cluster, 'web')
    const operator = { token: cluster.tokens.operator }
    await cluster.call('POST', '/vm/web/state', { state: 'shutdown' }, operator)
    await cluster.call('POST', '/status', { state: 'true' }, operator)
    await cluster.call('GET', '/vm')
    expect(await audit()).toMatchObject([
      { action: 'setMaintenance', role: 'operator', result: 'refused', message: expect.stringContaining('admin') },
      {
        action: 'vmSetState',
        target: 'web',
        who: expect.stringMatching(/^[0-9a-f]{8} \(the operator\)$/),
        result: 'refused',
      },
      { action: 'vmDefine', target: 'web', role: 'admin', address: '127.0.0.1', result: 'done' },
    ])
    const { log } = cluster
    expect(log.entries.filter(({ fields }) => 'action' in fields)).toHaveLength(3)
  })

  it('has nothing of requests without a valid token, but the log does', async () => {
    await cluster.call('POST', '/vm/web/state', { state: 'start' }, { token: 'guess' })
    expect(await audit()).toEqual([])
    expect(cluster.log.entries.find(({ fields }) => 'action' in fields)?.fields).toMatchObject({ who: 'nobody' })
  })

  it('shows as many entries as asked for, newest first', async () => {
    for (const name of ['a1', 'a2', 'a3']) await define(cluster, name)
    const { body } = await cluster.call('GET', '/audit', { lines: '2' })
    expect(body).toMatchObject([{ target: 'a3' }, { target: 'a2' }])
  })

  it('forgets the oldest entries beyond its limit', async () => {
    const entry: AuditEntry = {
      at: 0,
      who: 'x',
      role: 'admin',
      address: '',
      action: 'vmDefine',
      target: '',
      result: 'done',
      message: '',
      requestId: '',
    }
    for (let at = 0; at < 120; at += 1)
      await cluster.session.create(tree.audit.child('entry-'), { ...entry, at }, 'sequential')
    const log = new AuditLog(cluster.deps, { kept: 100 })
    await log.append({ ...entry, at: 120 })
    await log.settle()
    const kept = await log.latest(5000)
    expect(kept.map(({ at }) => at)).toEqual(Array.from({ length: 100 }, (_, index) => 120 - index))
  })
})

describe('maintenance', () => {
  it('is turned on with who and why, and off', async () => {
    const { generation = 0 } = (await cluster.session.get(tree.cluster))?.value ?? {}
    await cluster.reign(NODES[0] as NodeName, { maintenanceSeen: generation + 1 })
    const on = await cluster.call('POST', '/status', { state: 'true', reason: 'new switch' })
    expect(on).toMatchObject({ status: 200, body: { message: 'Successfully set cluster in maintenance mode' } })
    expect((await cluster.call('GET', '/status')).body).toMatchObject({
      maintenance: 'true',
      maintenance_detail: { by: expect.stringContaining('the admin'), reason: 'new switch', acknowledged: true },
      cluster_health: { health: -1 },
    })
    const since = (await cluster.session.get(tree.cluster))?.value.maintenance.since
    await cluster.clock.advance(1000)
    await cluster.call('POST', '/status', { state: 'True' })
    expect((await cluster.session.get(tree.cluster))?.value.maintenance.since).toBe(since)
    await cluster.call('POST', '/status', { state: 'false' })
    expect((await cluster.call('GET', '/status')).body).toMatchObject({ maintenance: 'false' })
  })
})

describe('without ZooKeeper', () => {
  it('changes are refused at once, lists go on for a while', async () => {
    await define(cluster, 'web')
    cluster.ensemble.down()
    const change = await cluster.call('POST', '/vm/web/state', { state: 'start' })
    expect(change).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    expect((change.body as { message: string }).message).toMatch(/^ZooKeeper cannot be reached/)
    const xml = vmXml('web2')
    expect((await cluster.call('POST', '/vm', { node: 'hv1' }, { form: { xml } })).status).toBe(503)
    expect((await cluster.call('GET', '/vm')).status).toBe(200)
    await cluster.clock.advance(30_000)
    expect((await cluster.call('GET', '/vm')).status).toBe(503)
    expect((await cluster.call('GET', '/', {}, { token: null })).status).toBe(200)
    cluster.ensemble.up()
    await cluster.index.ready(1000)
    await cluster.clock.advance(2000)
    expect((await cluster.call('GET', '/vm')).status).toBe(200)
    expect((await cluster.call('POST', '/vm/web/state', { state: 'start' })).status).toBe(200)
  })
})

describe('requests', () => {
  it('get a sentence for an unknown path, with the id of the request', async () => {
    const reply = await cluster.call('GET', '/nothing/here')
    expect(reply).toMatchObject({ status: 404, body: { message: 'There is no GET /api/v1/nothing/here in this API.' } })
    expect(reply.headers['x-request-id']).toMatch(/^[0-9a-f]{8}$/)
  })

  it('may end in a slash, and arguments may come in the form', async () => {
    await define(cluster, 'web')
    expect((await cluster.call('GET', '/vm/')).status).toBe(200)
    const { status } = await cluster.call('POST', '/vm/web/state', {}, { form: { state: 'start', force: 'yes' } })
    expect(status).toBe(200)
  })

  it('are refused when they are too large or no form', async () => {
    const large = await cluster.call('POST', '/vm', {}, { form: { xml: 'x'.repeat(1024 * 1024 + 1) } })
    expect(large).toMatchObject({ status: 413, body: { message: 'The request is larger than 1 MiB.' } })
    const response = await cluster.app.inject({
      method: 'POST',
      url: '/api/v1/vm',
      headers: { 'x-api-key': cluster.tokens.admin, 'content-type': 'application/json' },
      payload: '{"xml":"<a/>"}',
    })
    expect(response.statusCode).toBe(400)
    expect(response.json().message).toContain('urlencoded form')
  })

  it('tell a bug to the log, not to the client', async () => {
    const broken = { ...cluster.deps, index: { ...cluster.index, isUsable: true, get: () => boom() } }
    const { buildApp } = await import('../../src/api/app.ts')
    const app = buildApp({ ...broken, auth: { isEnabled: false } } as never)
    const response = await app.inject({ url: '/api/v1/status' })
    expect(response.statusCode).toBe(500)
    expect(response.json().message).toContain(String(response.headers['x-request-id']))
    expect(response.body).not.toContain('secret detail')
    expect(JSON.stringify(cluster.log.messages('error'))).toContain('request failed')
    await app.close()
  })
})

function boom(): never {
  throw new Error('secret detail')
}
