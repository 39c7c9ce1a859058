import { z } from 'zod'
import { MAX_VNI } from '../model/network.ts'
import {
  flag,
  optionalFlag,
  optionalInteger,
  optionalPattern,
  optionalText,
  optionalWord,
  requiredInteger,
  requiredText,
  requiredWord,
} from './argument.ts'
import { Count, defineRoute, Message } from './route.ts'

const Ip4 = z.object({
  network: z.string(),
  gateway: z.string(),
  /** `True` or `False` as text, as older clients expect. */
  dhcp_flag: z.string(),
  dhcp_start: z.string(),
  dhcp_end: z.string(),
})
const Ip6 = z.object({ network: z.string(), gateway: z.string(), dhcp_flag: z.string() })

/** A virtual network. What is not set is an empty text. */
export const Network = z.object({
  vni: Count,
  description: z.string(),
  type: z.string(),
  /** Empty: as large as the network below allows. */
  mtu: z.union([z.string(), z.number()]).nullable(),
  domain: z.string(),
  name_servers: z.array(z.string()),
  ip4: Ip4,
  ip6: Ip6,
  /** `primary` or `anycast`. Added in 2.0. */
  gateway_mode: z.string().optional(),
  /** Added in 2.0. */
  anti_spoofing: z.boolean().optional(),
})
export type Network = z.infer<typeof Network>

/** A lease (`timestamp`: Unix seconds of its end) or a reservation (`timestamp`: `static`). */
export const Lease = z.object({
  hostname: z.string(),
  ip4_address: z.string(),
  mac_address: z.string(),
  timestamp: z.union([z.string(), z.number()]),
})
export type Lease = z.infer<typeof Lease>

/** A rule of the packet filter. */
export const Acl = z.object({ direction: z.string(), order: Count, description: z.string(), rule: z.string() })
export type Acl = z.infer<typeof Acl>

const vni = requiredInteger(1, MAX_VNI)
/** Given empty it clears what is set. */
const clearable = z.string().optional()
const clearableList = z.preprocess(
  (value) => (typeof value === 'string' ? (value === '' ? [] : value.split(',')) : value),
  z.array(z.string().trim()).optional(),
)
const clearableMtu = z.preprocess(
  (value) => (value === '' ? null : value),
  z.union([z.null(), requiredInteger(1, 65_535)]).optional(),
)

const Attributes = z.object({
  mtu: clearableMtu,
  domain: clearable,
  name_servers: clearableList,
  ip4_network: clearable,
  ip4_gateway: clearable,
  ip6_network: clearable,
  ip6_gateway: clearable,
  dhcp4: optionalFlag,
  dhcp4_start: clearable,
  dhcp4_end: clearable,
  gateway_mode: optionalWord(['primary', 'anycast']),
  anti_spoofing: optionalFlag,
})
const NewNetwork = Attributes.extend({
  vni,
  description: requiredText,
  nettype: requiredWord(['managed', 'bridged']),
})
const ByNetwork = z.object({ vni })
const NewReservation = ByNetwork.extend({ ipaddress: requiredText, hostname: optionalText })
const NewAcl = ByNetwork.extend({
  description: requiredText,
  rule: requiredText,
  direction: optionalWord(['in', 'out']),
  /** Place among the rules of its direction, from 0; absent: the last. */
  order: optionalInteger(0, 10_000),
})

const NOT_FOUND = ['PVC_OBJECT_NOT_FOUND'] as const
const ADD = ['PVC_OBJECT_EXISTS'] as const
const CHANGE = ['PVC_OBJECT_NOT_FOUND', 'PVC_OBJECT_CONFLICT'] as const
const CHANGE_ADD = [...CHANGE, 'PVC_OBJECT_EXISTS'] as const

export const networkRoutes = {
  networkList: defineRoute('networkList', {
    summary: 'Virtual networks whose number or description matches.',
    input: z.object({ limit: optionalPattern }),
    output: z.array(Network),
  }),
  networkAdd: defineRoute('networkAdd', {
    summary: 'Adds a virtual network.',
    input: NewNetwork,
    output: Message,
    errors: ADD,
  }),
  networkInfo: defineRoute('networkInfo', {
    summary: 'One virtual network (a list of one).',
    input: ByNetwork,
    output: z.array(Network),
    errors: NOT_FOUND,
  }),
  networkAddNamed: defineRoute('networkAddNamed', {
    summary: 'As POST /network, with the number in the path.',
    input: NewNetwork,
    output: Message,
    errors: ADD,
  }),
  networkModify: defineRoute('networkModify', {
    summary: 'Changes what is given of a virtual network; an empty text clears.',
    input: Attributes.extend({ vni, description: optionalText }),
    output: Message,
    errors: CHANGE,
  }),
  networkRemove: defineRoute('networkRemove', {
    summary: 'Removes a virtual network. With a VM on it this needs force.',
    input: ByNetwork.extend({ force: flag }),
    output: Message,
    errors: [...CHANGE, 'PVC_STATE_REFUSED'],
  }),
  leaseList: defineRoute('leaseList', {
    summary: 'DHCP leases and reservations of a network, or the reservations only.',
    input: ByNetwork.extend({ limit: optionalPattern, static: flag }),
    output: z.array(Lease),
    errors: NOT_FOUND,
  }),
  leaseAdd: defineRoute('leaseAdd', {
    summary: 'Gives a guest a fixed address.',
    input: NewReservation.extend({ macaddress: requiredText }),
    output: Message,
    errors: CHANGE_ADD,
  }),
  leaseInfo: defineRoute('leaseInfo', {
    summary: 'Leases and reservations of one MAC address.',
    input: ByNetwork.extend({ mac: requiredText }),
    output: z.array(Lease),
    errors: NOT_FOUND,
  }),
  leaseAddNamed: defineRoute('leaseAddNamed', {
    summary: 'As POST /network/{vni}/lease, with the MAC address in the path.',
    input: NewReservation.extend({ mac: requiredText }),
    output: Message,
    errors: CHANGE_ADD,
  }),
  leaseRemove: defineRoute('leaseRemove', {
    summary: 'Removes the reservation of a MAC address.',
    input: ByNetwork.extend({ mac: requiredText }),
    output: Message,
    errors: NOT_FOUND,
  }),
  aclList: defineRoute('aclList', {
    summary: 'Packet filter rules of a network in their order, of one direction or of both.',
    input: ByNetwork.extend({ limit: optionalPattern, direction: optionalWord(['in', 'out']) }),
    output: z.array(Acl),
    errors: NOT_FOUND,
  }),
  aclAdd: defineRoute('aclAdd', {
    summary: 'Adds a packet filter rule (nftables statements).',
    input: NewAcl,
    output: Message,
    errors: CHANGE_ADD,
  }),
  aclInfo: defineRoute('aclInfo', {
    summary: 'One packet filter rule (a list of one).',
    input: ByNetwork.extend({ description: requiredText }),
    output: z.array(Acl),
    errors: NOT_FOUND,
  }),
  aclAddNamed: defineRoute('aclAddNamed', {
    summary: 'As POST /network/{vni}/acl, with the description in the path.',
    input: NewAcl,
    output: Message,
    errors: CHANGE_ADD,
  }),
  aclRemove: defineRoute('aclRemove', {
    summary: 'Removes a packet filter rule.',
    input: ByNetwork.extend({ description: requiredText }),
    output: Message,
    errors: CHANGE,
  }),
} as const
