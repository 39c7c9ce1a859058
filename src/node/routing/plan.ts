/** The configuration of FRR: which guest's address is on which node, told by EVPN. Pure. */

import { isAnycast } from '../../model/gateway.ts'
import { addressFamily } from '../../model/ip.ts'
import type { Network } from '../../model/network.ts'

/** What the configuration follows from. */
export type RoutingGround = {
  readonly node: string
  /** This node's address on the cluster network, IPv4. */
  readonly address: string
  readonly asn: number
  readonly isCoordinator: boolean
  /** Cluster addresses of the other coordinators. */
  readonly coordinators: readonly string[]
  /** The cluster network, such as `10.90.0.0/24`: from there other nodes may connect. Undefined: nobody may. */
  readonly range: string | undefined
  /** Routers outside, of coordinators only. */
  readonly upstream: readonly { readonly address: string; readonly asn: number }[]
  readonly networks: readonly Network[]
  /** Whether this node is the primary: it alone announces networks whose gateway is on every node. */
  readonly isPrimary: boolean
}

/** First line of our configuration; another one is somebody else's. */
export const OUR_MARK = '! Written by pvcnoded. Do not edit: changes are overwritten.'

/** Lines that Debian ships, and that vtysh adds by itself. */
const SHIPPED =
  /^(log syslog informational|frr version .*|frr defaults .*|hostname .*|service integrated-vtysh-config|end)$/

/** Whether a configuration may be replaced: ours, or as Debian ships it. */
export function isReplaceable(text: string): boolean {
  if (text.startsWith(OUR_MARK)) return true
  const lines = text.split('\n').map((line) => line.trim())
  return lines.every((line) => line === '' || /^[!#]/.test(line) || SHIPPED.test(line))
}

/**
 * All coordinators reflect routes, and each for everybody: guests reach each other as long as one of them lives. Other
 * nodes may connect from the cluster network without being named, so a new node changes nothing on the others. A node
 * that is silent is out after 3 s.
 */
export function routingConfiguration(ground: RoutingGround): string {
  const { node, address, asn, coordinators, isCoordinator, range } = ground
  const upstream = upstreamOf(ground)
  const lines = [
    OUR_MARK,
    'frr defaults traditional',
    `hostname ${node}`,
    'service integrated-vtysh-config',
    'log syslog informational',
    ...(upstream.length > 0 ? filters(announced(ground)) : []),
    `router bgp ${asn}`,
    ` bgp router-id ${address}`,
    ' no bgp default ipv4-unicast',
    ...peerGroup('fabric', asn),
    ' neighbor fabric timers connect 1',
    ...coordinators.toSorted().map((each) => ` neighbor ${each} peer-group fabric`),
    ...(isCoordinator ? peerGroup('nodes', asn) : []),
    ...(isCoordinator && range !== undefined ? [` bgp listen range ${range} peer-group nodes`] : []),
    ...upstreamSessions(upstream),
    ...upstreamFamily(4, upstream),
    ...upstreamFamily(6, upstream),
    ' address-family l2vpn evpn',
    '  neighbor fabric activate',
    ...(isCoordinator ? ['  neighbor nodes activate', '  neighbor nodes route-reflector-client'] : []),
    '  advertise-all-vni',
    ...gatewaysTold(ground.networks),
    ' exit-address-family',
    'exit',
  ]
  return `${lines.join('\n')}\n`
}

/** Routers outside that this node speaks to: whoever may become primary does. */
export function upstreamOf({
  isCoordinator,
  upstream,
}: Pick<RoutingGround, 'isCoordinator' | 'upstream'>): RoutingGround['upstream'] {
  return isCoordinator ? upstream : []
}

function peerGroup(name: string, asn: number): readonly string[] {
  return [
    ` neighbor ${name} peer-group`,
    ` neighbor ${name} remote-as ${asn}`,
    ` neighbor ${name} timers 1 3`,
    ` neighbor ${name} advertisement-interval 0`,
  ]
}

/**
 * The gateway's own address is told as well: packets to it would otherwise go to every node. One that is on every node must not
 * be told, so beside such networks each of the others is named, which costs a change of the configuration with each network.
 */
function gatewaysTold(networks: readonly Network[]): readonly string[] {
  if (!networks.some(isAnycast)) return ['  advertise-svi-ip']
  return networks
    .filter((network) => network.type === 'managed' && !isAnycast(network))
    .flatMap(({ vni }) => [`  vni ${vni}`, '   advertise-svi-ip', '  exit-vni'])
}

/**
 * Every node has a route into a network whose gateway is on every node. Its answers from outside come to the primary all the
 * same, because what its guests send there leaves by the primary, and rules that follow connections must see both.
 */
function announced({ networks, isPrimary }: RoutingGround): readonly Network[] {
  return networks.filter((network) => isPrimary || !isAnycast(network))
}

/** What is announced outside: networks of guests, by whoever carries their gateway; nothing is taken from there. */
function filters(networks: readonly Network[]): readonly string[] {
  const list = (command: string, name: string, subnets: readonly string[]): readonly string[] => [
    ...subnets.toSorted().map((subnet, index) => `${command} prefix-list ${name} seq ${10 + index} permit ${subnet}`),
    `${command} prefix-list ${name} seq 100000 deny any`,
  ]
  const managed = networks.filter(({ type }) => type === 'managed')
  return [
    ...list(
      'ip',
      'PVC4',
      managed.flatMap(({ ip4 }) => (ip4 === null || ip4.gateway === null ? [] : [ip4.network])),
    ),
    ...list(
      'ipv6',
      'PVC6',
      managed.flatMap(({ ip6 }) => (ip6 === null || ip6.gateway === null ? [] : [ip6.network])),
    ),
    ...['route-map PVC4 permit 10', ' match ip address prefix-list PVC4', 'exit'],
    ...['route-map PVC6 permit 10', ' match ipv6 address prefix-list PVC6', 'exit'],
    ...['route-map PVC-NOTHING deny 10', 'exit'],
  ]
}

/**
 * Sessions with routers outside. A node that is silent is out after 3 s there as well: until then the outside goes on
 * sending to it what guests are to get, although another one has the gateways.
 */
function upstreamSessions(upstream: RoutingGround['upstream']): readonly string[] {
  if (upstream.length === 0) return []
  return [
    // FRR waits 5 s before it announces a network that was added, unless told to be quicker.
    ' bgp route-map delay-timer 1',
    ...upstream.flatMap(({ address, asn }) => [
      ` neighbor ${address} remote-as ${asn}`,
      ` neighbor ${address} timers 1 3`,
      ` neighbor ${address} timers connect 2`,
      // Otherwise 30 s pass between two announcements.
      ` neighbor ${address} advertisement-interval 0`,
    ]),
  ]
}

function upstreamFamily(family: 4 | 6, upstream: RoutingGround['upstream']): readonly string[] {
  const peers = upstream.filter(({ address }) => addressFamily(address) === family)
  if (peers.length === 0) return []
  return [
    ` address-family ipv${family} unicast`,
    `  redistribute connected route-map PVC${family}`,
    ...peers.flatMap(({ address }) => [
      `  neighbor ${address} activate`,
      `  neighbor ${address} route-map PVC${family} out`,
      `  neighbor ${address} route-map PVC-NOTHING in`,
    ]),
    ' exit-address-family',
  ]
}
