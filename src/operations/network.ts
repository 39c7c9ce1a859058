import { hasCode, PvcError } from '../model/errors.ts'
import { addressAt, addressFamily, normalAddress, parseSubnet } from '../model/ip.ts'
import { type Network, Vni } from '../model/network.ts'
import {
  type HostNetwork,
  type NetworkProblem,
  type NetworkSurroundings,
  networkProblems,
} from '../model/network-check.ts'
import type { StoreSession, Versioned } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { readNetworks } from '../view/networks.ts'
import { connectedSession, type OperationsDeps, seeOwnRemoval, seeOwnWrite } from './deps.ts'
import { editDocument } from './edit.ts'
import { nodeHostNetworks } from './host-networks.ts'
import { ensureParts } from './network-parts.ts'
import { networkNotFound, networkUsers, requireNetwork } from './network-view.ts'

/** What a client says of a network; undefined leaves it as it is, an empty text clears it. */
export type NetworkChange = {
  readonly description?: string | undefined
  readonly mtu?: number | null | undefined
  readonly domain?: string | undefined
  readonly nameServers?: readonly string[] | undefined
  readonly ip4Network?: string | undefined
  readonly ip4Gateway?: string | undefined
  readonly ip6Network?: string | undefined
  readonly ip6Gateway?: string | undefined
  readonly dhcp4?: boolean | undefined
  readonly dhcp4Start?: string | undefined
  readonly dhcp4End?: string | undefined
  readonly gatewayMode?: Network['gatewayMode'] | undefined
  readonly antiSpoofing?: boolean | undefined
}

/**
 * Adds a network. Two that are added at the same time and do not go together: the later one is taken back.
 * @throws PVC_ARGUMENT_INVALID with every problem, PVC_OBJECT_EXISTS
 */
export async function addNetwork(
  deps: OperationsDeps,
  vni: number,
  type: Network['type'],
  change: NetworkChange & { readonly description: string },
): Promise<Network> {
  const session = connectedSession(deps)
  const network = editNetwork(blankNetwork(Vni.parse(vni), type, change.description), change)
  refuseProblems(deps, network, { others: readNetworks(deps.index), reserved: reservedNetworks(deps) })
  const keys = tree.network(network.vni)
  try {
    await session.create(keys.spec, network)
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_EXISTS'))
      throw new PvcError('PVC_OBJECT_EXISTS', `Network '${vni}' exists already`, { cause: error })
    throw error
  }
  await refuseLater(deps, session, network)
  await ensureParts(session, network.vni)
  await seeOwnWrite(deps, keys.spec, 0n)
  return network
}

/** Changes what is given. @throws PVC_ARGUMENT_INVALID with every problem, PVC_OBJECT_NOT_FOUND, PVC_OBJECT_CONFLICT */
export async function modifyNetwork(deps: OperationsDeps, vni: number, change: NetworkChange): Promise<Network> {
  const { vni: number } = requireNetwork(deps.index, vni)
  await ensureParts(connectedSession(deps), number)
  return editDocument(deps, tree.network(number).spec, `Network '${vni}'`, (network) => {
    const next = editNetwork(network, change)
    // Hosts may have got addresses in a network that was there first; it can still be changed in other ways.
    const isMoved = next.ip4?.network !== network.ip4?.network || next.ip6?.network !== network.ip6?.network
    const reserved = isMoved ? reservedNetworks(deps) : []
    refuseProblems(deps, next, { others: readNetworks(deps.index), reserved })
    return { ...next, generation: network.generation + 1 }
  })
}

/**
 * Removes a network with everything below it. @throws PVC_STATE_REFUSED when a VM has an interface on it and it is not
 * forced, PVC_OBJECT_NOT_FOUND
 */
export async function removeNetwork(deps: OperationsDeps, vni: number, isForced: boolean): Promise<Network> {
  const session = connectedSession(deps)
  const network = requireNetwork(deps.index, vni)
  const users = networkUsers(deps.index, vni)
  if (users.length > 0 && !isForced) {
    const names = users.slice(0, 5).join(', ') + (users.length > 5 ? ` and ${users.length - 5} more` : '')
    throw new PvcError('PVC_STATE_REFUSED', `Network '${vni}' is in use by ${names}; remove it from them, or use force`)
  }
  const keys = tree.network(network.vni)
  for (const dir of [keys.reservations.path, keys.leases.path]) {
    for (const child of (await session.children(dir)) ?? []) await removeQuietly(session, `${dir}/${child}`)
    await removeQuietly(session, dir)
  }
  await removeQuietly(session, keys.acls.path)
  await removeQuietly(session, keys.dhcpState.path)
  if (!(await removeQuietly(session, keys.spec.path))) throw networkNotFound(vni)
  await seeOwnRemoval(deps, keys.spec)
  return network
}

/** @returns false when it was gone already */
async function removeQuietly(session: StoreSession, path: string): Promise<boolean> {
  try {
    await session.remove(path)
    return true
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_MISSING')) return false
    if (hasCode(error, 'PVC_STORE_NOT_EMPTY'))
      throw new PvcError('PVC_OBJECT_CONFLICT', 'The network is being used by others at this moment; try again', {
        cause: error,
      })
    throw error
  }
}

function blankNetwork(vni: Vni, type: Network['type'], description: string): Network {
  const domain = type === 'managed' ? `${description.toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-')}.local` : ''
  return {
    vni,
    generation: 1,
    description,
    type,
    mtu: null,
    domain,
    nameServers: [],
    ip4: null,
    ip6: null,
    gatewayMode: 'primary',
    antiSpoofing: false,
  }
}

/** A network with what is given changed. Pure; what does not go together is found by the check that follows. */
export function editNetwork(network: Network, change: NetworkChange): Network {
  return {
    ...network,
    description: change.description ?? network.description,
    mtu: change.mtu === undefined ? network.mtu : change.mtu,
    domain: change.domain ?? network.domain,
    nameServers: change.nameServers === undefined ? network.nameServers : change.nameServers.map(normalised),
    ip4: editIp4(network.ip4, change),
    ip6: editIp6(network.ip6, change),
    gatewayMode: change.gatewayMode ?? network.gatewayMode,
    antiSpoofing: change.antiSpoofing ?? network.antiSpoofing,
  }
}

function normalised(address: string): string {
  return addressFamily(address) === undefined ? address : normalAddress(address)
}

function editIp4(present: Network['ip4'], change: NetworkChange): Network['ip4'] {
  const network = change.ip4Network ?? present?.network ?? ''
  if (network === '')
    return orphans(change, ['ip4Gateway', 'dhcp4Start', 'dhcp4End']) || change.dhcp4 ? BROKEN_IP4 : null
  const gateway = change.ip4Gateway ?? present?.gateway ?? ''
  const wasOn = present !== null && present.dhcp !== null
  const isOn = change.dhcp4 ?? wasOn
  const dhcp = isOn
    ? { start: change.dhcp4Start ?? present?.dhcp?.start ?? '', end: change.dhcp4End ?? present?.dhcp?.end ?? '' }
    : null
  return { network, gateway: gateway === '' ? null : normalised(gateway), dhcp }
}

function editIp6(present: Network['ip6'], change: NetworkChange): Network['ip6'] {
  const network = change.ip6Network ?? present?.network ?? ''
  if (network === '') return orphans(change, ['ip6Gateway']) ? { network: '', gateway: null, dhcp: true } : null
  const subnet = parseSubnet(network)
  const isNew = network !== present?.network
  const usual = subnet?.family === 6 ? addressAt(subnet, 1n) : ''
  const gateway = change.ip6Gateway ?? (isNew ? usual : (present?.gateway ?? ''))
  return { network, gateway: gateway === '' ? null : normalised(gateway), dhcp: true }
}

/** Something that belongs to a network is given without it: the check then names the missing network. */
function orphans(change: NetworkChange, names: readonly (keyof NetworkChange)[]): boolean {
  return names.some((name) => change[name] !== undefined && change[name] !== '')
}

const BROKEN_IP4: Network['ip4'] = { network: '', gateway: null, dhcp: null }

function refuseProblems(
  deps: OperationsDeps,
  network: Network,
  around: Pick<NetworkSurroundings, 'others' | 'reserved'>,
): void {
  const { underlayMtu, bridgeMtu } = deps.defaults
  const problems = networkProblems(network, { ...around, underlayMtu, bridgeMtu })
  if (problems.length > 0) throw problemsError(problems)
}

function reservedNetworks(deps: OperationsDeps): readonly HostNetwork[] {
  return [...deps.hostNetworks, ...nodeHostNetworks(deps.index)]
}

/** @throws PVC_OBJECT_EXISTS when a network that was added earlier, unseen by us, does not go with ours */
async function refuseLater(deps: OperationsDeps, session: StoreSession, network: Network): Promise<void> {
  await session.sync()
  const own = await session.get(tree.network(network.vni).spec)
  const all: Versioned<Network>[] = []
  for (const name of (await session.children(tree.networks.path)) ?? []) {
    const found = await session.get(tree.network(Vni.parse(Number(name))).spec)
    if (found !== undefined) all.push(found)
  }
  const earlier = all.filter(({ czxid }) => own !== undefined && czxid < own.czxid).map(({ value }) => value)
  const problems = networkProblems(network, { others: earlier, ...deps.defaults, reserved: [] })
  if (problems.length === 0) return
  await removeQuietly(session, tree.network(network.vni).spec.path)
  throw problemsError(problems)
}

function problemsError(problems: readonly NetworkProblem[]): PvcError {
  const sentences = problems.map(({ argument, text }): [string, string] => [argument, `${argument} ${text}`])
  const message = sentences.map(([, sentence]) => sentence).join('; ')
  return new PvcError('PVC_ARGUMENT_INVALID', message, { details: { arguments: Object.fromEntries(sentences) } })
}
