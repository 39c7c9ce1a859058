import type { Pool, PoolStats, Volume } from './storage.ts'

const NO_STATS: PoolStats = {
  id: 0,
  storedBytes: 0,
  freeBytes: 0,
  usedBytes: 0,
  usedPercent: 0,
  objects: 0,
  clones: 0,
  copies: 0,
  missingOnPrimary: 0,
  unfound: 0,
  degraded: 0,
  readOps: 0,
  readBytes: 0,
  writeOps: 0,
  writeBytes: 0,
}

/** A pool as the API v1 shows it; all statistics are 0 while Ceph has not answered. */
export function compatPool(pool: Pool, volumeCount: number, stats: PoolStats = NO_STATS) {
  return {
    name: pool.name as string,
    volume_count: volumeCount,
    tier: pool.tier as string,
    pgs: String(pool.pgs),
    stats: {
      id: stats.id,
      stored_bytes: stats.storedBytes,
      free_bytes: stats.freeBytes,
      used_bytes: stats.usedBytes,
      used_percent: stats.usedPercent,
      num_objects: stats.objects,
      num_object_clones: stats.clones,
      num_object_copies: stats.copies,
      num_objects_missing_on_primary: stats.missingOnPrimary,
      num_objects_unfound: stats.unfound,
      num_objects_degraded: stats.degraded,
      read_ops: stats.readOps,
      read_bytes: stats.readBytes,
      write_ops: stats.writeOps,
      write_bytes: stats.writeBytes,
    },
  }
}

const UNITS = ['B', 'K', 'M', 'G', 'T', 'P', 'E'] as const

/**
 * A size for people, as volumes always showed it: the smallest unit that needs at most four digits, rounded up (20G,
 * 1024M, 1536M). Never parse it back.
 */
export function formatVolumeSize(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value > 9999 && unit < UNITS.length - 1) {
    value = Math.ceil(value / 1024)
    unit += 1
  }
  return `${value}${UNITS[unit]}`
}

/** A volume as the API v1 shows it. */
export function compatVolume(volume: Volume) {
  const { info } = volume
  return {
    name: volume.name as string,
    pool: volume.pool as string,
    stats: {
      name: volume.name as string,
      id: info.id,
      size: formatVolumeSize(info.sizeBytes),
      objects: info.objects,
      order: info.order,
      object_size: info.objectSizeBytes,
      snapshot_count: info.snapshotCount,
      block_name_prefix: info.blockNamePrefix,
      format: info.format,
      features: info.features,
      op_features: info.opFeatures,
      flags: info.flags,
      create_timestamp: info.createTimestamp,
      access_timestamp: info.accessTimestamp,
      modify_timestamp: info.modifyTimestamp,
    },
  }
}
