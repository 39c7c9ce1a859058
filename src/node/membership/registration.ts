import type { Cluster } from '../../model/cluster.ts'
import { hasCode, PvcError } from '../../model/errors.ts'
import { CLOSED_JOURNAL } from '../../model/fence.ts'
import type { NodeName } from '../../model/ids.ts'
import type { NodeSpec } from '../../model/node.ts'
import type { StoreSession } from '../../ports/store.ts'
import type { Key } from '../../schema/key.ts'
import { SCHEMA_VERSION, TREE_DIRS, tree } from '../../schema/tree.ts'

/** What a node writes about itself and, when it is the first of all, about the cluster. */
export type Registration = {
  readonly self: NodeName
  readonly mode: NodeSpec['mode']
  readonly clusterName: string
  readonly shutdownTimeoutMs: number
}

/**
 * Creates what is missing of the tree and of this node's entry. Existing documents are never changed: least of all the
 * fence journal, which would make a fenced node forgive itself.
 * @throws PvcError PVC_STORE_SCHEMA when the tree belongs to another version, or to another cluster
 */
export async function register(session: StoreSession, registration: Registration): Promise<void> {
  const schema = await createMissing(session, tree.schema, { version: SCHEMA_VERSION })
  if (schema.version !== SCHEMA_VERSION) {
    const message = `the ZooKeeper tree has schema version ${schema.version}, this pvcnoded works with version ${SCHEMA_VERSION} only: install the matching release`
    throw new PvcError('PVC_STORE_SCHEMA', message)
  }
  await session.ensure(TREE_DIRS)
  const cluster = await createMissing(session, tree.cluster, firstCluster(registration))
  if (cluster.name !== registration.clusterName) {
    const message = `the ZooKeeper tree belongs to cluster "${cluster.name}", this node is configured for "${registration.clusterName}": check cluster.name and zookeeper.servers`
    throw new PvcError('PVC_STORE_SCHEMA', message)
  }
  const keys = tree.node(registration.self)
  const { self: name, mode } = registration
  await createMissing(session, keys.spec, { name, generation: 1, mode, wanted: 'ready', wish: 0 })
  await createMissing(session, keys.fence, CLOSED_JOURNAL)
  await createMissing(session, keys.seqs, { seqs: {} })
}

function firstCluster({ clusterName, shutdownTimeoutMs }: Registration): Cluster {
  return {
    name: clusterName,
    generation: 1,
    maintenance: { on: false, since: 0, by: '', reason: '' },
    defaults: { selector: 'mem', shutdownTimeoutMs },
  }
}

/** The document as it stands, created from `value` when there was none. Two nodes may do this at the same time. */
async function createMissing<T>(session: StoreSession, key: Key<T>, value: T): Promise<T> {
  const existing = await session.get(key)
  if (existing !== undefined) return existing.value
  try {
    await session.create(key, value)
    return value
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_EXISTS')) throw error
    const other = await session.get(key)
    if (other === undefined) throw error
    return other.value
  }
}
