import { BYTES_PER_MIB, formatSizeExact } from '../base/units.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import { type PoolName, VolumeName } from '../model/ids.ts'
import type { PoolStats, Volume } from '../model/storage.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps, seeOwnRemoval, seeOwnWrite } from './deps.ts'
import { editDocument } from './edit.ts'
import { eachVm } from './view.ts'

/** Above this share of the pool a new volume needs force: a full Ceph cluster stops all writes. */
const SAFE_SHARE = 0.8

/** Creates a volume in Ceph, then its document; undone when the document cannot be written for certain. */
export async function addVolume(
  deps: OperationsDeps,
  volume: {
    readonly pool: PoolName
    readonly name: VolumeName
    readonly sizeBytes: number
    readonly isForced: boolean
  },
): Promise<Volume> {
  const { pool, name } = volume
  const session = connectedSession(deps)
  requirePool(deps, pool)
  const key = tree.volume(pool, name)
  if (deps.index.get(key) !== undefined || (await session.get(key)) !== undefined) throw volumeExists(pool, name)
  const sizeBytes = wholeMiB(volume.sizeBytes)
  await checkSpace(deps, pool, sizeBytes, volume.isForced)
  try {
    await deps.ceph.createVolume(pool, name, sizeBytes)
  } catch (error) {
    if (hasCode(error, 'PVC_CEPH_EXISTS')) throw volumeExists(pool, name)
    throw error
  }
  try {
    const document: Volume = { pool, name, info: await deps.ceph.volumeInfo(pool, name) }
    await session.ensure([tree.volumes(pool).path])
    await session.create(key, document)
    await seeOwnWrite(deps, key, 0n)
    return document
  } catch (error) {
    // After a time-out the document may be there: the volume stays, and `removeVolume` takes it away with or without.
    if (!hasCode(error, 'PVC_STORE_TIMEOUT', 'PVC_STORE_SESSION_LOST')) await undoCreate(deps, pool, name)
    throw error
  }
}

async function undoCreate(deps: OperationsDeps, pool: PoolName, name: VolumeName): Promise<void> {
  try {
    await deps.ceph.removeVolume(pool, name)
  } catch (error) {
    deps.log.error({ err: error, volume: `${pool}/${name}` }, 'a volume was created, and could not be removed again')
  }
}

/**
 * Resizes a volume. A running guest sees the new size at its next start: growing its disk live is its node's job.
 * Making it smaller cuts data off and needs force.
 */
export async function resizeVolume(
  deps: OperationsDeps,
  pool: string,
  name: string,
  change: { readonly sizeBytes: number; readonly isForced: boolean },
): Promise<Volume> {
  const volume = requireVolume(deps, pool, name)
  const sizeBytes = wholeMiB(change.sizeBytes)
  const growthBytes = sizeBytes - volume.info.sizeBytes
  connectedSession(deps)
  if (growthBytes < 0 && !change.isForced) {
    const present = formatSizeExact(volume.info.sizeBytes)
    throw new PvcError('PVC_STATE_REFUSED', `Volume '${pool}/${name}' has ${present}; making it smaller needs force`)
  }
  if (growthBytes > 0) await checkSpace(deps, volume.pool, growthBytes, change.isForced)
  await deps.ceph.resizeVolume(volume.pool, volume.name, sizeBytes)
  const info = await deps.ceph.volumeInfo(volume.pool, volume.name)
  const key = tree.volume(volume.pool, volume.name)
  return editDocument(deps, key, `Volume '${pool}/${name}'`, (present) => ({ ...present, info }))
}

/**
 * Removes a volume that no VM names and nobody has open, also one whose document was never written.
 * @throws PVC_OBJECT_NOT_FOUND, PVC_STATE_REFUSED, PVC_CEPH_BUSY
 */
export async function removeVolume(deps: OperationsDeps, pool: string, name: string): Promise<void> {
  connectedSession(deps)
  const volume = await findVolume(deps, pool, name)
  const user = volumeUser(deps, `${pool}/${name}`)
  if (user !== undefined) throw new PvcError('PVC_STATE_REFUSED', `Volume '${pool}/${name}' is a disk of VM '${user}'`)
  await dropVolume(deps, volume.pool, volume.name)
}

/** A volume that has a document, or is in Ceph in a pool of ours: its adding may have ended between both. */
async function findVolume(deps: OperationsDeps, pool: string, name: string): Promise<Pick<Volume, 'pool' | 'name'>> {
  const document = deps.index.get(tree.volume(pool as PoolName, name as VolumeName))?.value
  if (document !== undefined) return document
  const parsed = VolumeName.safeParse(name)
  const own = deps.index.get(tree.pool(pool as PoolName))?.value.name
  if (own === undefined || !parsed.success) throw volumeNotFound(pool, name)
  try {
    await deps.ceph.volumeInfo(own, parsed.data)
  } catch (error) {
    if (hasCode(error, 'PVC_CEPH_NOT_FOUND')) throw volumeNotFound(pool, name)
    throw error
  }
  return { pool: own, name: parsed.data }
}

/** Removes the image, then the document; what is gone already is no error, so that it can be repeated. */
export async function dropVolume(deps: OperationsDeps, pool: PoolName, name: VolumeName): Promise<void> {
  const session = connectedSession(deps)
  try {
    await deps.ceph.removeVolume(pool, name)
  } catch (error) {
    if (!hasCode(error, 'PVC_CEPH_NOT_FOUND')) throw error
  }
  const key = tree.volume(pool, name)
  try {
    await session.remove(key.path)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_MISSING')) throw error
  }
  await seeOwnRemoval(deps, key)
}

/** Name of a VM that has the volume as a disk. */
function volumeUser(deps: OperationsDeps, volume: string): string | undefined {
  for (const { spec } of eachVm(deps.index)) {
    if (spec.value.rbdList.some((disk) => disk === volume)) return spec.value.name
  }
  return undefined
}

/** @throws PVC_OBJECT_NOT_FOUND */
export function requireVolume(deps: OperationsDeps, pool: string, name: string): Volume {
  const volume = deps.index.get(tree.volume(pool as PoolName, name as VolumeName))
  if (volume === undefined) throw volumeNotFound(pool, name)
  return volume.value
}

function volumeNotFound(pool: string, name: string): PvcError {
  return new PvcError('PVC_OBJECT_NOT_FOUND', `Volume '${pool}/${name}' not found`)
}

function requirePool(deps: OperationsDeps, pool: PoolName): void {
  if (deps.index.get(tree.pool(pool)) === undefined)
    throw new PvcError('PVC_OBJECT_NOT_FOUND', `Pool '${pool}' not found`)
}

function volumeExists(pool: string, name: string): PvcError {
  return new PvcError('PVC_OBJECT_EXISTS', `Volume '${pool}/${name}' exists already`)
}

/** RBD counts in MiB here: a size is rounded up. */
function wholeMiB(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_MIB) * BYTES_PER_MIB
}

/**
 * Refuses what the pool cannot hold, and without force what would fill it above 80 %.
 * @throws PVC_STATE_REFUSED, PVC_CEPH_FAILED, PVC_CEPH_TIMEOUT
 */
async function checkSpace(deps: OperationsDeps, pool: PoolName, bytes: number, isForced: boolean): Promise<void> {
  const stats = (await deps.poolStats.fresh()).get(pool)
  if (stats === undefined) throw new PvcError('PVC_OBJECT_NOT_FOUND', `Pool '${pool}' does not exist in Ceph`)
  const problem = spaceProblem(stats, bytes, isForced)
  if (problem !== undefined) throw new PvcError('PVC_STATE_REFUSED', `Pool '${pool}' ${problem}`)
}

/** Why `bytes` more must not go into a pool; undefined when they may. Pure. */
export function spaceProblem(stats: PoolStats, bytes: number, isForced: boolean): string | undefined {
  const free = `${Math.floor(stats.freeBytes / BYTES_PER_MIB)} MiB free`
  if (bytes >= stats.freeBytes) return `has only ${free}`
  const safeBytes = SAFE_SHARE * (stats.storedBytes + stats.freeBytes) - stats.storedBytes
  if (bytes >= safeBytes && !isForced) return `would be more than 80 % full (${free}); this needs force`
  return undefined
}
