/** Decides which network devices this node makes, changes and removes. Pure. */
import { anycastMac, bridgeMac, isAnycast } from '../../model/gateway.ts'
import { type KernelSetting, type Link, type LinkChange, type LinkState, OUR_ALIAS } from '../../model/link.ts'
import { bridgeName, type Network } from '../../model/network.ts'
import { VXLAN_OVERHEAD } from '../../model/network-check.ts'

/** What this node brings along for networks. */
export type NetworkGround = {
  /** Number of this node in the last two bytes of its bridges' MAC addresses. */
  readonly nodeNumber: number
  readonly clusterAddress: string
  readonly underlayDevice: string | undefined
  readonly underlayMtu: number
  readonly bridgeDevice: string | undefined
  readonly bridgeMtu: number
}

export type LinkDecision = {
  readonly changes: readonly LinkChange[]
  readonly settings: readonly KernelSetting[]
  /** Networks that cannot be had here, with the reason and what to do. */
  readonly problems: readonly { readonly vni: number; readonly message: string }[]
}

/**
 * Kernel settings of a node that routes for guests. With IPv6 forwarding on, a host no longer takes a default route from
 * router advertisements, so it is switched on only for networks with IPv6.
 */
function hostSettings(networks: readonly Network[]): readonly KernelSetting[] {
  const managed = networks.filter(({ type }) => type === 'managed')
  const routing: readonly KernelSetting[] = [
    ...(managed.some(({ ip4 }) => ip4 !== null) ? [{ key: 'net/ipv4/ip_forward', value: '1' }] : []),
    ...(managed.some(({ ip6 }) => ip6 !== null) ? [{ key: 'net/ipv6/conf/all/forwarding', value: '1' }] : []),
    ...(managed.length > 0 ? [{ key: 'net/ipv4/ip_nonlocal_bind', value: '1' }] : []),
  ]
  return networks.length === 0 ? [] : [...routing, ...BRIDGED_FRAMES]
}

/** Frames between guests of one network do not pass the host's packet filter of routed packets, as they would by default. */
const BRIDGED_FRAMES: readonly KernelSetting[] = ['iptables', 'ip6tables', 'arptables'].map((filter) => ({
  key: `net/bridge/bridge-nf-call-${filter}`,
  value: '0',
  mayBeAbsent: true,
}))

/** Bridges into which libvirt has plugged guests' devices, by number of the device. */
export type GuestPorts = ReadonlyMap<number, string>

/** What is known of guests' ports after another look: a device that is out of its bridge keeps its place in mind. */
export function rememberPorts(known: GuestPorts, links: readonly Link[]): GuestPorts {
  return new Map(
    links.flatMap(({ kind, index, master }): [number, string][] => {
      const bridge = kind === 'tun' ? (master ?? known.get(index)) : undefined
      return bridge === undefined ? [] : [[index, bridge]]
    }),
  )
}

/**
 * Decides for all networks at once. What exists and is right is left alone, so the next decision is empty. Guests' devices
 * are plugged in again where they were, as after somebody deleted their bridge. The devices of `unreadable` networks stay.
 */
export function decideLinks(
  networks: readonly Network[],
  links: readonly Link[],
  ground: NetworkGround,
  ports: GuestPorts = new Map(),
  unreadable: ReadonlySet<number> = new Set(),
): LinkDecision {
  const byName = new Map(links.map((link) => [link.name, link]))
  const changes: LinkChange[] = []
  const settings: KernelSetting[] = [...hostSettings(networks)]
  const problems: { vni: number; message: string }[] = []
  const wanted = new Set<string>()
  for (const network of networks) {
    const plan = planOf(network, byName, ground)
    if (typeof plan === 'string') {
      problems.push({ vni: network.vni, message: `Network ${network.vni} cannot be had on this node: ${plan}.` })
      continue
    }
    for (const part of plan) {
      wanted.add(part.name)
      changes.push(...changesOf(part, byName.get(part.name)))
      settings.push(...part.settings)
    }
  }
  for (const { name, index, master } of links) {
    const bridge = ports.get(index)
    if (master === undefined && bridge !== undefined && wanted.has(bridge))
      changes.push({ kind: 'set', name, to: { master: bridge } })
  }
  const isUnreadable = (alias: string) => unreadable.has(Number(alias.slice(OUR_ALIAS.length)))
  const stale = links.filter(
    ({ name, alias }) => alias.startsWith(OUR_ALIAS) && !wanted.has(name) && !isUnreadable(alias),
  )
  // Bridges last: what is plugged into them goes first.
  const ordered = stale.toSorted((a, b) => Number(a.kind === 'bridge') - Number(b.kind === 'bridge'))
  return {
    changes: [...ordered.map(({ name }): LinkChange => ({ kind: 'remove', name })), ...changes],
    settings,
    problems,
  }
}

/** One device as it is wanted. */
type Part = {
  readonly name: string
  readonly add: LinkChange
  readonly state: LinkState & Required<Pick<LinkState, 'mtu' | 'isUp' | 'alias'>>
  readonly isSame: (link: Link) => boolean
  readonly settings: readonly KernelSetting[]
}

/** The devices of a network, bridge first; a text says why it cannot be had. */
function planOf(network: Network, links: ReadonlyMap<string, Link>, ground: NetworkGround): readonly Part[] | string {
  const below = network.type === 'managed' ? ground.underlayDevice : ground.bridgeDevice
  const key = network.type === 'managed' ? 'network.underlayDevice' : 'network.bridgeDevice'
  if (below === undefined) return `${key} is not set in its configuration`
  if (!links.has(below)) return `its device ${below} (${key}) does not exist`
  const bridge = bridgePart(network, ground)
  const strange = links.get(bridge.name)
  if (strange !== undefined && strange.kind !== 'bridge')
    return `a device named ${bridge.name} exists that is no bridge`
  return [bridge, network.type === 'managed' ? vxlanPart(network, below, ground) : vlanPart(network, below, ground)]
}

/** MTU of a network where none is set: all that the device below allows. */
export function effectiveMtu(network: Network, ground: Pick<NetworkGround, 'underlayMtu' | 'bridgeMtu'>): number {
  return network.mtu ?? (network.type === 'managed' ? ground.underlayMtu - VXLAN_OVERHEAD : ground.bridgeMtu)
}

function alias({ vni }: Network): string {
  return `${OUR_ALIAS}${vni}`
}

function bridgePart(network: Network, ground: NetworkGround): Part {
  const name = bridgeName(network.vni)
  const mac = isAnycast(network) ? anycastMac(network.vni) : bridgeMac(network.vni, ground.nodeNumber)
  const ip6 = `net/ipv6/conf/${name}`
  const managed = [
    // Of three, accept_dad and ndisc_notify make the kernel announce a gateway's address at once when it is added.
    { key: `${ip6}/accept_dad`, value: '0' },
    { key: `${ip6}/ndisc_notify`, value: '1' },
    { key: `${ip6}/accept_ra`, value: '0' },
  ]
  return {
    name,
    add: { kind: 'add-bridge', name, mac },
    state: { mac, mtu: effectiveMtu(network, ground), isUp: true, alias: alias(network) },
    isSame: ({ kind }) => kind === 'bridge',
    settings:
      network.type === 'managed'
        ? [...managed, ...anycastSettings(network, name)]
        : [{ key: `${ip6}/disable_ipv6`, value: '1' }],
  }
}

/**
 * A guest's answer to the question of another node's gateway ends at the gateway of its own node, which has the same address:
 * that node must remember it, so that FRR tells the one that asked.
 */
function anycastSettings(network: Network, name: string): readonly KernelSetting[] {
  if (!isAnycast(network)) return []
  return [
    { key: `net/ipv4/conf/${name}/arp_accept`, value: '1' },
    // Guests are told when the bridge gets another MAC, as when the network is given back to the primary.
    { key: `net/ipv4/conf/${name}/arp_notify`, value: '1' },
    { key: `net/ipv6/conf/${name}/accept_untracked_na`, value: '1', mayBeAbsent: true },
  ]
}

function vxlanPart(network: Network, device: string, ground: NetworkGround): Part {
  const name = `vxlan${network.vni}`
  const { clusterAddress: local } = ground
  return {
    name,
    add: { kind: 'add-vxlan', name, id: network.vni, device, local },
    // With one MAC on every node the bridge must not learn from the tunnel: FRR tells it all there is to know.
    state: { ...portState(network, ground), ...(isAnycast(network) ? { learning: false } : {}) },
    isSame: ({ kind, tag }) =>
      kind === 'vxlan' && tag?.id === network.vni && tag.device === device && tag.local === local,
    settings: [{ key: `net/ipv6/conf/${name}/disable_ipv6`, value: '1' }],
  }
}

function vlanPart(network: Network, device: string, ground: NetworkGround): Part {
  const name = `vlan${network.vni}`
  return {
    name,
    add: { kind: 'add-vlan', name, id: network.vni, device },
    state: portState(network, ground),
    isSame: ({ kind, tag }) => kind === 'vlan' && tag?.id === network.vni && tag.device === device,
    settings: [{ key: `net/ipv6/conf/${name}/disable_ipv6`, value: '1' }],
  }
}

function portState(network: Network, ground: NetworkGround): Part['state'] {
  return { mtu: effectiveMtu(network, ground), isUp: true, master: bridgeName(network.vni), alias: alias(network) }
}

function changesOf(part: Part, present: Link | undefined): readonly LinkChange[] {
  const { name, state } = part
  if (present === undefined) return [part.add, { kind: 'set', name, to: state }]
  // Another tunnel or tag cannot be changed in place; guests' own ports stay on the bridge meanwhile.
  if (!part.isSame(present)) return [{ kind: 'remove', name }, part.add, { kind: 'set', name, to: state }]
  const isReplugged = state.master !== undefined && state.master !== present.master
  const to: LinkState = {
    ...(state.mac !== undefined && state.mac !== present.mac ? { mac: state.mac } : {}),
    ...(state.mtu !== present.mtu ? { mtu: state.mtu } : {}),
    ...(isReplugged ? { master: state.master } : {}),
    ...learningOf(state, present, isReplugged),
    ...(state.alias !== present.alias ? { alias: state.alias } : {}),
    ...(present.isUp ? {} : { isUp: true as const }),
  }
  return Object.keys(to).length === 0 ? [] : [{ kind: 'set', name, to }]
}

/** A port learns unless told otherwise, and begins anew when it is plugged in. */
function learningOf(state: LinkState, present: Link, isReplugged: boolean): LinkState {
  const { learning = true } = state
  if (isReplugged) return learning ? {} : { learning }
  return (present.learning ?? true) === learning ? {} : { learning }
}
