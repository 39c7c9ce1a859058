import type { PoolName, VolumeName, VolumeRef } from '../model/ids.ts'
import type { Pool, PoolStats, VolumeInfo, VolumeLock, VolumeWatcher } from '../model/storage.ts'

/**
 * Ceph through `ceph` and `rbd` with JSON output. Every call is killed at its deadline (PVC_CEPH_TIMEOUT).
 * @throws PVC_CEPH_FAILED with the tool's last line, PVC_CEPH_NOT_FOUND, PVC_CEPH_EXISTS
 */
export type Ceph = {
  /** Cheap proof that the cluster answers. */
  ping(): Promise<void>
  createPool(pool: Pool): Promise<void>
  listPools(): Promise<readonly string[]>
  /** Usage of every pool, by name. */
  poolStats(): Promise<ReadonlyMap<string, PoolStats>>
  createVolume(pool: PoolName, volume: VolumeName, sizeBytes: number): Promise<void>
  removeVolume(pool: PoolName, volume: VolumeName): Promise<void>
  resizeVolume(pool: PoolName, volume: VolumeName, sizeBytes: number): Promise<void>
  volumeInfo(pool: PoolName, volume: VolumeName): Promise<VolumeInfo>
  locks(volume: VolumeRef): Promise<readonly VolumeLock[]>
  watchers(volume: VolumeRef): Promise<readonly VolumeWatcher[]>
  /** Blocklists one client instance (`ip:0/nonce`): it can never write again. */
  blocklistClient(address: string, expireS: number): Promise<void>
  /** Removes a lock whose client is already blocklisted, without a second blocklisting. */
  breakLock(volume: VolumeRef, lock: VolumeLock): Promise<void>
  /** Blocklists the client instance that holds the lock and removes the lock, in one command; no error when it is gone already. */
  evictLocker(volume: VolumeRef, lock: VolumeLock, expireS: number): Promise<void>
}
