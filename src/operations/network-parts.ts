/** Reservations and packet filter rules of a network. */
import { aclTable, ruleProblem } from '../model/acl-text.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import { addressFamily, contains, isHostAddress, normalAddress, parseSubnet } from '../model/ip.ts'
import {
  type AclRule,
  type DhcpReservation,
  HOST_NAME,
  MacAddress,
  type Network,
  type NetworkAcls,
  NO_ACLS,
  type Vni,
} from '../model/network.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { readReservations } from '../view/networks.ts'
import { connectedSession, type OperationsDeps, seeOwnRemoval, seeOwnWrite } from './deps.ts'
import { editDocument } from './edit.ts'
import { requireNetwork } from './network-view.ts'
import { argumentError } from './plan.ts'

/**
 * What lies below the specification of a network. Whoever adds a network may die before it is made, so every change of the
 * network makes what is missing. @throws PVC_OBJECT_CONFLICT when the network is being removed
 */
export async function ensureParts(session: StoreSession, vni: Vni): Promise<void> {
  const keys = tree.network(vni)
  try {
    await session.ensure([keys.reservations.path, keys.leases.path])
    if ((await session.get(keys.acls)) === undefined) await session.create(keys.acls, NO_ACLS)
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_EXISTS')) return
    if (!hasCode(error, 'PVC_STORE_MISSING')) throw error
    throw new PvcError('PVC_OBJECT_CONFLICT', `Network '${vni}' was removed meanwhile`, { cause: error })
  }
}

/** Gives a guest a fixed address. @throws PVC_ARGUMENT_INVALID, PVC_OBJECT_EXISTS, PVC_OBJECT_NOT_FOUND */
export async function addReservation(
  deps: OperationsDeps,
  vni: number,
  wish: { readonly mac: string; readonly address: string; readonly hostname: string },
): Promise<DhcpReservation> {
  const session = connectedSession(deps)
  const network = requireNetwork(deps.index, vni)
  const mac = parseMac(wish.mac)
  const hostname = wish.hostname.toLowerCase()
  if (hostname !== '' && !HOST_NAME.test(hostname))
    throw argumentError('hostname', 'must be one label of a name: letters, digits and hyphens')
  const address = reservable(wish.address, network.ip4, network.ip6)
  const keys = tree.network(network.vni)
  const twin = readReservations(deps.index, network.vni).find((each) => each.address === address && each.mac !== mac)
  if (twin !== undefined) throw argumentError('ipaddress', `is already reserved for ${twin.mac}`)
  const reservation: DhcpReservation = { mac, address, hostname }
  await ensureParts(session, network.vni)
  try {
    await session.create(keys.reservations.child(mac), reservation)
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_EXISTS'))
      throw new PvcError('PVC_OBJECT_EXISTS', `A reservation for ${mac} exists already`, { cause: error })
    throw error
  }
  await seeOwnWrite(deps, keys.reservations.child(mac), 0n)
  return reservation
}

function parseMac(text: string): MacAddress {
  const mac = MacAddress.safeParse(text)
  if (!mac.success) throw argumentError('macaddress', 'must be a MAC address such as 52:54:00:12:34:56')
  return mac.data
}

type Part = { readonly network: string; readonly gateway: string | null } | null

function reservable(text: string, ...parts: readonly Part[]): string {
  const given = addressFamily(text)
  if (given === undefined) throw argumentError('ipaddress', 'must be an IP address')
  const address = normalAddress(text)
  for (const part of parts) {
    const subnet = parseSubnet(part?.network ?? '')
    if (part === null || subnet === undefined || !contains(subnet, address)) continue
    if (!isHostAddress(subnet, address) || address === part.gateway)
      throw argumentError(
        'ipaddress',
        `must be an address of a guest in ${part.network}, not the network or its gateway`,
      )
    return address
  }
  const networks = parts.flatMap((part) => part?.network ?? [])
  throw argumentError(
    'ipaddress',
    networks.length === 0 ? 'cannot be reserved: the network has no addresses' : `must lie in ${networks.join(' or ')}`,
  )
}

/** Removes a reservation. @throws PVC_OBJECT_NOT_FOUND */
export async function removeReservation(deps: OperationsDeps, vni: number, mac: string): Promise<void> {
  const session = connectedSession(deps)
  const network = requireNetwork(deps.index, vni)
  const key = tree.network(network.vni).reservations.child(mac.toLowerCase())
  try {
    await session.remove(key.path)
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_MISSING'))
      throw new PvcError('PVC_OBJECT_NOT_FOUND', `No reservation for '${mac}' in network '${vni}'`, { cause: error })
    throw error
  }
  await seeOwnRemoval(deps, key)
}

export type AclDirection = 'in' | 'out'

/** Adds a rule at its place; undefined: at the end. @throws PVC_OBJECT_EXISTS, PVC_ARGUMENT_INVALID, PVC_OBJECT_NOT_FOUND */
export async function addAcl(
  deps: OperationsDeps,
  vni: number,
  direction: AclDirection,
  rule: AclRule,
  order: number | undefined,
): Promise<NetworkAcls> {
  const network = requireNetwork(deps.index, vni)
  if (!/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}$/.test(rule.description))
    throw argumentError('description', 'must be up to 128 letters, digits, spaces, dots, underscores or hyphens')
  await refuseRule(deps, network, direction, rule)
  await ensureParts(connectedSession(deps), network.vni)
  return editDocument(deps, tree.network(network.vni).acls, `Rules of network '${vni}'`, (acls) => {
    if ([...acls.in, ...acls.out].some(({ description }) => description === rule.description))
      throw new PvcError('PVC_OBJECT_EXISTS', `A rule '${rule.description}' exists already in network '${vni}'`)
    return {
      ...acls,
      generation: acls.generation + 1,
      [direction]: acls[direction].toSpliced(order ?? acls[direction].length, 0, rule),
    }
  })
}

/** @throws PVC_ARGUMENT_INVALID with the words of nftables */
async function refuseRule(
  deps: OperationsDeps,
  network: Network,
  direction: AclDirection,
  rule: AclRule,
): Promise<void> {
  const problem = ruleProblem(rule.rule)
  if (problem !== undefined) throw argumentError('rule', problem)
  // Alone in its table: what the others say does not make it right or wrong.
  const objection = await deps.rules.check(aclTable(network, { ...NO_ACLS, [direction]: [rule] }))
  if (objection !== undefined) throw argumentError('rule', `is refused by nftables: ${objection}`)
}

/** Removes a rule. @throws PVC_OBJECT_NOT_FOUND */
export async function removeAcl(deps: OperationsDeps, vni: number, description: string): Promise<void> {
  const network = requireNetwork(deps.index, vni)
  const isOther = (rule: AclRule) => rule.description !== description
  await editDocument(deps, tree.network(network.vni).acls, `Rules of network '${vni}'`, (acls) => {
    const next = { generation: acls.generation + 1, in: acls.in.filter(isOther), out: acls.out.filter(isOther) }
    if (next.in.length + next.out.length === acls.in.length + acls.out.length)
      throw new PvcError('PVC_OBJECT_NOT_FOUND', `Rule '${description}' not found in network '${vni}'`)
    return next
  })
}
