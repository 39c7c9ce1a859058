import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Vni } from '../../src/model/network.ts'
import { tree } from '../../src/schema/tree.ts'
import { startCluster, type TestCluster } from './cluster.ts'

const keys = tree.network(Vni.parse(900))
let cluster: TestCluster

/** A network whose API died as soon as its specification was written. */
beforeEach(async () => {
  cluster = await startCluster()
  const wish = { vni: '900', description: 'shop', nettype: 'managed', ip4_network: '10.9.0.0/24' }
  expect((await cluster.call('POST', '/network', wish)).status).toBe(200)
  for (const path of [keys.reservations.path, keys.leases.path, keys.acls.path]) await cluster.session.remove(path)
})
afterEach(() => cluster.close())

describe('a network that was added by half', () => {
  const reservation = { macaddress: '52:54:00:00:00:01', ipaddress: '10.9.0.20' }
  const rule = { description: 'web', rule: 'tcp dport 80 accept', direction: 'in' }

  it.each([
    ['modified', () => cluster.call('PUT', '/network/900', { mtu: '1300' })],
    ['given a reservation', () => cluster.call('POST', '/network/900/lease', reservation)],
    ['given a rule', () => cluster.call('POST', '/network/900/acl', rule)],
  ])('is whole when it is %s', async (_, change) => {
    expect(await change()).toMatchObject({ status: 200 })
    expect(await cluster.session.children(keys.leases.path)).toEqual([])
    expect(await cluster.session.children(keys.reservations.path)).toBeDefined()
    expect(await cluster.session.get(keys.acls)).toBeDefined()
  })
})
