import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeName } from '../../src/model/ids.ts'
import type { Readiness, ReadinessCheck } from '../../src/model/power.ts'
import { FENCE_TEST_WAIT_MS } from '../../src/operations/node-fence-test.ts'
import { tree } from '../../src/schema/tree.ts'
import { NODES, startCluster, type TestCluster } from './cluster.ts'

const [hv1 = NodeName.parse('hv1')] = NODES
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

/** Writes what a test found, as the primary would. */
async function report(run: number, checks: ReadinessCheck[] = ALL): Promise<void> {
  const value: Readiness = { node: hv1, at: 1000, run, checks }
  const present = await cluster.session.get(keys.readiness)
  if (present === undefined) await cluster.session.create(keys.readiness, value)
  else await cluster.session.set(keys.readiness, value, present.version)
}

const wish = async () => (await cluster.session.get(keys.fenceTest))?.value

describe('POST /node/{node}/fence-test', () => {
  it('wishes for a test and answers what the primary found', async () => {
    await report(4)
    const answer = cluster.call('POST', '/node/hv1/fence-test')
    await expect.poll(wish).toMatchObject({ wish: 5 })
    await report(5, [check('power', false), ...ALL.slice(1)])
    expect(await answer).toMatchObject({
      status: 200,
      body: { node: 'hv1', run: 5, tested_at: 1000, grade: 'weak', checks: [{ name: 'power', ok: false }, {}, {}, {}] },
    })
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
    expect(body).toMatchObject({ message: expect.stringContaining('is there a primary?') })
  })

  it('knows its nodes', async () => {
    expect((await cluster.call('POST', '/node/hv9/fence-test')).status).toBe(404)
  })
})

describe('GET /node/{node}/fence-test', () => {
  it('tells the last test, and that there was none', async () => {
    expect(await cluster.call('GET', '/node/hv1/fence-test')).toMatchObject({
      status: 200,
      body: { run: 0, tested_at: null, grade: 'unknown', checks: [] },
    })
    await report(1)
    const grade = async () => ((await cluster.call('GET', '/node/hv1/fence-test')).body as { grade: string }).grade
    await expect.poll(grade).toBe('ready')
  })
})
