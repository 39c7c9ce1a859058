import { addressFamily, addressNumber, formatSubnet, networkOf } from '../../model/ip.ts'
import type { StoreSession } from '../../ports/store.ts'
import type { Index } from '../../view/index.ts'
import type { NodeDeps } from '../deps.ts'
import type { FaultBoard } from '../faults.ts'
import { createFirewall } from '../firewall/reconcile.ts'
import { createAnycastGateways } from '../gateway/reconcile.ts'
import { createRoutingKeeper } from '../routing/reconcile.ts'
import { createSriovKeeper } from '../sriov/reconcile.ts'
import { createNetworkLinks } from './reconcile.ts'

/** The networks of guests on this node. */
export type NetworkPart = { start(): void; stop(): Promise<void> }

/** Devices, routing and packet filter of this node; nothing where the world has none to offer. */
export function createNetworkPart(
  deps: NodeDeps,
  faults: FaultBoard,
  index: Index,
  session: () => StoreSession | undefined,
): NetworkPart {
  const keepers = [
    createLinksKeeper(deps, faults, index),
    createRouting(deps, faults, index),
    createFilter(deps, faults, index),
    createGateways(deps, faults, index),
    createSriov(deps, faults, index, session),
  ].flat()
  return {
    start() {
      for (const keeper of keepers) keeper.start()
    },
    async stop() {
      await Promise.all(keepers.map((keeper) => keeper.stop()))
    },
  }
}

function createLinksKeeper(deps: NodeDeps, faults: FaultBoard, index: Index): readonly NetworkPart[] {
  const { config, guestNetworks, clock } = deps
  if (guestNetworks === undefined) return []
  const { clusterAddress } = config.node
  const { underlayDevice, underlayMtu, bridgeDevice, bridgeMtu } = config.network
  // Two nodes of a cluster network differ in the last two bytes of their addresses, or it has more than 65,536 of them.
  const nodeNumber = Number(addressNumber(clusterAddress) & 0xffffn)
  const keeper = createNetworkLinks({
    ground: { nodeNumber, clusterAddress, underlayDevice, underlayMtu, bridgeDevice, bridgeMtu },
    index,
    links: guestNetworks.links,
    faults,
    clock,
    log: deps.log.child({ component: 'network' }),
  })
  return [keeper]
}

function createFilter(deps: NodeDeps, faults: FaultBoard, index: Index): readonly NetworkPart[] {
  const { guestNetworks, clock } = deps
  if (guestNetworks === undefined) return []
  const log = deps.log.child({ component: 'firewall' })
  return [createFirewall({ index, filter: guestNetworks.filter, links: guestNetworks.links, faults, clock, log })]
}

function createSriov(
  deps: NodeDeps,
  faults: FaultBoard,
  index: Index,
  session: () => StoreSession | undefined,
): readonly NetworkPart[] {
  const { guestNetworks, clock, config } = deps
  const { sriov: wanted } = config.network
  if (guestNetworks === undefined || wanted.length === 0) return []
  const { links, sriov: cards } = guestNetworks
  const log = deps.log.child({ component: 'sriov' })
  const { name: self } = config.node
  return [createSriovKeeper({ self, wanted, index, links, cards, session, faults, clock, log })]
}

function createGateways(deps: NodeDeps, faults: FaultBoard, index: Index): readonly NetworkPart[] {
  const { guestNetworks, clock, config } = deps
  if (guestNetworks === undefined) return []
  const { filter, links, forwarding, host, anycastRecord: record } = guestNetworks
  const log = deps.log.child({ component: 'gateway' })
  const { name: self } = config.node
  return [createAnycastGateways({ self, index, filter, links, forwarding, host, record, faults, clock, log })]
}

function createRouting(deps: NodeDeps, faults: FaultBoard, index: Index): readonly NetworkPart[] {
  const { config, guestNetworks, clock } = deps
  const { underlayDevice, bgp } = config.network
  const { name, clusterAddress } = config.node
  if (guestNetworks === undefined || underlayDevice === undefined || addressFamily(clusterAddress) !== 4) return []
  const { coordinators } = config.cluster
  const keeper = createRoutingKeeper({
    ground: {
      node: name,
      address: clusterAddress,
      asn: bgp.asn,
      isCoordinator: coordinators.includes(name),
      upstream: bgp.upstream,
    },
    coordinators,
    range() {
      const own = guestNetworks.host.present().find(({ address }) => address === clusterAddress)
      return own === undefined ? undefined : formatSubnet(networkOf(own.address, own.prefix))
    },
    index,
    routing: guestNetworks.routing,
    faults,
    clock,
    log: deps.log.child({ component: 'routing' }),
  })
  return [keeper]
}
