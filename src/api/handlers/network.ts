import type { networkRoutes } from '../../contract/network.ts'
import type { RouteInput } from '../../contract/routes.ts'
import { compatAcl, compatLease, compatNetwork, compatReservation } from '../../model/compat-network.ts'
import { PvcError } from '../../model/errors.ts'
import { addNetwork, modifyNetwork, type NetworkChange, removeNetwork } from '../../operations/network.ts'
import {
  type AclDirection,
  addAcl,
  addReservation,
  removeAcl,
  removeReservation,
} from '../../operations/network-parts.ts'
import { requireNetwork } from '../../operations/network-view.ts'
import { readAcls, readLeases, readNetworks, readReservations } from '../../view/networks.ts'
import type { ApiDeps, Handlers, RequestContext } from '../handler.ts'

function changeOf(input: RouteInput<'networkModify'>): NetworkChange {
  return {
    description: input.description,
    mtu: input.mtu,
    domain: input.domain,
    nameServers: input.name_servers,
    ip4Network: input.ip4_network,
    ip4Gateway: input.ip4_gateway,
    ip6Network: input.ip6_network,
    ip6Gateway: input.ip6_gateway,
    dhcp4: input.dhcp4,
    dhcp4Start: input.dhcp4_start,
    dhcp4End: input.dhcp4_end,
    gatewayMode: input.gateway_mode,
    antiSpoofing: input.anti_spoofing,
  }
}

async function create({ deps }: RequestContext, input: RouteInput<'networkAdd'>) {
  const { description } = await addNetwork(deps, input.vni, input.nettype, {
    ...changeOf(input),
    description: input.description,
  })
  return { message: `Network '${description}' added successfully!` }
}

function leases(deps: ApiDeps, vni: number, isStaticOnly: boolean) {
  const network = requireNetwork(deps.index, vni)
  const reserved = readReservations(deps.index, network.vni)
  const fixed = new Set(reserved.map(({ address }) => address))
  const given = isStaticOnly ? [] : readLeases(deps.index, network.vni).filter(({ address }) => !fixed.has(address))
  return [...reserved.map(compatReservation), ...given.map(compatLease)]
}

async function reserve({ deps }: RequestContext, vni: number, mac: string, address: string, hostname = '') {
  const reservation = await addReservation(deps, vni, { mac, address, hostname })
  return { message: `DHCP reservation '${reservation.mac}' added successfully!` }
}

function acls(deps: ApiDeps, vni: number) {
  const rules = readAcls(deps.index, requireNetwork(deps.index, vni).vni)
  const shown = (direction: AclDirection) => rules[direction].map((rule, order) => compatAcl(direction, order, rule))
  return [...shown('in'), ...shown('out')]
}

async function createAcl({ deps }: RequestContext, input: RouteInput<'aclAdd'>) {
  const { description, rule } = input
  await addAcl(deps, input.vni, input.direction ?? 'in', { description, rule }, input.order)
  return { message: `Firewall rule '${description}' added successfully!` }
}

export const networkHandlers = {
  networkList: ({ deps }, { limit }) =>
    readNetworks(deps.index)
      .filter(({ vni, description }) => limit === undefined || limit.test(String(vni)) || limit.test(description))
      .map(compatNetwork),
  networkInfo: ({ deps }, { vni }) => [compatNetwork(requireNetwork(deps.index, vni))],
  networkAdd: create,
  networkAddNamed: create,
  networkModify: async ({ deps }, input) => {
    await modifyNetwork(deps, input.vni, changeOf(input))
    return { message: `Network '${input.vni}' modified successfully!` }
  },
  networkRemove: async ({ deps }, { vni, force }) => {
    const { description } = await removeNetwork(deps, vni, force)
    return { message: `Network '${description}' removed successfully!` }
  },

  leaseList: ({ deps }, { vni, limit, static: isStaticOnly }) =>
    leases(deps, vni, isStaticOnly).filter(
      ({ hostname, ip4_address, mac_address }) =>
        limit === undefined || [hostname, ip4_address, mac_address].some((text) => limit.test(text)),
    ),
  leaseInfo: ({ deps }, { vni, mac }) => {
    const found = leases(deps, vni, false).filter(({ mac_address }) => mac_address === mac.toLowerCase())
    if (found.length === 0) throw new PvcError('PVC_OBJECT_NOT_FOUND', `No lease of '${mac}' in network '${vni}'`)
    return found
  },
  leaseAdd: (context, input) => reserve(context, input.vni, input.macaddress, input.ipaddress, input.hostname),
  leaseAddNamed: (context, input) => reserve(context, input.vni, input.mac, input.ipaddress, input.hostname),
  leaseRemove: async ({ deps }, { vni, mac }) => {
    await removeReservation(deps, vni, mac)
    return { message: `DHCP static reservation '${mac.toLowerCase()}' removed successfully!` }
  },

  aclList: ({ deps }, { vni, limit, direction }) =>
    acls(deps, vni)
      .filter((acl) => direction === undefined || acl.direction === direction)
      .filter(({ description }) => limit === undefined || limit.test(description)),
  aclInfo: ({ deps }, { vni, description }) => {
    const found = acls(deps, vni).filter((acl) => acl.description === description)
    if (found.length === 0)
      throw new PvcError('PVC_OBJECT_NOT_FOUND', `Rule '${description}' not found in network '${vni}'`)
    return found
  },
  aclAdd: createAcl,
  aclAddNamed: createAcl,
  aclRemove: async ({ deps }, { vni, description }) => {
    await removeAcl(deps, vni, description)
    return { message: `Firewall rule '${description}' removed successfully!` }
  },
} satisfies Pick<Handlers, keyof typeof networkRoutes>
