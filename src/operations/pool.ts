import { hasCode, PvcError } from '../model/errors.ts'
import type { Pool } from '../model/storage.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps, seeOwnWrite } from './deps.ts'

/**
 * Creates a pool in Ceph, then its document. A pool that Ceph has already is taken over as it is, so that a creation that
 * died between the two steps can be repeated.
 * @throws PVC_OBJECT_EXISTS, PVC_CEPH_FAILED, PVC_CEPH_TIMEOUT
 */
export async function addPool(deps: OperationsDeps, pool: Pool): Promise<void> {
  const session = connectedSession(deps)
  const key = tree.pool(pool.name)
  if ((await session.get(key)) !== undefined)
    throw new PvcError('PVC_OBJECT_EXISTS', `Pool '${pool.name}' exists already`)
  try {
    await deps.ceph.createPool(pool)
  } catch (error) {
    if (!hasCode(error, 'PVC_CEPH_EXISTS')) throw error
  }
  await session.ensure([tree.volumes(pool.name).path])
  try {
    await session.create(key, pool)
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_EXISTS'))
      throw new PvcError('PVC_OBJECT_EXISTS', `Pool '${pool.name}' exists already`, { cause: error })
    throw error
  }
  await seeOwnWrite(deps, key, 0n)
}
