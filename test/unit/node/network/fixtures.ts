import { Network } from '../../../../src/model/network.ts'

/** A managed network `netVNI` without addresses, and what `over` says of it. */
export function network(vni: number, over: object = {}): Network {
  const base = {
    vni,
    generation: 1,
    description: `net${vni}`,
    type: 'managed',
    mtu: null,
    domain: 'd',
    nameServers: [],
  }
  return Network.parse({ ...base, ip4: null, ip6: null, ...over })
}

/** The same with a gateway of each family on every node. */
export function anycastNetwork(vni: number): Network {
  const ip4 = { network: `10.0.${vni}.0/24`, gateway: `10.0.${vni}.1`, dhcp: null }
  const ip6 = { network: `fd00:${vni}::/64`, gateway: `fd00:${vni}::1`, dhcp: true }
  return network(vni, { ip4, ip6, gatewayMode: 'anycast' })
}
