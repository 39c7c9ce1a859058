import type { AclRule, DhcpLease, DhcpReservation, Network } from './network.ts'

function word(flag: boolean): string {
  return flag ? 'True' : 'False'
}

/** A network as the API v1 shows it; what is not set is an empty text. */
export function compatNetwork(network: Network) {
  const { ip4, ip6 } = network
  return {
    vni: network.vni as number,
    description: network.description,
    type: network.type as string,
    mtu: network.mtu === null ? '' : String(network.mtu),
    domain: network.domain,
    name_servers: network.nameServers,
    ip4: {
      network: ip4?.network ?? '',
      gateway: ip4?.gateway ?? '',
      dhcp_flag: word(ip4?.dhcp != null),
      dhcp_start: ip4?.dhcp?.start ?? '',
      dhcp_end: ip4?.dhcp?.end ?? '',
    },
    ip6: { network: ip6?.network ?? '', gateway: ip6?.gateway ?? '', dhcp_flag: word(ip6?.dhcp === true) },
    gateway_mode: network.gatewayMode as string,
    anti_spoofing: network.antiSpoofing,
  }
}

/** A lease as the API v1 shows it; `ip4_address` holds addresses of both families. */
export function compatLease(lease: DhcpLease) {
  return {
    hostname: lease.hostname,
    ip4_address: lease.address,
    mac_address: lease.mac ?? '',
    timestamp: String(lease.expiresS),
  }
}

/** A reservation as the API v1 shows it. */
export function compatReservation(reservation: DhcpReservation) {
  const { hostname, address, mac } = reservation
  return { hostname, ip4_address: address, mac_address: mac as string, timestamp: 'static' }
}

/** A rule as the API v1 shows it, with its place among those of its direction. */
export function compatAcl(direction: 'in' | 'out', order: number, { description, rule }: AclRule) {
  return { direction: direction as string, order, description, rule }
}
