import { z } from 'zod'
import { addressFamily } from './ip.ts'

/** Numbers a network may have: 24 bits as VXLAN has them, without the two ends. A bridged one is a VLAN: up to 4094. */
export const MAX_VNI = 16_777_214
export const MAX_VLAN = 4094
export const Vni = z.number().int().min(1).max(MAX_VNI).brand<'Vni'>()
export type Vni = z.infer<typeof Vni>

/** MAC address, lower case with colons. */
export const MacAddress = z
  .string()
  .transform((text) => text.toLowerCase())
  .pipe(z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'must be a MAC address such as 52:54:00:12:34:56'))
  .brand<'MacAddress'>()
export type MacAddress = z.infer<typeof MacAddress>

/** An IP address of either family. */
export const IpAddress = z.string().refine((text) => addressFamily(text) !== undefined, 'must be an IP address')

/** First label of a guest's name. */
export const HOST_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * What is wanted of a virtual network. Writer: the API, each change raises generation. managed: a VXLAN on every node,
 * with gateway, DHCP and DNS on the primary. bridged: a VLAN of the physical network, with nothing of ours on it.
 */
export const Network = z.object({
  vni: Vni,
  generation: z.number().int().positive(),
  /** Unique; the name for people. */
  description: z.string().min(1),
  type: z.enum(['managed', 'bridged']),
  /** Null: as large as the underlay allows. */
  mtu: z.number().int().positive().nullable(),
  /** Domain of the guests' names; empty on a bridged network. */
  domain: z.string(),
  /** Resolvers told to guests instead of the gateway. */
  nameServers: z.array(z.string()),
  ip4: z
    .object({
      network: z.string(),
      gateway: z.string().nullable(),
      dhcp: z.object({ start: z.string(), end: z.string() }).nullable(),
    })
    .nullable(),
  ip6: z
    .object({
      network: z.string(),
      gateway: z.string().nullable(),
      /** Guests make their addresses themselves beside IPv4, and are given them in a network without IPv4. */
      dhcp: z.boolean(),
    })
    .nullable(),
  /** primary: the gateway lives on the primary. anycast: every node is the gateway of its own guests. */
  gatewayMode: z.enum(['primary', 'anycast']).default('primary'),
  /** A guest may only use its own MAC, and the address it was given. */
  antiSpoofing: z.boolean().default(false),
})
export type Network = z.infer<typeof Network>

/** A fixed address of a guest. Writer: the API. */
export const DhcpReservation = z.object({ mac: MacAddress, address: IpAddress, hostname: z.string() })
export type DhcpReservation = z.infer<typeof DhcpReservation>

/** An address in use, as DHCP gave it. Writer: the primary, also at every renewal. */
export const DhcpLease = z.object({
  address: IpAddress,
  /** Undefined: a DHCPv6 client, known by its DUID alone. */
  mac: MacAddress.optional(),
  hostname: z.string(),
  /** Client id (IPv4) or DUID (IPv6) as DHCP has it; empty: none. */
  clientId: z.string(),
  /** Identity association of DHCPv6. */
  iaid: z.string().optional(),
  /** Unix seconds, as the DHCP server keeps them. */
  expiresS: z.number().int().nonnegative(),
})
export type DhcpLease = z.infer<typeof DhcpLease>

/** What a network's DHCP servers have in common, one after the other. Writer: the primary. */
export const DhcpState = z.object({
  /** By this DHCPv6 clients know their server again. */
  serverDuid: z.string(),
})
export type DhcpState = z.infer<typeof DhcpState>

/**
 * Serial numbers of all zones, so that they never go back when another node is primary. Writer: the primary, raised when
 * the contents of a zone changed.
 */
export const DnsSerials = z.object({
  /** By name, with the final dot. */
  zones: z.record(z.string(), z.object({ serial: z.number().int().nonnegative(), fingerprint: z.string() })),
  /** Highest number a zone had that is no more. */
  floor: z.number().int().nonnegative(),
})
export type DnsSerials = z.infer<typeof DnsSerials>

/** A rule of the packet filter: nftables statements, without `add rule` and chain. */
export const AclRule = z.object({ description: z.string().min(1), rule: z.string().min(1) })
export type AclRule = z.infer<typeof AclRule>

/** All rules of a network, in their order: one document, because the order belongs to all. Writer: the API. */
export const NetworkAcls = z.object({
  generation: z.number().int().nonnegative(),
  /** For what enters the network. */
  in: z.array(AclRule),
  /** For what leaves it. */
  out: z.array(AclRule),
})
export type NetworkAcls = z.infer<typeof NetworkAcls>

/** Rules of a network that has none. */
export const NO_ACLS: NetworkAcls = { generation: 0, in: [], out: [] }

/** Name of the bridge of a network on every node. */
export function bridgeName(vni: number): string {
  return `vmbr${vni}`
}

/** Address at which every guest finds what is to be known about itself. */
export const METADATA_ADDRESS = '169.254.169.254'
