import type { Cluster } from '../model/cluster.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import type { StoreSession } from '../ports/store.ts'
import { SCHEMA_VERSION, TREE_DIRS, tree } from '../schema/tree.ts'

/**
 * Makes sure that the tree, its schema version and the cluster's document exist; every daemon may be the first.
 * @throws PVC_STORE_SCHEMA when the tree belongs to another version, or to another cluster
 */
export async function initialiseCluster(
  session: StoreSession,
  cluster: { readonly name: string; readonly shutdownTimeoutMs: number },
): Promise<void> {
  await createOnce(() => session.create(tree.schema, { version: SCHEMA_VERSION }))
  const version = (await session.get(tree.schema))?.value.version
  if (version !== SCHEMA_VERSION)
    throw new PvcError(
      'PVC_STORE_SCHEMA',
      `the tree has version ${version}, this pvcapid works with ${SCHEMA_VERSION} only`,
    )
  await session.ensure(TREE_DIRS)
  const fresh: Cluster = {
    name: cluster.name,
    generation: 1,
    maintenance: { on: false, since: 0, by: '', reason: '' },
    defaults: { selector: 'mem', shutdownTimeoutMs: cluster.shutdownTimeoutMs },
  }
  await createOnce(() => session.create(tree.cluster, fresh))
  const name = (await session.get(tree.cluster))?.value.name
  if (name === cluster.name) return
  throw new PvcError(
    'PVC_STORE_SCHEMA',
    `the tree belongs to cluster '${name}', this pvcapid is configured for '${cluster.name}'`,
  )
}

async function createOnce(create: () => Promise<unknown>): Promise<void> {
  try {
    await create()
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_EXISTS')) throw error
  }
}
