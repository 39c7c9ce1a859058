/** The collections of our tree, each with the rule by which its documents never go backwards. */
import { NodeName, PoolName, VmUuid, VolumeName } from '../model/ids.ts'
import { Vni } from '../model/network.ts'
import { ProvisionerName } from '../model/provisioner.ts'
import { tree } from '../schema/tree.ts'
import { directory, document, type Watched, type WatchedDocument } from './collection.ts'

/** Documents of a node beside its spec. */
export type NodePart =
  | 'status'
  | 'stats'
  | 'alive'
  | 'fence'
  | 'flush'
  | 'readiness'
  | 'fenceReach'
  | 'sriov'
  | 'sriovWish'

export function clusterCollection(): WatchedDocument {
  return document(tree.cluster, { order: ({ generation }) => generation })
}

export function primaryCollections(): readonly Watched[] {
  return [
    document(tree.primary.lease),
    document(tree.primary.epoch, { order: ({ epoch }) => epoch }),
    document(tree.primary.wanted, { order: ({ wish }) => wish }),
    document(tree.primary.status, { order: ({ epoch }) => epoch }),
  ]
}

/** The spec of a node and some of its other documents. A removed node may be added again and then starts from nothing. */
export function nodeCollections(name: NodeName, parts: readonly NodePart[]): readonly Watched[] {
  const keys = tree.node(name)
  const all: Record<NodePart, () => Watched> = {
    status: () => document(keys.status),
    stats: () => document(keys.stats),
    alive: () => document(keys.alive),
    flush: () => document(keys.flush),
    readiness: () => document(keys.readiness, { order: ({ run }) => run }),
    fenceReach: () => document(keys.fenceReach),
    sriov: () => document(keys.sriov),
    sriovWish: () => sriovWishOf(name),
    fence: () => document(keys.fence, { order: ({ seq }) => seq }),
  }
  return [document(keys.spec, { order: ({ generation }) => generation }), ...parts.map((part) => all[part]())]
}

/** How virtual functions of a node are to be set up. */
export function sriovWishOf(name: NodeName): WatchedDocument {
  return document(tree.node(name).sriovWish, { order: ({ generation }) => generation })
}

/** Every registered node. */
export function nodesCollection(parts: readonly NodePart[]): Watched {
  return directory(tree.nodes.path, (name) => nodeCollections(NodeName.parse(name), parts))
}

/** One of `of` equal parts of the VMs, from 0. */
export type Shard = { readonly index: number; readonly of: number }

/**
 * Every VM with its status. Only a tombstone may vanish, and only a status that nobody holds: seq and generation never
 * repeat, also not over delete and re-create. A VM costs two watches: with more than 4,000 of them, give each store a shard.
 */
export function vmsCollection(shard: Shard = { index: 0, of: 1 }): Watched {
  return directory(tree.vms.path, (name) => {
    const uuid = VmUuid.parse(name)
    if (Number.parseInt(uuid.slice(-4), 16) % shard.of !== shard.index) return []
    const keys = tree.vm(uuid)
    return [
      document(keys.spec, {
        order: (vm) => (vm.deleted === undefined ? vm.generation : vm.deleted.generation),
        mayVanish: (vm) => vm.deleted !== undefined,
      }),
      document(keys.status, { order: ({ seq }) => seq, mayVanish: ({ run }) => run === null, isCompanion: true }),
    ]
  })
}

export function vmNamesCollection(): Watched {
  return directory(tree.vmNames.path, (name) => [document(tree.vmNames.child(name))])
}

/** Every network with its rules, reservations and leases. */
export function networksCollection(): Watched {
  return directory(tree.networks.path, (name) => {
    const keys = tree.network(Vni.parse(Number(name)))
    const generation = { order: (document: { readonly generation: number }) => document.generation }
    return [
      document(keys.spec, generation),
      document(keys.acls, generation),
      directory(keys.reservations.path, (mac) => [document(keys.reservations.child(mac))]),
      directory(keys.leases.path, (address) => [document(keys.leases.child(address))]),
    ]
  })
}

/** User data documents, and the profiles that name them. */
export function provisionerCollections(): readonly Watched[] {
  const { userData, profiles } = tree.provisioner
  const generation = { order: (document: { readonly generation: number }) => document.generation }
  return [
    directory(userData.path, (name) => [document(userData.child(ProvisionerName.parse(name)), generation)]),
    directory(profiles.path, (name) => [document(profiles.child(ProvisionerName.parse(name)), generation)]),
  ]
}

/** Pools, and the volumes of each pool. */
export function storageCollections(): readonly Watched[] {
  return [
    directory(tree.pools.path, (name) => [document(tree.pool(PoolName.parse(name)))]),
    directory(tree.volumePools.path, (name) => {
      const pool = PoolName.parse(name)
      return [directory(tree.volumes(pool).path, (volume) => [document(tree.volume(pool, VolumeName.parse(volume)))])]
    }),
  ]
}

export function tokensCollection(): Watched {
  return directory(tree.tokens.path, (id) => [document(tree.tokens.child(id))])
}
