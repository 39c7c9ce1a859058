import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { NodeName } from '../../src/model/ids.ts'
import type { Readiness, ReadinessCheck } from '../../src/model/power.ts'
import { FENCE_TEST_WAIT_MS } from '../../src/operations/node-fence-test.ts'
import { json } from '../../src/schema/codec.ts'
import type { Key } from '../../src/schema/key.ts'
import { tree } from '../../src/schema/tree.ts'
import { startCluster, type TestCluster } from './cluster.ts'

const [hv1, hv2, hv3] = ['hv1', 'hv2', 'hv3'].map((name) => NodeName.parse(name)) as [NodeName, NodeName, NodeName]
const keys = tree.node(hv1)

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

const check = (name: ReadinessCheck['name'], isOk = true): ReadinessCheck => ({
  name,
  isOk,
  message: `${name} was asked.`,
})
const ALL = [check('power'), check('blocklist'), check('self-fence'), check('timing')]

async function put<T>(key: Key<T>, value: T): Promise<void> {
  const present = await cluster.session.get(key)
  if (present === undefined) await cluster.session.create(key, value)
  else await cluster.session.set(key, value, present.version)
}

/** Writes what a coordinator found about hv1. */
function find(coordinator: NodeName, wish: number, checks: ReadinessCheck[] = ALL.slice(0, 2)): Promise<void> {
  const tests = [{ node: hv1, at: 1000 + wish, wish, checks }]
  return put(tree.node(coordinator).fenceReach, { coordinator, tests })
}

/** Writes what a test found, as the primary hv1 would, which answers the wish of the same number. */
async function judge(run: number, checks: ReadinessCheck[] = ALL): Promise<void> {
  await find(hv1, run, checks.slice(0, 2))
  const value: Readiness = { node: hv1, at: 1000 + run, run, checks, testedBy: hv1 }
  await put(keys.readiness, value)
}

/** All coordinators answer. */
async function report(run: number, checks: ReadinessCheck[] = ALL): Promise<void> {
  for (const name of [hv2, hv3]) await find(name, run)
  await judge(run, checks)
}

const wish = async () => (await cluster.session.get(keys.fenceTest))?.value

describe('POST /node/{node}/fence-test', () => {
  it('wishes for a test and answers what the coordinators found', async () => {
    await report(4)
    const answer = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 5 })
    await report(5, [check('power', false), ...ALL.slice(1)])
    expect(await answer).toMatchObject({
      status: 200,
      body: {
        node: 'hv1',
        run: 5,
        tested_at: 1005,
        grade: 'weak',
        checks: [{ name: 'power', ok: false }, {}, {}, {}],
        tested_by: 'hv1',
        coordinators: [
          { name: 'hv1', running: true, answered: true, tested_at: 1005, ok: false, problems: ['power was asked.'] },
          { name: 'hv2', running: true, answered: true, tested_at: 1005, ok: true, problems: [] },
          { name: 'hv3', running: true, answered: true, ok: true },
        ],
      },
    })
  })

  it('waits for coordinators that run, and names one that does not answer in time', async () => {
    await report(1)
    await cluster.change(tree.node(hv2).status, (status) => ({ ...status, daemon: 'stop' as const }))
    const answer = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 2 })
    await judge(2)
    let isAnswered = false
    void answer.then(() => {
      isAnswered = true
    })
    await cluster.clock.advance(FENCE_TEST_WAIT_MS - 1)
    expect(isAnswered).toBe(false)
    await cluster.clock.advance(1)
    const { body } = await answer
    expect((body as { coordinators: unknown }).coordinators).toMatchObject([
      { name: 'hv1', answered: true },
      { name: 'hv2', running: false, answered: false, tested_at: 1001 },
      { name: 'hv3', running: true, answered: false, tested_at: 1001 },
    ])
  })

  it('shows the judgement of its own test, not the one before', async () => {
    await report(1)
    const answer = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 2 })
    // A test by the clock has raised the number meanwhile.
    await put(keys.readiness, { node: hv1, at: 1001, run: 2, checks: ALL, testedBy: hv1 })
    for (const name of [hv1, hv2, hv3]) await find(name, 2)
    await put(keys.readiness, { node: hv1, at: 1002, run: 3, checks: ALL, testedBy: hv1 })
    expect(await answer).toMatchObject({ body: { run: 3, tested_at: 1002 } })
  })

  it('is not content with an older test, nor with one for an earlier wish', async () => {
    await report(1)
    const first = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 2 })
    const second = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 3 })
    await report(2)
    expect(await first).toMatchObject({ body: { run: 2 } })
    await report(3)
    expect(await second).toMatchObject({ body: { run: 3 } })
  })

  it('says so when no primary takes it up', async () => {
    const answer = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 1 })
    await cluster.clock.advance(FENCE_TEST_WAIT_MS)
    const { status, body } = await answer
    expect(status).toBe(504)
    expect(body).toMatchObject({ message: expect.stringContaining('is there a primary, and does its fence test work') })
  })

  it('does not take a test that answers no wish for an answer', async () => {
    await report(1)
    const answer = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 2 })
    // By the clock; the number rises as for an answer.
    for (const name of [hv2, hv3]) await find(name, 2)
    await put(tree.node(hv1).fenceReach, {
      coordinator: hv1,
      tests: [{ node: hv1, at: 5000, wish: 1, checks: ALL.slice(0, 2) }],
    })
    await put(keys.readiness, { node: hv1, at: 5000, run: 2, checks: ALL, testedBy: hv1 })
    await cluster.clock.advance(FENCE_TEST_WAIT_MS)
    expect((await answer).status).toBe(504)
  })

  it('goes by the number alone where an older primary does not say whose test it was', async () => {
    const answer = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 1 })
    for (const name of [hv1, hv2, hv3]) await find(name, 1)
    await put(keys.readiness, { node: hv1, at: 1, run: 1, checks: ALL })
    expect(await answer).toMatchObject({ status: 200, body: { run: 1, tested_by: null } })
  })

  it('waits for the judgement of the primary’s own node to be that of the others’ last tests', async () => {
    await report(1)
    const answer = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 2 })
    await judge(2)
    const refused = { name: 'power' as const, isOk: false, message: 'The BMC refuses the login.' }
    for (const name of [hv2, hv3]) await find(name, 2, [refused, check('blocklist')])
    let isAnswered = false
    void answer.then(() => {
      isAnswered = true
    })
    await cluster.clock.advance(100)
    expect(isAnswered).toBe(false)
    const checks = [refused, ...ALL.slice(1)]
    await put(keys.readiness, { node: hv1, at: 1002, run: 2, checks, testedBy: hv1 })
    expect(await answer).toMatchObject({ body: { grade: 'weak', checks: [{ ok: false }, {}, {}, {}] } })
  })

  it('replaces a wish that cannot be decoded', async () => {
    await report(3)
    await cluster.session.create({ path: keys.fenceTest.path, codec: json(z.unknown()) }, { wish: 'newer' })
    const answer = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(() => wish().catch(() => undefined)).toMatchObject({ wish: 4 })
    await report(4)
    expect(await answer).toMatchObject({ status: 200, body: { run: 4 } })
  })

  it('knows its nodes', async () => {
    expect((await cluster.call('POST', '/node/hv9/fence-test')).status).toBe(404)
  })
})

describe('GET /node/{node}/fence-test', () => {
  it('tells the last test, and that there was none', async () => {
    expect(await cluster.call('GET', '/node/hv1/fence-test')).toMatchObject({
      status: 200,
      body: {
        run: 0,
        tested_at: null,
        grade: 'unknown',
        checks: [],
        tested_by: null,
        coordinators: [{ name: 'hv1', answered: false, tested_at: null, ok: false, problems: [] }, {}, {}],
      },
    })
    await report(1)
    const grade = async () => ((await cluster.call('GET', '/node/hv1/fence-test')).body as { grade: string }).grade
    await expect.poll(grade).toBe('ready')
  })
})

describe('GET /node/{node}', () => {
  it('says what running coordinators other than the primary could not do', async () => {
    await report(1)
    const problems = async () => {
      const [shown] = (await cluster.call('GET', '/node/hv1')).body as {
        fence_test: { coordinator_problems: string[] }
      }[]
      return shown?.fence_test.coordinator_problems
    }
    await expect.poll(problems).toEqual([])
    await find(hv2, 2, [check('power', false), check('blocklist', false)])
    await find(hv3, 2, [check('power'), check('blocklist', false)])
    await expect.poll(problems).toEqual(['hv2: power was asked. blocklist was asked.', 'hv3: blocklist was asked.'])
    await cluster.change(tree.node(hv2).status, (status) => ({ ...status, daemon: 'stop' as const }))
    expect(await problems()).toEqual(['hv3: blocklist was asked.'])
  })
})
