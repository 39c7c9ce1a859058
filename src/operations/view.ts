import type { AuthToken, Cluster } from '../model/cluster.ts'
import type { NodeFacts } from '../model/compat-node.ts'
import { emptyVmStatus, isVmSpec, type VmSpec, type VmStatus } from '../model/domain.ts'
import { PvcError } from '../model/errors.ts'
import { NodeName, type PoolName, type VmUuid } from '../model/ids.ts'
import type { NodeStats } from '../model/node.ts'
import type { Pool, Volume } from '../model/storage.ts'
import type { Versioned } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import type { DocumentIndex } from './document-index.ts'

/** A VM that exists, as the index knows it. */
export type VmEntry = { readonly spec: Versioned<VmSpec>; readonly status: VmStatus; readonly statusMzxid: bigint }

/** Refuses to serve from an index that is not primed, or has been cut off for too long. @throws PVC_STORE_UNAVAILABLE */
export function requireUsable(index: DocumentIndex): void {
  if (index.isUsable) return
  throw new PvcError('PVC_STORE_UNAVAILABLE', 'ZooKeeper cannot be reached at the moment')
}

/** The cluster's document. @throws PVC_STORE_UNAVAILABLE before the first daemon has created it */
export function readCluster(index: DocumentIndex): Cluster {
  const cluster = index.get(tree.cluster)
  if (cluster === undefined) throw new PvcError('PVC_STORE_UNAVAILABLE', 'The cluster is not initialised yet')
  return cluster.value
}

/** Name of the primary coordinator, by its lease. */
export function primaryNode(index: DocumentIndex): NodeName | undefined {
  return index.get(tree.primary.lease)?.value.node
}

/** All living VMs, in the order of the index. Half-defined and deleted ones are tombstones and do not show. */
export function* eachVm(index: DocumentIndex): Generator<VmEntry> {
  for (const uuid of index.children(tree.vms.path)) {
    const entry = readVm(index, uuid as VmUuid)
    if (entry !== undefined) yield entry
  }
}

/** Order of VMs in a list. */
export function byName(a: VmEntry, b: VmEntry): number {
  return a.spec.value.name < b.spec.value.name ? -1 : 1
}

/** One living VM. */
export function readVm(index: DocumentIndex, uuid: VmUuid): VmEntry | undefined {
  const keys = tree.vm(uuid)
  const document = index.get(keys.spec)
  if (document === undefined || !isVmSpec(document.value)) return undefined
  const status = index.get(keys.status)
  return {
    spec: document as Versioned<VmSpec>,
    // The status exists before the spec; only its watch may come later.
    status: status?.value ?? emptyVmStatus(0, 0),
    statusMzxid: status?.mzxid ?? 0n,
  }
}

/** A VM by name or UUID. */
export function findVm(index: DocumentIndex, nameOrUuid: string): VmEntry | undefined {
  const byUuid = readVm(index, nameOrUuid.toLowerCase() as VmUuid)
  if (byUuid !== undefined) return byUuid
  for (const entry of eachVm(index)) if (entry.spec.value.name === nameOrUuid) return entry
  return undefined
}

/** A VM by name or UUID. @throws PVC_OBJECT_NOT_FOUND */
export function requireVm(index: DocumentIndex, nameOrUuid: string): VmEntry {
  const entry = findVm(index, nameOrUuid)
  if (entry === undefined) throw vmNotFound(nameOrUuid)
  return entry
}

export function vmNotFound(nameOrUuid: string): PvcError {
  return new PvcError('PVC_OBJECT_NOT_FOUND', `VM '${nameOrUuid}' not found`)
}

/** All registered nodes, by name. */
export function readNodes(index: DocumentIndex): readonly NodeFacts[] {
  return [...index.children(tree.nodes.path)].sort().flatMap((name) => {
    const node = readNode(index, name)
    return node === undefined ? [] : [node]
  })
}

/** One node. */
export function readNode(index: DocumentIndex, name: string): NodeFacts | undefined {
  const parsed = NodeName.safeParse(name)
  if (!parsed.success) return undefined
  const keys = tree.node(parsed.data)
  const spec = index.get(keys.spec)
  if (spec === undefined) return undefined
  return {
    spec: spec.value,
    status: index.get(keys.status)?.value,
    stats: index.get(keys.stats)?.value,
    isAlive: index.get(keys.alive) !== undefined,
    fence: index.get(keys.fence)?.value.state,
    readiness: index.get(keys.readiness)?.value,
  }
}

/** One node. @throws PVC_OBJECT_NOT_FOUND */
export function requireNode(index: DocumentIndex, name: string): NodeFacts {
  const node = readNode(index, name)
  if (node === undefined) throw new PvcError('PVC_OBJECT_NOT_FOUND', `Node '${name}' not found`)
  return node
}

/** The statistics document of a node with the number of its last change. */
export function readNodeStats(index: DocumentIndex, name: NodeName): Versioned<NodeStats> | undefined {
  return index.get(tree.node(name).stats)
}

/** All pools, by name. */
export function readPools(index: DocumentIndex): readonly Pool[] {
  return [...index.children(tree.pools.path)].sort().flatMap((name) => {
    const pool = index.get(tree.pool(name as PoolName))
    return pool === undefined ? [] : [pool.value]
  })
}

/** All volumes, or those of one pool, by pool and name. */
export function readVolumes(index: DocumentIndex, pool?: string): readonly Volume[] {
  const pools = pool === undefined ? [...index.children(tree.volumePools.path)].sort() : [pool]
  return pools.flatMap((name) => {
    const dir = tree.volumes(name as PoolName)
    return [...index.children(dir.path)].sort().flatMap((volume) => {
      const document = index.get(dir.child(volume))
      return document === undefined ? [] : [document.value]
    })
  })
}

/** All API tokens. */
export function readTokens(index: DocumentIndex): readonly AuthToken[] {
  return index.children(tree.tokens.path).flatMap((id) => {
    const token = index.get(tree.tokens.child(id))
    return token === undefined ? [] : [token.value]
  })
}
