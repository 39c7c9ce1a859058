import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Args, define, startCluster, type TestCluster } from './cluster.ts'

let cluster: TestCluster
beforeAll(async () => {
  cluster = await startCluster()
  // Filters match UUIDs too, so they must not be random here.
  await define(cluster, 'web1', { user_tags: 'prod' }, '50000000-0000-4000-8000-000000000000')
  await define(cluster, 'web2', { node: 'hv2', user_tags: ['prod', 'eu'] }, '60000000-0000-4000-8000-000000000000')
  await define(cluster, 'db1', { node: 'hv2' }, '70000000-0000-4000-8000-000000000000')
  await cluster.call('POST', '/vm/web1/state', { state: 'start' })
  await cluster.call('POST', '/vm/db1/state', { state: 'disable' })
})
afterAll(() => cluster.close())

async function list(args: Args): Promise<string[]> {
  const { status, body } = await cluster.call('GET', '/vm', args)
  expect(status).toBe(200)
  return (body as { name: string }[]).map(({ name }) => name)
}

describe('GET /vm', () => {
  it.each<[Args, string[]]>([
    [{}, ['db1', 'web1', 'web2']],
    [{ limit: 'web' }, ['web1', 'web2']],
    [{ limit: '1$' }, ['db1', 'web1']],
    [{ limit: '^eb' }, []],
    [{ limit: '^(db|web)1' }, ['db1', 'web1']],
    [{ node: 'hv2' }, ['db1', 'web2']],
    [{ node: 'hv2', negate: 'True' }, ['web1']],
    [{ state: 'start' }, ['web1']],
    [{ state: 'disable' }, ['db1']],
    [{ state: 'stop', negate: 'true' }, ['db1', 'web1']],
    [{ tag: 'prod' }, ['web1', 'web2']],
    [{ tag: 'prod', negate: 'False' }, ['web1', 'web2']],
    [{ tag: 'prod', negate: '1' }, ['db1']],
    // Each filter is turned round by itself, the name never.
    [{ tag: 'eu', node: 'hv1', negate: 'yes' }, ['db1']],
    [{ limit: 'web', tag: 'eu', negate: 'yes' }, ['web1']],
    // What the recorded client sends for filters it was not given.
    [{ limit: '', node: '', state: '', tag: '', negate: 'False' }, ['db1', 'web1', 'web2']],
  ])('%j gives %j', async (args, names) => {
    expect(await list(args)).toEqual(names)
  })

  it('matches UUIDs too', async () => {
    expect(await list({ limit: '^7000' })).toEqual(['db1'])
  })

  it.each<[string, string]>([
    ['(', 'must be a regular expression'],
    ['(a+)+$', 'must not repeat a group'],
    ['(a|aa)*b', 'must not repeat a group'],
    ['((a*))*', 'must not repeat a group'],
    ['a*a*a*a*b', 'must not repeat a group'],
    [`${'a?'.repeat(30)}${'a'.repeat(30)}`, 'must not repeat a group'],
    [`${'(a|a)'.repeat(30)}b`, 'must not repeat a group'],
    ['(a)\\1', 'must not repeat a group'],
    ['x'.repeat(257), 'must not be longer than 256'],
  ])('refuses the filter %s', async (limit, text) => {
    const { status, body } = await cluster.call('GET', '/vm', { limit })
    expect(status).toBe(400)
    expect((body as { message: { limit: string } }).message.limit).toContain(text)
  })

  it('refuses an unknown state and an argument given twice', async () => {
    expect(await cluster.call('GET', '/vm', { state: 'up' })).toMatchObject({
      status: 400,
      body: { message: { state: expect.stringContaining('must be one of start,') } },
    })
    expect(await cluster.call('GET', '/vm', { node: ['hv1', 'hv2'] })).toMatchObject({
      status: 400,
      body: { message: { node: 'node must be given once' } },
    })
  })
})

describe('GET /node', () => {
  it.each<[Args, string[]]>([
    [{}, ['hv1', 'hv2', 'hv3']],
    [{ limit: 'hv[12]' }, ['hv1', 'hv2']],
    [{ daemon_state: 'run', domain_state: 'ready', coordinator_state: 'secondary' }, ['hv1', 'hv2', 'hv3']],
    [{ daemon_state: 'dead' }, []],
    [{ coordinator_state: 'primary' }, []],
  ])('%j gives %j', async (args, names) => {
    const { status, body } = await cluster.call('GET', '/node', args)
    expect(status).toBe(200)
    expect((body as { name: string }[]).map(({ name }) => name)).toEqual(names)
  })

  it('answers 404 for an unknown node, also to its states', async () => {
    for (const path of ['/node/hv9', '/node/hv9/daemon-state', '/node/NOPE/domain-state'])
      expect((await cluster.call('GET', path)).status).toBe(404)
  })
})
