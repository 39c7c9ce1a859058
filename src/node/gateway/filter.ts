/**
 * What becomes of frames to and from gateways that are on every node, as a table of the family bridge. Pure.
 *
 * Every node has the gateway's addresses and its MAC. So three things must be kept apart that the kernel takes for one: frames of
 * guests that this node routes itself; frames that only the primary can deal with, which go on to it over the network's own VXLAN
 * under another MAC; and what one node's gateway says to guests, of which those of other nodes must hear nothing.
 */
import { withoutTable } from '../../model/acl-text.ts'
import { anycastMac, LINK_LOCAL_GATEWAY, primaryMac } from '../../model/gateway.ts'
import { addressNumber } from '../../model/ip.ts'
import type { Network, NetworkAcls } from '../../model/network.ts'

/** Name of the table in the family bridge. */
export const GATEWAY_TABLE = 'pvc-gateways'

/** A network whose gateway is on every node, with its rules. */
export type AnycastNetwork = { readonly network: Network; readonly acls: NetworkAcls }

/** Who routes what a node does not: it does so itself, another node does, or nobody is known to. */
export type Onward = 'self' | 'other' | 'nobody'

/**
 * Whether the rules of a network follow connections. Only a router that sees both directions can; two guests of different nodes
 * have two routers, so what goes in and out of such a network is routed by the primary.
 */
export function isStateful({ in: into, out }: NetworkAcls): boolean {
  return [...into, ...out].some(({ rule }) => /\bct\b/.test(rule))
}

/** Networks into which a node routes what comes from guests of one: also itself, because a guest may have no route of its own to it. */
export function routedHere(from: AnycastNetwork, all: readonly AnycastNetwork[]): readonly Network[] {
  return all
    .filter((to) => to.network.vni === from.network.vni || !(isStateful(from.acls) || isStateful(to.acls)))
    .map(({ network }) => network)
}

/** The text of the table. */
export function gatewayTable(networks: readonly AnycastNetwork[], onward: Onward): string {
  const each = networks.map(({ network }) => network)
  const jumps = each.map(({ vni }) => `${anycastMac(vni)} : jump ${chainOf(vni)}`).join(', ')
  const own = each.flatMap(({ vni }) => [anycastMac(vni), primaryMac(vni)]).join(', ')
  return `${withoutTable('bridge', GATEWAY_TABLE)}table bridge ${GATEWAY_TABLE} {
${onward === 'self' ? '' : networks.map((network) => guestChain(network, networks, onward)).join('')}  chain from-nodes {
${block(each.flatMap(fromNodes))}  }
  chain enter {
    type filter hook prerouting priority -200; policy accept;
${block(each.flatMap(impostors))}    iifname "vxlan*" goto from-nodes
    ether saddr { ${own} } counter drop
${onward === 'self' ? '' : `    ether daddr vmap { ${jumps} }\n`}  }
  chain pass {
    type filter hook forward priority 0; policy accept;
${block(each.flatMap(questions))}  }
  chain leave {
    type filter hook output priority 0; policy accept;
${block(each.flatMap(announcements))}  }
}
`
}

function chainOf(vni: number): string {
  return `net${vni}`
}

function block(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}\n`).join('')
}

/** What guests of a network send to their gateway: what is not accepted here goes on to the primary. */
function guestChain(from: AnycastNetwork, all: readonly AnycastNetwork[], onward: 'other' | 'nobody'): string {
  const { vni } = from.network
  const near = routedHere(from, all)
  const everyGateway = all.flatMap(({ network }) => gatewaysOf(network))
  const gateways4 = everyGateway.filter((address) => !address.includes(':'))
  const gateways6 = everyGateway.filter((address) => address.includes(':'))
  const lines = [
    'ether type arp accept',
    ...localPart(
      'ip',
      gateways4,
      'icmp',
      near.flatMap(({ ip4 }) => ip4?.network ?? []),
    ),
    ...localPart(
      'ip6',
      [...new Set(gateways6)],
      'ipv6-icmp',
      near.flatMap(({ ip6 }) => ip6?.network ?? []),
    ),
    onward === 'nobody' ? 'counter drop' : `counter ether daddr set ${primaryMac(vni)} meta pkttype set other`,
  ]
  return `  chain ${chainOf(vni)} {\n${block(lines)}  }\n`
}

/** A gateway answers pings here; its services are at the primary. */
function localPart(
  family: 'ip' | 'ip6',
  gateways: readonly string[],
  ping: string,
  networks: readonly string[],
): readonly string[] {
  const at = `${family} daddr`
  return [
    ...(gateways.length > 0 ? [`${at} { ${gateways.join(', ')} } meta l4proto ${ping} accept`] : []),
    ...(networks.length > 0 && gateways.length > 0
      ? [`${at} != { ${gateways.join(', ')} } ${at} { ${networks.join(', ')} } accept`]
      : []),
  ]
}

function gatewaysOf({ ip4, ip6 }: Network): readonly string[] {
  return [...(ip4?.gateway ? [ip4.gateway] : []), ...(ip6?.gateway ? [ip6.gateway, LINK_LOCAL_GATEWAY.address] : [])]
}

/** Frames for the primary are taken by every node: one that was primary a moment ago routes as well, and none is lost. */
function fromNodes({ vni }: Network): readonly string[] {
  return [
    `iifname "${tunnelOf(vni)}" ether daddr ${primaryMac(vni)} counter ether daddr set ${anycastMac(vni)} meta pkttype set host accept`,
  ]
}

/** A guest that says it had the gateway's address. */
function impostors({ vni, ip4, ip6 }: Network): readonly string[] {
  return [
    ...(ip4?.gateway ? [`arp saddr ip ${ip4.gateway} arp saddr ether != ${anycastMac(vni)} counter drop`] : []),
    ...(ip6?.gateway ? [`icmpv6 type nd-neighbor-advert ${target(ip6.gateway)} counter drop`] : []),
  ]
}

/** Guests' questions for the gateway: their own node answers. */
function questions({ vni, ip4, ip6 }: Network): readonly string[] {
  const out = `oifname "${tunnelOf(vni)}"`
  return [
    ...(ip4?.gateway ? [`${out} arp operation request arp daddr ip ${ip4.gateway} counter drop`] : []),
    ...targets(ip6).map((address) => `${out} icmpv6 type nd-neighbor-solicit ${target(address)} counter drop`),
  ]
}

/** What the gateway of this node says about itself. Its own questions for guests pass: the guest may be on another node. */
function announcements({ vni, ip4, ip6 }: Network): readonly string[] {
  const out = `oifname "${tunnelOf(vni)}"`
  return [
    ...(ip4?.gateway
      ? [
          `${out} arp operation reply arp saddr ip ${ip4.gateway} counter drop`,
          `${out} arp saddr ip ${ip4.gateway} arp daddr ip ${ip4.gateway} counter drop`,
        ]
      : []),
    ...targets(ip6).map((address) => `${out} icmpv6 type nd-neighbor-advert ${target(address)} counter drop`),
  ]
}

function targets(ip6: Network['ip6']): readonly string[] {
  return ip6?.gateway ? [ip6.gateway, LINK_LOCAL_GATEWAY.address] : []
}

/** The address that a neighbour solicitation or advertisement is about: nftables has no word for it. */
function target(address: string): string {
  return `@th,64,128 0x${addressNumber(address).toString(16).padStart(32, '0')}`
}

/** Name of the VXLAN device of a network. */
export function tunnelOf(vni: number): string {
  return `vxlan${vni}`
}
