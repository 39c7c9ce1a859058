/** FRR's own check accepts what pvcnoded writes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createFrr } from '../../src/adapters/frr/frr.ts'
import { Network } from '../../src/model/network.ts'
import { type RoutingGround, routingConfiguration } from '../../src/node/routing/plan.ts'

const dir = mkdtempSync(join(tmpdir(), 'pvc-frr-'))
afterAll(() => rmSync(dir, { recursive: true }))

const network = Network.parse({
  ...{ vni: 5, generation: 1, description: 'shop', type: 'managed', mtu: null, domain: 'd', nameServers: [] },
  ip4: { network: '10.1.0.0/24', gateway: '10.1.0.1', dhcp: null },
  ip6: { network: 'fd00:1::/64', gateway: 'fd00:1::1', dhcp: false },
})
const ground: RoutingGround = {
  ...{ node: 'hv1', address: '10.90.0.11', asn: 4_200_000_000, isCoordinator: true, range: '10.90.0.0/24' },
  coordinators: ['10.90.0.12', '10.90.0.13'],
  upstream: [
    { address: '10.9.0.1', asn: 65001 },
    { address: 'fd09::1', asn: 65002 },
  ],
  networks: [network],
  isPrimary: true,
}

describe('the real vtysh', () => {
  it.each<[string, Partial<RoutingGround>]>([
    ['a coordinator with routers outside', {}],
    ['a coordinator that knows nobody yet', { coordinators: [], upstream: [], networks: [] }],
    ['any other node', { isCoordinator: false }],
    ['routers outside, and no network yet', { networks: [] }],
    [
      'a network with its gateway on every node beside another',
      { networks: [network, { ...network, gatewayMode: 'anycast' }] },
    ],
  ])('accepts the configuration of %s', async (_, change) => {
    const text = routingConfiguration({ ...ground, ...change })
    const frr = createFrr({ dir })
    await frr.store(text)
    expect(await frr.stored()).toBe(text)
  })

  it('refuses nonsense', async () => {
    await expect(createFrr({ dir }).store('router bgp none\n')).rejects.toThrow('FRR refuses its configuration')
  })
})
