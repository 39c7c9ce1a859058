import { addressNumber } from '../../model/ip.ts'
import type { Index } from '../../view/index.ts'
import type { NodeDeps } from '../deps.ts'
import type { FaultBoard } from '../faults.ts'
import { createNetworkLinks, type NetworkLinks } from './reconcile.ts'

const NOTHING: NetworkLinks = { start: () => undefined, stop: async () => undefined }

/** Networks of guests on this node; nothing where the world has no network devices to offer. */
export function createNetworkPart(deps: NodeDeps, faults: FaultBoard, index: Index): NetworkLinks {
  const { config, links, clock } = deps
  if (links === undefined) return NOTHING
  const { clusterAddress } = config.node
  const { underlayDevice, underlayMtu, bridgeDevice, bridgeMtu } = config.network
  // Two nodes of a cluster network differ in the last two bytes of their addresses, or it has more than 65,536 of them.
  const nodeNumber = Number(addressNumber(clusterAddress) & 0xffffn)
  return createNetworkLinks({
    ground: { nodeNumber, clusterAddress, underlayDevice, underlayMtu, bridgeDevice, bridgeMtu },
    index,
    links,
    faults,
    clock,
    log: deps.log.child({ component: 'network' }),
  })
}
