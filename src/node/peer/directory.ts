import type { NodeName } from '../../model/ids.ts'
import type { PeerAddress, PeerDirectory } from '../../ports/peer.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'

/** Addresses of nodes as they said last in their status. */
export function createPeerDirectory(index: Index, coordinators: readonly NodeName[]): PeerDirectory {
  return {
    coordinators,
    addresses(node) {
      const status = index.get(tree.node(node).status)?.value
      return status === undefined ? [] : peerAddresses(status.clusterAddr, status.storageAddrs)
    },
  }
}

/** Each address once, with the network it stands for; the first storage network is `storage`, the next `storage2`. */
export function peerAddresses(cluster: string, storage: readonly string[]): readonly PeerAddress[] {
  const found = new Map<string, string>()
  if (cluster !== '') found.set(cluster, 'cluster')
  for (const [position, address] of storage.entries()) {
    if (!found.has(address)) found.set(address, position === 0 ? 'storage' : `storage${position + 1}`)
  }
  return [...found].map(([address, network]) => ({ network, address }))
}
