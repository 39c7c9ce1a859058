/** Orders about the primary, maintenance that it confirms, and its faults in the status. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BootId, type NodeName } from '../../src/model/ids.ts'
import { MAINTENANCE_WAIT_MS } from '../../src/operations/coordinator.ts'
import { tree } from '../../src/schema/tree.ts'
import { NODES, startCluster, type TestCluster } from './cluster.ts'

const [HV1, HV2] = NODES as [NodeName, NodeName, NodeName]
let cluster: TestCluster

beforeEach(async () => {
  cluster = await startCluster()
})
afterEach(() => cluster.close())

describe('POST /node/{node}/coordinator-state', () => {
  const ask = (node: string, state: string) => cluster.call('POST', `/node/${node}/coordinator-state`, { state })

  it('writes the order, in the words of release 1', async () => {
    await cluster.reign(HV1)
    expect((await ask('hv2', 'primary')).body).toEqual({
      message: 'Setting node hv2 in primary coordinator state.',
      wish: 1,
    })
    expect((await cluster.session.get(tree.primary.wanted))?.value).toMatchObject({ node: 'hv2', not: null, wish: 1 })
    expect((await ask('hv1', 'secondary')).body).toEqual({
      message: 'Setting node hv1 in secondary coordinator state.',
      wish: 2,
    })
    expect((await cluster.session.get(tree.primary.wanted))?.value).toMatchObject({ node: null, not: 'hv1', wish: 2 })
  })

  it('says when it is so already', async () => {
    await cluster.reign(HV1)
    expect((await ask('hv1', 'primary')).body).toEqual({
      message: 'Node hv1 is already in primary coordinator state.',
      wish: 0,
    })
    expect((await ask('hv2', 'secondary')).body).toMatchObject({ wish: 0 })
    expect(await cluster.session.get(tree.primary.wanted)).toBeUndefined()
  })

  it('goes on from the number that the primary has answered', async () => {
    await cluster.reign(HV1, { wishSeen: 7 })
    expect((await ask('hv2', 'primary')).body).toMatchObject({ wish: 8 })
  })

  it('refuses a hypervisor, a node that does not run, and one that does not exist', async () => {
    await cluster.reign(HV1)
    await cluster.change(tree.node(HV2).status, (status) => ({ ...status, daemon: 'stop' as const }))
    expect(await ask('hv2', 'primary')).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('stop') },
    })
    await cluster.change(tree.node(HV2).spec, (spec) => ({ ...spec, mode: 'hypervisor' as const }))
    expect(await ask('hv2', 'primary')).toMatchObject({
      status: 400,
      body: { message: "Node 'hv2' is not a coordinator, so it cannot be primary." },
    })
    expect(await ask('hv9', 'primary')).toMatchObject({ status: 404 })
    expect(await ask('hv1', 'king')).toMatchObject({ status: 400 })
  })

  it('is answered by the primary, which the state shows', async () => {
    await cluster.reign(HV1, { wishSeen: 3, wishProblem: 'hv2 did not get ready' })
    expect((await cluster.call('GET', '/node/hv1/coordinator-state')).body).toEqual({
      name: 'hv1',
      coordinator_state: 'primary',
      wish_seen: 3,
      wish_problem: 'hv2 did not get ready',
    })
  })
})

describe('maintenance', () => {
  it('is answered when the primary of now has confirmed it', async () => {
    await cluster.reign(HV1)
    let reply: unknown
    const asked = cluster.call('POST', '/status', { state: 'true', for: '2h' }).then((got) => {
      reply = got
    })
    await cluster.clock.advance(1000)
    expect(reply).toBeUndefined()
    const document = await cluster.session.get(tree.cluster)
    expect(document?.value.maintenance).toMatchObject({ on: true, until: cluster.clock.wallMs() - 1000 + 7_200_000 })
    const maintenanceSeen = document?.value.generation ?? 0
    await cluster.change(tree.primary.status, (status) => ({ ...status, maintenanceSeen }))
    await asked
    expect(reply).toMatchObject({ status: 200, body: { message: 'Successfully set cluster in maintenance mode' } })
  })

  it('says so when no primary has confirmed it in time', async () => {
    const asked = cluster.call('POST', '/status', { state: 'true' })
    await cluster.clock.advance(MAINTENANCE_WAIT_MS + 100)
    expect(await asked).toMatchObject({
      status: 200,
      body: { message: expect.stringContaining('waiting for the primary') },
    })
    expect((await cluster.call('GET', '/status')).body).toMatchObject({
      maintenance: 'true',
      maintenance_detail: { acknowledged: false, until: null },
    })
  })

  it('says so when somebody switches it off again before it is confirmed', async () => {
    await cluster.reign(HV1)
    const asked = cluster.call('POST', '/status', { state: 'true' })
    await cluster.clock.advance(1000)
    await cluster.call('POST', '/status', { state: 'false' })
    const maintenanceSeen = (await cluster.session.get(tree.cluster))?.value.generation ?? 0
    await cluster.change(tree.primary.status, (status) => ({ ...status, maintenanceSeen }))
    expect(await asked).toMatchObject({ status: 200, body: { message: expect.stringContaining('switched off again') } })
  })

  it('takes a word of an earlier epoch for none', async () => {
    await cluster.reign(HV1, { maintenanceSeen: 1000 })
    await cluster.change(tree.primary.lease, (lease) => ({ ...lease, epoch: 2 }))
    const asked = cluster.call('POST', '/status', { state: 'true' })
    await cluster.clock.advance(MAINTENANCE_WAIT_MS + 100)
    expect(await asked).toMatchObject({ body: { message: expect.stringContaining('waiting for the primary') } })
  })

  it('refuses a time that is none', async () => {
    expect(await cluster.call('POST', '/status', { state: 'true', for: 'soon' })).toMatchObject({ status: 400 })
  })
})

it('the primary’s faults are the cluster’s', async () => {
  const fault = { id: 'ROLE_FAILED:x', severity: 'error' as const, message: 'It does not work.', since: 0 }
  await cluster.reign(HV1, { faults: [fault] })
  expect((await cluster.call('GET', '/status')).body).toMatchObject({
    primary_node: 'hv1',
    cluster_health: { health: 75, messages: [{ id: 'ROLE_FAILED:x' }] },
  })
})

it('that there is no primary is a fault, but not while one takes over', async () => {
  const faults = async () => {
    const { body } = await cluster.call('GET', '/status')
    return (body as { cluster_health: { health: number; messages: { id: string; text: string }[] } }).cluster_health
  }
  await cluster.reign(HV1)
  await cluster.clock.advance(60_000)
  expect(await faults()).toMatchObject({ health: 100 })
  await cluster.session.remove(tree.primary.lease.path)
  await expect.poll(() => cluster.index.get(tree.primary.lease)).toBeUndefined()
  await cluster.clock.advance(9_000)
  expect(await faults()).toMatchObject({ health: 100 })
  await cluster.clock.advance(3_000)
  expect(await faults()).toMatchObject({
    health: 50,
    messages: [{ id: 'NO_PRIMARY', text: expect.stringMatching(/primary for 12 s/) }],
  })
  await cluster.session.create(tree.primary.lease, { node: HV2, bootId: BootId.parse('boot-1'), epoch: 2 }, 'ephemeral')
  await expect.poll(faults).toMatchObject({ health: 100, messages: [] })
})
