/** Where the hosts themselves live: what a network of guests would cut off from every node that has its gateway or route. */
import type { Config } from '../model/config.ts'
import { addressFamily, networkOf } from '../model/ip.ts'
import type { HostNetwork } from '../model/network-check.ts'
import type { DocumentIndex } from './document-index.ts'
import { readNodes } from './view.ts'

/** What the configuration says: the networks of floating addresses, and single addresses everything depends on. */
export function configuredHostNetworks({
  cluster,
  zookeeper,
  network,
}: Pick<Config, 'cluster' | 'zookeeper' | 'network'>): readonly HostNetwork[] {
  const floating = Object.entries(cluster.floating).flatMap(([name, entry]) => {
    const [address = '', length] = entry?.address.split('/') ?? []
    return hostNetwork(`the hosts' ${name} network`, address, Number(length))
  })
  const servers = zookeeper.servers.flatMap((server) =>
    hostNetwork('a ZooKeeper server', server.slice(0, server.lastIndexOf(':'))),
  )
  const routers = network.bgp.upstream.flatMap(({ address }) => hostNetwork('a router outside', address))
  return [...floating, ...servers, ...routers]
}

/** What the nodes say of themselves. */
export function nodeHostNetworks(index: DocumentIndex): readonly HostNetwork[] {
  return readNodes(index).flatMap(({ spec, status }) => [
    ...hostNetwork(`the cluster address of node ${spec.name}`, status?.clusterAddr ?? ''),
    ...(status?.storageAddrs ?? []).flatMap((address) =>
      hostNetwork(`a storage address of node ${spec.name}`, address),
    ),
  ])
}

/** Without a length: the address alone. What is no address is left out. */
function hostNetwork(what: string, address: string, length?: number): HostNetwork[] {
  const family = addressFamily(address)
  if (family === undefined) return []
  const most = family === 4 ? 32 : 128
  const prefixLength = length ?? most
  if (!(prefixLength >= 1 && prefixLength <= most)) return []
  return [{ what, subnet: networkOf(address, prefixLength) }]
}
