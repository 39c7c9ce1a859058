/** What makes a network's definition unacceptable. Pure; every problem names the argument and what would be right. */
import {
  addressFamily,
  compareAddresses,
  contains,
  formatSubnet,
  isHostAddress,
  overlaps,
  parseSubnet,
  type Subnet,
} from './ip.ts'
import { MAX_VLAN, type Network } from './network.ts'

/** One thing wrong: the API's argument, and the rest of a sentence that begins with it. */
export type NetworkProblem = { readonly argument: string; readonly text: string }

/** A VXLAN header on IPv4: so much smaller are a guest's packets than those of the network below. */
export const VXLAN_OVERHEAD = 50
const MIN_MTU = 576
/** IPv6 does not work with less. */
const MIN_MTU_IP6 = 1280

/** Addresses of the hosts themselves, and whose they are: `the hosts' cluster network`. */
export type HostNetwork = { readonly what: string; readonly subnet: Subnet }

export type NetworkSurroundings = {
  /** All networks there are; the one that is changed is known by its number. */
  readonly others: readonly Network[]
  /** Largest packet of the underlay of managed networks, and of the device of bridged ones. */
  readonly underlayMtu: number
  readonly bridgeMtu: number
  /** What a guest network must not hide: a node would send to its guests what belongs to other hosts. */
  readonly reserved: readonly HostNetwork[]
}

/** Every problem of a definition; none: it is acceptable. */
export function networkProblems(network: Network, surroundings: NetworkSurroundings): readonly NetworkProblem[] {
  const others = surroundings.others.filter(({ vni }) => vni !== network.vni)
  return [
    ...nameProblems(network, others),
    ...mtuProblems(network, surroundings),
    ...(network.type === 'bridged' ? bridgedProblems(network) : managedProblems(network)),
    ...overlapProblems(network, others, surroundings.reserved),
  ]
}

function nameProblems(network: Network, others: readonly Network[]): NetworkProblem[] {
  const problems: NetworkProblem[] = []
  const twin = others.find(({ description }) => description === network.description)
  if (twin !== undefined) problems.push(problem('description', `is already that of network ${twin.vni}`))
  if (!/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/.test(network.description))
    problems.push(problem('description', 'must be up to 64 letters, digits, spaces, dots, underscores or hyphens'))
  if (
    network.domain !== '' &&
    !/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(network.domain)
  )
    problems.push(problem('domain', 'must be a domain name in lower case, such as net1.example.org'))
  const sameDomain = others.find(({ domain }) => domain !== '' && domain === network.domain)
  if (sameDomain !== undefined) problems.push(problem('domain', `is already that of network ${sameDomain.vni}`))
  for (const server of network.nameServers)
    if (addressFamily(server) === undefined)
      problems.push(problem('name_servers', `must be IP addresses; ${server} is none`))
  return problems
}

function mtuProblems(
  { type, mtu, vni, ip6 }: Network,
  { underlayMtu, bridgeMtu }: NetworkSurroundings,
): NetworkProblem[] {
  if (type === 'bridged' && vni > MAX_VLAN)
    return [problem('vni', `of a bridged network is a VLAN and must be from 1 to ${MAX_VLAN}`)]
  if (mtu === null) return []
  const most = type === 'managed' ? underlayMtu - VXLAN_OVERHEAD : bridgeMtu
  const least = ip6 === null ? MIN_MTU : MIN_MTU_IP6
  if (mtu >= least && mtu <= most) return []
  const why = type === 'managed' ? `the cluster network's ${underlayMtu} less ${VXLAN_OVERHEAD}` : "the bridge device's"
  return [problem('mtu', `must be from ${least} to ${most} (${why})`)]
}

function bridgedProblems(network: Network): NetworkProblem[] {
  const problems: NetworkProblem[] = []
  const text = 'does not belong to a bridged network: nothing of ours runs on it'
  if (network.gatewayMode === 'anycast') problems.push(problem('gateway_mode', `anycast ${text}`))
  if (network.antiSpoofing) problems.push(problem('anti_spoofing', text))
  if (network.ip4 !== null) problems.push(problem('ip4_network', text))
  if (network.ip6 !== null) problems.push(problem('ip6_network', text))
  if (network.domain !== '') problems.push(problem('domain', text))
  if (network.nameServers.length > 0) problems.push(problem('name_servers', text))
  return problems
}

function managedProblems({ ip4, ip6, domain, gatewayMode }: Network): NetworkProblem[] {
  const problems: NetworkProblem[] = []
  if (gatewayMode === 'anycast' && !ip4?.gateway && !ip6?.gateway)
    problems.push(problem('gateway_mode', 'anycast needs ip4_gateway or ip6_gateway'))
  if (domain === '') problems.push(problem('domain', 'is required for a managed network'))
  if (ip4 !== null) problems.push(...ip4Problems(ip4))
  if (ip6 !== null) problems.push(...ip6Problems(ip6))
  return problems
}

function ip4Problems({ network, gateway, dhcp }: NonNullable<Network['ip4']>): NetworkProblem[] {
  const subnet = parseSubnet(network)
  if (subnet?.family !== 4 || subnet.prefixLength > 30 || subnet.prefixLength < 8)
    return [problem('ip4_network', 'must be an IPv4 network such as 10.1.0.0/24, with a prefix of 8 to 30 bits')]
  const problems: NetworkProblem[] = []
  if (gateway !== null && !isHostAddress(subnet, gateway))
    problems.push(problem('ip4_gateway', `must be an address of a host in ${network}`))
  if (dhcp === null) return problems
  if (gateway === null) problems.push(problem('ip4_gateway', 'is required with dhcp4: the DHCP server lives on it'))
  for (const [argument, address] of [
    ['dhcp4_start', dhcp.start],
    ['dhcp4_end', dhcp.end],
  ] as const)
    if (!isHostAddress(subnet, address)) problems.push(problem(argument, `must be an address of a host in ${network}`))
  if (problems.length > 0) return problems
  if (compareAddresses(dhcp.start, dhcp.end) > 0)
    problems.push(problem('dhcp4_end', `must not come before ${dhcp.start}`))
  else if (gateway !== null && compareAddresses(dhcp.start, gateway) <= 0 && compareAddresses(gateway, dhcp.end) <= 0)
    problems.push(problem('dhcp4_start', `to dhcp4_end must not hold the gateway ${gateway}`))
  return problems
}

function ip6Problems({ network, gateway }: NonNullable<Network['ip6']>): NetworkProblem[] {
  const subnet = parseSubnet(network)
  if (subnet?.family !== 6 || subnet.prefixLength !== 64)
    return [
      problem(
        'ip6_network',
        'must be an IPv6 network of 64 bits such as fd00:1::/64: guests cannot make addresses in others',
      ),
    ]
  if (contains(LINK_LOCAL, subnet.first)) return [problem('ip6_network', 'must not be link-local')]
  if (gateway !== null && (!contains(subnet, gateway) || gateway === subnet.first))
    return [problem('ip6_gateway', `must be an address in ${network} other than its first`)]
  return []
}

const LINK_LOCAL: Subnet = { family: 6, first: 'fe80::', prefixLength: 10 }

function overlapProblems(
  network: Network,
  others: readonly Network[],
  reserved: NetworkSurroundings['reserved'],
): NetworkProblem[] {
  const taken = others.flatMap(({ vni, ip4, ip6 }) =>
    [ip4, ip6].flatMap((part) => {
      const subnet = parseSubnet(part?.network ?? '')
      return subnet === undefined ? [] : [{ subnet, text: `overlaps with ${formatSubnet(subnet)} of network ${vni}` }]
    }),
  )
  const hidden = reserved.map(({ what, subnet }) => ({
    subnet,
    text: `would hide ${formatSubnet(subnet)}, ${what}, from the nodes; choose a network that the hosts do not use`,
  }))
  return (
    [
      ['ip4_network', network.ip4],
      ['ip6_network', network.ip6],
    ] as const
  ).flatMap(([argument, part]) => {
    const own = parseSubnet(part?.network ?? '')
    const other = own && [...hidden, ...taken].find(({ subnet }) => overlaps(own, subnet))
    return other === undefined ? [] : [problem(argument, other.text)]
  })
}

function problem(argument: string, text: string): NetworkProblem {
  return { argument, text }
}
