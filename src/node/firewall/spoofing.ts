/** Which frames a guest may send: its own MAC, and the addresses that it was given. Pure. */
import { withoutTable } from '../../model/acl-text.ts'
import { addressFamily } from '../../model/ip.ts'
import type { Link } from '../../model/link.ts'
import { bridgeName, type DhcpLease, type DhcpReservation, type Network } from '../../model/network.ts'

/** Table of the family bridge that holds all guests of this node. */
export const SPOOFING_TABLE = 'pvc-guests'

/** A network whose guests are held to their addresses, with what is known of them. */
export type HeldNetwork = {
  readonly network: Network
  readonly leases: readonly DhcpLease[]
  readonly reservations: readonly DhcpReservation[]
  /** MAC addresses of all cards on it, of any node. */
  readonly macs: readonly string[]
}

/**
 * The text of the table; undefined: nobody here is held. The port of a guest is known by its MAC, which libvirt makes of the
 * guest's with another first byte.
 */
export function spoofingTable(held: readonly HeldNetwork[], links: readonly Link[]): string | undefined {
  const guests = held.flatMap((each) =>
    links
      .filter(({ kind, master }) => kind === 'tun' && master === bridgeName(each.network.vni))
      .flatMap(({ name, mac }) => {
        const own = each.macs.find((candidate) => candidate.slice(2) === mac.slice(2))
        return own === undefined ? [] : [{ port: name, lines: guestLines(each, own) }]
      }),
  )
  if (guests.length === 0) return undefined
  const jumps = guests.map(({ port }) => `"${port}" : jump ${port}`).join(', ')
  const chains = guests.map(
    ({ port, lines }) => `  chain ${port} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`,
  )
  return `${withoutTable('bridge', SPOOFING_TABLE)}table bridge ${SPOOFING_TABLE} {
${chains.join('')}  chain from-guests {
    type filter hook prerouting priority -300; policy accept;
    iifname vmap { ${jumps} }
  }
}
`
}

function guestLines({ network, leases, reservations }: HeldNetwork, mac: string): readonly string[] {
  const given = [...reservations, ...leases].filter((each) => each.mac === mac).map(({ address }) => address)
  // 0.0.0.0: it asks for an address, or whether somebody has it.
  const ip4 = ['0.0.0.0', ...new Set(given.filter((address) => addressFamily(address) === 4))].join(', ')
  // Addresses that guests make themselves are known to nobody, so IPv6 is held to the network.
  const ip6 = ['::', 'fe80::/10', ...(network.ip6 === null ? [] : [network.ip6.network])].join(', ')
  return [
    `ether saddr != ${mac} counter drop`,
    'ether type { 0x8100, 0x88a8 } counter drop',
    `ip saddr != { ${ip4} } counter drop`,
    `arp saddr ether != ${mac} counter drop`,
    `arp saddr ip != { ${ip4} } counter drop`,
    `ip6 saddr != { ${ip6} } counter drop`,
    // Nor may it play gateway or DHCP server for its neighbours.
    'udp sport { 67, 547 } counter drop',
    'icmpv6 type nd-router-advert counter drop',
  ]
}
