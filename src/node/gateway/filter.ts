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

/**
 * The text of the table. Every frame of every bridge passes it, so what concerns a network or a kind of frame stands in a chain of its
 * own, to which one look leads, however many networks there are.
 */
export function gatewayTable(networks: readonly AnycastNetwork[], onward: Onward): string {
  const each = networks.map(({ network }) => network)
  const jumps = each.map(({ vni }) => `${anycastMac(vni)} : jump ${chainOf(vni)}`).join(', ')
  const returns = each.map(({ vni }) => `${primaryMac(vni)} : jump ${returnChainOf(vni)}`).join(', ')
  const own = each.flatMap(({ vni }) => [anycastMac(vni), primaryMac(vni)]).join(', ')
  const [impostors, questions, announcements] = [
    byKind(each, 'impostors', 'nd-neighbor-advert', impostorsOf),
    byKind(each, 'questions', 'nd-neighbor-solicit', questionsOf),
    byKind(each, 'announcements', 'nd-neighbor-advert', announcementsOf),
  ]
  const chains = [
    ...(onward === 'self' ? [] : guestChains(networks, onward)),
    ...each.map(returnChain),
    chain('from-nodes', [`ether daddr vmap { ${returns} }`]),
    ...[impostors, questions, announcements].flatMap((kind) => kind.chains),
    chain('enter', [
      'type filter hook prerouting priority -200; policy accept;',
      ...impostors.jumps,
      'iifname "vxlan*" goto from-nodes',
      `ether saddr { ${own} } counter drop`,
      ...(onward === 'self' ? [] : [`ether daddr vmap { ${jumps} }`]),
    ]),
    chain('pass', ['type filter hook forward priority 0; policy accept;', ...questions.jumps]),
    chain('leave', ['type filter hook output priority 0; policy accept;', ...announcements.jumps]),
  ]
  return `${withoutTable('bridge', GATEWAY_TABLE)}table bridge ${GATEWAY_TABLE} {\n${chains.join('')}}\n`
}

function chain(name: string, lines: readonly string[]): string {
  return `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`
}

/** Rules about ARP and about neighbours of IPv6, with the jumps to those of each. */
type Kinds = { readonly arp: readonly string[]; readonly nd: readonly string[] }

function byKind(networks: readonly Network[], name: string, nd: string, rulesOf: (network: Network) => Kinds) {
  const rules = networks.map(rulesOf)
  const kinds = [
    { name: `${name}-arp`, match: 'ether type arp', lines: rules.flatMap((each) => each.arp) },
    { name: `${name}-nd`, match: `icmpv6 type ${nd}`, lines: rules.flatMap((each) => each.nd) },
  ].filter(({ lines }) => lines.length > 0)
  return {
    chains: kinds.map((kind) => chain(kind.name, kind.lines)),
    jumps: kinds.map((kind) => `${kind.match} jump ${kind.name}`),
  }
}

function chainOf(vni: number): string {
  return `net${vni}`
}

function returnChainOf(vni: number): string {
  return `return${vni}`
}

/**
 * What guests of networks send to their gateways; what is not accepted here goes on to the primary. A node routes into the networks
 * whose rules, like those of the guest's own, do not follow connections; and always into its own, because a guest may have no route
 * of its own to it.
 */
function guestChains(all: readonly AnycastNetwork[], onward: 'other' | 'nobody'): readonly string[] {
  const stateless = all.filter(({ acls }) => !isStateful(acls)).map(({ network }) => network)
  const gateways = all.flatMap(({ network }) => gatewaysOf(network))
  return [
    // A gateway answers pings here; its services are at the primary.
    chain('pings', [
      ...toGateways('ip', gateways).map((match) => `${match} meta l4proto icmp accept`),
      ...toGateways('ip6', gateways).map((match) => `${match} meta l4proto ipv6-icmp accept`),
    ]),
    chain('near', routes(stateless, gateways)),
    ...all.map(({ network, acls }) => {
      const primary = primaryMac(network.vni)
      return chain(chainOf(network.vni), [
        'ether type arp accept',
        'jump pings',
        ...(isStateful(acls) ? routes([network], gatewaysOf(network)) : ['jump near']),
        onward === 'nobody' ? 'counter drop' : `counter ether daddr set ${primary} meta pkttype set other`,
      ])
    }),
  ]
}

/** Accepts what goes into networks, but not to gateways. */
function routes(networks: readonly Network[], gateways: readonly string[]): readonly string[] {
  return (['ip', 'ip6'] as const).flatMap((family) => {
    const into = networks.flatMap((network) => network[family === 'ip' ? 'ip4' : 'ip6']?.network ?? [])
    const [except = ''] = toGateways(family, gateways, '!= ')
    return into.length === 0 ? [] : [`${except} ${family} daddr { ${into.join(', ')} } accept`.trimStart()]
  })
}

/** A match of the addresses of one family, if there are any. */
function toGateways(family: 'ip' | 'ip6', gateways: readonly string[], not: '' | '!= ' = ''): readonly string[] {
  const own = [...new Set(gateways.filter((address) => address.includes(':') === (family === 'ip6')))]
  return own.length === 0 ? [] : [`${family} daddr ${not}{ ${own.join(', ')} }`]
}

function gatewaysOf({ ip4, ip6 }: Network): readonly string[] {
  return [...(ip4?.gateway ? [ip4.gateway] : []), ...(ip6?.gateway ? [ip6.gateway, LINK_LOCAL_GATEWAY.address] : [])]
}

/** Frames for the primary are taken by every node: one that was primary a moment ago routes as well, and none is lost. */
function returnChain({ vni }: Network): string {
  return chain(returnChainOf(vni), [
    `iifname "${tunnelOf(vni)}" counter ether daddr set ${anycastMac(vni)} meta pkttype set host accept`,
  ])
}

/** A guest that says it had the gateway's address. */
function impostorsOf({ vni, ip4, ip6 }: Network): Kinds {
  return {
    arp: ip4?.gateway ? [`arp saddr ip ${ip4.gateway} arp saddr ether != ${anycastMac(vni)} counter drop`] : [],
    nd: ip6?.gateway ? [`icmpv6 type nd-neighbor-advert ${target(ip6.gateway)} counter drop`] : [],
  }
}

/** Guests' questions for the gateway: their own node answers. */
function questionsOf({ vni, ip4, ip6 }: Network): Kinds {
  const out = `oifname "${tunnelOf(vni)}"`
  return {
    arp: ip4?.gateway ? [`${out} arp operation request arp daddr ip ${ip4.gateway} counter drop`] : [],
    nd: targets(ip6).map((address) => `${out} icmpv6 type nd-neighbor-solicit ${target(address)} counter drop`),
  }
}

/** What the gateway of this node says about itself. Its own questions for guests pass: the guest may be on another node. */
function announcementsOf({ vni, ip4, ip6 }: Network): Kinds {
  const out = `oifname "${tunnelOf(vni)}"`
  return {
    arp: ip4?.gateway
      ? [
          `${out} arp operation reply arp saddr ip ${ip4.gateway} counter drop`,
          `${out} arp saddr ip ${ip4.gateway} arp daddr ip ${ip4.gateway} counter drop`,
        ]
      : [],
    nd: targets(ip6).map((address) => `${out} icmpv6 type nd-neighbor-advert ${target(address)} counter drop`),
  }
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
