import type { Acl, Lease, Network } from '../../contract/network.ts'
import type { Palette } from './colour.ts'
import { type Cell, type Field, formatFields, formatTable, type Section } from './table.ts'

/** `True` and `False` as the API writes them. */
function flagCell(flag: string): Cell {
  return flag === 'True' ? { text: 'True', colour: 'green' } : { text: 'False', colour: 'blue' }
}

function or(text: string | number | null | undefined): string {
  return text === '' || text === null || text === undefined ? 'N/A' : String(text)
}

const NETWORK_SECTIONS: readonly Section<Network>[] = [
  {
    title: 'Networks',
    columns: [
      { title: 'VNI', cell: (network) => String(network.vni) },
      { title: 'Description', cell: (network) => network.description },
      { title: 'Type', cell: (network) => network.type },
      { title: 'MTU', cell: (network) => or(network.mtu) },
      { title: 'Domain', cell: (network) => or(network.domain) },
    ],
  },
  {
    title: 'Config',
    columns: [
      { title: 'IPv6', cell: (network) => flagCell(network.ip6.network === '' ? 'False' : 'True') },
      { title: 'DHCPv6', cell: (network) => flagCell(network.ip6.dhcp_flag) },
      { title: 'IPv4', cell: (network) => flagCell(network.ip4.network === '' ? 'False' : 'True') },
      { title: 'DHCPv4', cell: (network) => flagCell(network.ip4.dhcp_flag) },
    ],
  },
]

/** `pvc network list`. */
export function formatNetworkList(networks: readonly Network[], palette: Palette): string {
  if (networks.length === 0) return 'No networks found.'
  const sorted = networks.toSorted((a, b) => a.vni - b.vni)
  return formatTable(NETWORK_SECTIONS, sorted, palette)
}

/** What `pvc network info` shows beside the network; undefined: it has none, or it was not asked for. */
export type NetworkParts = { readonly leases: readonly Lease[]; readonly acls: readonly Acl[] }

/** `pvc network info`; with its parts the leases, reservations and rules follow. */
export function formatNetworkInfo(network: Network, parts: NetworkParts | undefined, palette: Palette): string {
  const { ip4, ip6 } = network
  const isManaged = network.type === 'managed'
  const managed: readonly Field[] = [
    ['Domain', or(network.domain)],
    ['DNS Servers', network.name_servers.length === 0 ? 'N/A' : network.name_servers.join(', ')],
    ['Gateway Mode', or(network.gateway_mode)],
    ['Anti-spoofing', flagCell(network.anti_spoofing === true ? 'True' : 'False')],
    undefined,
    ['IPv6 Network', or(ip6.network)],
    ['IPv6 Gateway', or(ip6.gateway)],
    ['DHCPv6', flagCell(ip6.dhcp_flag)],
    undefined,
    ['IPv4 Network', or(ip4.network)],
    ['IPv4 Gateway', or(ip4.gateway)],
    ['DHCPv4', flagCell(ip4.dhcp_flag)],
    ['DHCPv4 Range', ip4.dhcp_start === '' ? undefined : `${ip4.dhcp_start} - ${ip4.dhcp_end}`],
  ]
  const fields: readonly Field[] = [
    ['VNI', String(network.vni)],
    ['Type', network.type],
    ['MTU', or(network.mtu)],
    ['Description', network.description],
    ...(isManaged ? managed : []),
  ]
  const text = formatFields(fields, palette)
  if (parts === undefined) return text
  return [text, formatLeases(parts.leases, palette), formatAcls(parts.acls, palette)].join('\n\n')
}

const LEASE_SECTIONS: readonly Section<Lease>[] = [
  {
    title: 'Leases',
    columns: [
      { title: 'Hostname', cell: ({ hostname }) => or(hostname) },
      { title: 'IP Address', cell: (lease) => lease.ip4_address },
      { title: 'MAC Address', cell: (lease) => or(lease.mac_address) },
      { title: 'Expires', cell: ({ timestamp }) => expiry(timestamp) },
    ],
  },
]

function expiry(timestamp: string | number): Cell {
  if (timestamp === 'static') return { text: 'static', colour: 'blue' }
  const date = new Date(Number(timestamp) * 1000)
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString().replace('T', ' ').slice(0, 19)
}

/** `pvc network dhcp list`. */
export function formatLeases(leases: readonly Lease[], palette: Palette): string {
  return leases.length === 0 ? 'No leases found.' : formatTable(LEASE_SECTIONS, leases, palette)
}

const ACL_SECTIONS: readonly Section<Acl>[] = [
  {
    title: 'Rules',
    columns: [
      { title: 'Direction', cell: ({ direction }) => direction },
      { title: 'Order', cell: ({ order }) => String(order) },
      { title: 'Description', cell: ({ description }) => description },
      { title: 'Rule', cell: ({ rule }) => rule },
    ],
  },
]

/** `pvc network acl list`. */
export function formatAcls(acls: readonly Acl[], palette: Palette): string {
  return acls.length === 0 ? 'No rules found.' : formatTable(ACL_SECTIONS, acls, palette)
}
