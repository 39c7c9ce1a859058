/**
 * Keeps the gateways of networks that have theirs on every node: addresses, what is told to whom, and what goes on to the primary.
 * Nothing is given up when this daemon ends: guests run on, and need their gateway.
 */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain, PvcError } from '../../model/errors.ts'
import {
  anycastMac,
  type GatewayAddress,
  gatewayAddresses,
  isAnycast,
  primaryMac,
  without,
} from '../../model/gateway.ts'
import type { NodeName } from '../../model/ids.ts'
import type { Link } from '../../model/link.ts'
import { bridgeName, type Network } from '../../model/network.ts'
import type { AddressRecord } from '../../ports/address-record.ts'
import type { Forwarding, ForwardingEntry } from '../../ports/forwarding.ts'
import type { Links } from '../../ports/links.ts'
import type { Log } from '../../ports/log.ts'
import type { HostNetwork } from '../../ports/network.ts'
import type { FilterTable, PacketFilter } from '../../ports/packet-filter.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import { readAcls, readNetworks } from '../../view/networks.ts'
import type { FaultBoard } from '../faults.ts'
import { GATEWAY_TABLE, gatewayTable, type Onward, tunnelOf } from './filter.ts'

export type AnycastGatewaysDeps = {
  readonly self: NodeName
  readonly index: Pick<Index, 'isReady' | 'get' | 'children' | 'onChange'>
  readonly filter: PacketFilter
  readonly links: Pick<Links, 'list' | 'subscribe'>
  readonly forwarding: Forwarding
  readonly host: HostNetwork
  readonly record: AddressRecord
  readonly faults: FaultBoard
  readonly clock: Clock
  readonly log: Log
}

export type AnycastGateways = { start(): void; stop(): Promise<void> }

const FOLLOWED = [tree.networks.path, tree.primary.lease.path]
const RESCAN_MS = 10_000
const RETRY_MS = 500

export function createAnycastGateways(deps: AnycastGatewaysDeps): AnycastGateways {
  const { index, links, faults, clock, log } = deps
  const state: State = {
    primary: undefined,
    table: undefined,
    hasLooked: false,
    held: undefined,
    announcing: new AbortController(),
  }
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    pass: async () => {
      if (!index.isReady.value) return {}
      const isSettled = await pass(deps, state)
      faults.clear('GATEWAY_LOCAL')
      return isSettled ? {} : { wakeInMs: RETRY_MS }
    },
    onError(error) {
      log.error({ error: errorChain(error) }, 'the gateways of this node could not be kept')
      faults.set('GATEWAY_LOCAL', 'error', `The gateways of this node's guests cannot be kept: ${errorChain(error)}.`)
    },
  })
  const stops: (() => void)[] = []
  return {
    start() {
      stops.push(
        index.isReady.subscribe(() => loop.trigger()),
        index.onChange((changes) => {
          if ([...changes.keys()].some((path) => FOLLOWED.some((above) => path.startsWith(above)))) loop.trigger()
        }),
        links.subscribe(() => readNetworks(index).some(isAnycast) && loop.trigger()),
      )
      loop.trigger()
    },
    async stop() {
      for (const stop of stops.splice(0)) stop()
      await loop.stop()
      state.announcing.abort()
    },
  }
}

type State = {
  /** Who was primary last: what is sent there while nobody is reaches the one that still is, or nobody. */
  primary: NodeName | undefined
  /** Text of the table as it was last made. */
  table: string | undefined
  /** Whether it is known that no table is there from before this daemon. */
  hasLooked: boolean
  /** Addresses that we have put on this node; undefined: not read yet. */
  held: readonly GatewayAddress[] | undefined
  announcing: AbortController
}

/** @returns whether all is as it is to be */
async function pass(deps: AnycastGatewaysDeps, state: State): Promise<boolean> {
  const { index, filter, links, host } = deps
  state.primary = index.get(tree.primary.lease)?.value.node ?? state.primary
  state.held ??= (await deps.record.read()).map((each) => ({ ...each, isGateway: true as const }))
  const networks = readNetworks(index).filter(isAnycast)
  const hasNothing = networks.length === 0 && state.held.length === 0 && state.table === undefined
  if (hasNothing && state.hasLooked) return true
  const present = await filter.tables()
  if (hasNothing && !isThere(present)) {
    state.hasLooked = true
    return true
  }
  // First what keeps the gateways of two nodes apart, then the gateways.
  await keepTable(deps, state, networks, present)
  const devices = await links.list()
  const target = onwardTo(deps, state)
  await keepForwarding(deps, networks, devices, target)
  const ready = networks.filter(({ vni }) => isReady(devices, vni))
  await keepAddresses(deps, state, gatewayAddresses(ready, 'anycast'))
  const isWhole = without(gatewayAddresses(networks, 'anycast'), host.present()).length === 0
  return isWhole && (networks.length === 0 || target !== undefined)
}

function isThere(tables: readonly FilterTable[]): boolean {
  return tables.some(({ family, name }) => family === 'bridge' && name === GATEWAY_TABLE)
}

/** Cluster address of the primary, `self`, or undefined while that is not known. */
function onwardTo({ self, index }: AnycastGatewaysDeps, { primary }: State): string | undefined {
  if (primary === undefined || primary === self) return primary && 'self'
  return index.get(tree.node(primary).status)?.value.clusterAddr || undefined
}

/** A bridge has one MAC on all nodes before it has the gateway's address: guests would learn another one. */
function isReady(devices: readonly Link[], vni: number): boolean {
  return devices.some(({ name, mac, isUp }) => name === bridgeName(vni) && isUp && mac === anycastMac(vni))
}

async function keepTable(
  deps: AnycastGatewaysDeps,
  state: State,
  networks: readonly Network[],
  present: readonly FilterTable[],
): Promise<void> {
  const { index, filter, log } = deps
  const target = onwardTo(deps, state)
  const onward: Onward = target === undefined ? 'nobody' : target === 'self' ? 'self' : 'other'
  const each = networks.map((network) => ({ network, acls: readAcls(index, network.vni) }))
  const text = networks.length === 0 ? undefined : gatewayTable(each, onward)
  if (text === state.table && isThere(present) === (text !== undefined)) return
  const objection = await filter.apply(text ?? (isThere(present) ? `delete table bridge ${GATEWAY_TABLE}\n` : ''))
  if (objection !== undefined) throw new PvcError('PVC_NETWORK_FAILED', `nftables refuses their table: ${objection}`)
  state.table = text
  log.info({ networks: networks.map(({ vni }) => vni), onward }, 'gateways of this node are kept apart from others')
}

/** The way of frames to the primary, per network. */
async function keepForwarding(
  { forwarding }: AnycastGatewaysDeps,
  networks: readonly Network[],
  devices: readonly Link[],
  target: string | undefined,
): Promise<void> {
  const names = new Set(devices.map(({ name }) => name))
  const tunnels = networks.filter(({ vni }) => names.has(tunnelOf(vni)))
  const to = target === undefined || target === 'self' ? [] : [target]
  const wanted = to.flatMap((address) =>
    tunnels.map(({ vni }): ForwardingEntry => ({ mac: primaryMac(vni), device: tunnelOf(vni), to: address })),
  )
  const present = (await forwarding.list()).filter(({ mac, device }) => isOurs(mac, device))
  const isSame = (a: ForwardingEntry) => (b: ForwardingEntry) => a.mac === b.mac && a.device === b.device
  await forwarding.remove(present.filter((entry) => !wanted.some(isSame(entry))))
  await forwarding.set(wanted.filter((entry) => present.find(isSame(entry))?.to !== entry.to))
}

function isOurs(mac: string, device: string): boolean {
  const vni = /^vxlan(\d+)$/.exec(device)?.[1]
  return vni !== undefined && mac === primaryMac(Number(vni))
}

async function keepAddresses(
  deps: AnycastGatewaysDeps,
  state: State,
  wanted: readonly GatewayAddress[],
): Promise<void> {
  const { self, index, host, record, log } = deps
  const held = state.held ?? []
  const outdated = without(held, wanted)
  const missing = without(wanted, host.present())
  const fresh = without(wanted, held)
  if (outdated.length + missing.length + fresh.length === 0) return
  await record.write([...held, ...fresh])
  // Those of a network that was given back to the primary are the primary's now.
  const theirs = state.primary === self ? gatewayAddresses(readNetworks(index), 'primary') : []
  await host.remove(without(outdated, theirs))
  await host.add(missing)
  await record.write(wanted)
  state.held = wanted
  log.info({ added: missing.map(nameOf), removed: outdated.map(nameOf) }, 'gateways of this node changed')
  announce(deps, state, fresh.length > 0 ? [...fresh, ...without(missing, fresh)] : missing)
}

/** Guests of this node may know the gateway under the MAC of another one. */
function announce({ host, log }: AnycastGatewaysDeps, state: State, addresses: readonly GatewayAddress[]): void {
  if (addresses.length === 0) return
  if (state.announcing.signal.aborted) state.announcing = new AbortController()
  host.announce(addresses, state.announcing.signal).catch((error: unknown) => {
    log.error({ error: errorChain(error) }, 'guests could not be told of a gateway')
  })
}

function nameOf({ address, device }: GatewayAddress): string {
  return `${address} on ${device}`
}
