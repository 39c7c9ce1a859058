/** nftables itself, in an empty network namespace, about the table of gateways. */
import { describe, expect, it } from 'vitest'
import { createRuleChecker } from '../../src/adapters/nft/nft.ts'
import { Network, NO_ACLS } from '../../src/model/network.ts'
import { gatewayTable } from '../../src/node/gateway/filter.ts'

const networks = [1, 2].map((vni) => {
  const base = {
    vni,
    generation: 1,
    description: `net${vni}`,
    type: 'managed',
    mtu: null,
    domain: 'd',
    nameServers: [],
  }
  const ip4 = { network: `10.0.${vni}.0/24`, gateway: `10.0.${vni}.1`, dhcp: null }
  const ip6 = { network: `fd00:${vni}::/64`, gateway: `fd00:${vni}::1`, dhcp: true }
  return { network: Network.parse({ ...base, ip4, ip6, gatewayMode: 'anycast' }), acls: NO_ACLS }
})

describe('nft', () => {
  it.each(['self', 'other', 'nobody'] as const)('takes the table, whoever is primary: %s', async (onward) => {
    expect(await createRuleChecker().check(gatewayTable(networks, onward))).toBeUndefined()
  })

  it('refuses one that is broken', async () => {
    expect(await createRuleChecker().check(gatewayTable(networks, 'other').replace('vmap', 'vmop'))).toBeDefined()
  })
})
