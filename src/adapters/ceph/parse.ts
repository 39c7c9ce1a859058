import { z } from 'zod'
import { PvcError } from '../../model/errors.ts'
import type { PoolStats, VolumeInfo, VolumeLock, VolumeWatcher } from '../../model/storage.ts'

/**
 * Readers of what the tools print as JSON: pure, tested on captured output. Unknown fields are ignored, a missing or
 * mistyped one is PVC_CEPH_FAILED: a changed format must not pass for "no locks".
 */

const Lock = z.object({ id: z.string(), locker: z.string(), address: z.string() })
const Status = z.object({ watchers: z.array(z.object({ address: z.string(), client: z.number() })) })
const Info = z.object({
  id: z.string(),
  size: z.number(),
  objects: z.number(),
  order: z.number(),
  object_size: z.number(),
  snapshot_count: z.number(),
  block_name_prefix: z.string(),
  format: z.number(),
  features: z.array(z.string()),
  op_features: z.array(z.string()),
  flags: z.array(z.string()),
  create_timestamp: z.string(),
  access_timestamp: z.string(),
  modify_timestamp: z.string(),
})
const CephDf = z.object({
  pools: z.array(
    z.object({
      id: z.number(),
      name: z.string(),
      stats: z.object({
        stored: z.number(),
        max_avail: z.number(),
        bytes_used: z.number(),
        percent_used: z.number(),
      }),
    }),
  ),
})
// Pacific prints numbers, later releases print some of them as text.
const Count = z.coerce.number()
const RadosDf = z.object({
  pools: z.array(
    z.object({
      id: Count,
      num_objects: Count,
      num_object_clones: Count,
      num_object_copies: Count,
      num_objects_missing_on_primary: Count,
      num_objects_unfound: Count,
      num_objects_degraded: Count,
      read_ops: Count,
      read_bytes: Count,
      write_ops: Count,
      write_bytes: Count,
    }),
  ),
})

/** `rbd lock ls --format json`. */
export function parseLocks(text: string): readonly VolumeLock[] {
  return readJson('rbd lock ls', z.array(Lock), text).map(({ id, locker, address }) => ({
    lockId: id,
    locker,
    address,
  }))
}

/** `rbd status --format json`. */
export function parseWatchers(text: string): readonly VolumeWatcher[] {
  return readJson('rbd status', Status, text).watchers.map(({ address, client }) => ({ address, client }))
}

/** `rbd info --format json`. */
export function parseVolumeInfo(text: string): VolumeInfo {
  const info = readJson('rbd info', Info, text)
  return {
    id: info.id,
    sizeBytes: info.size,
    objects: info.objects,
    order: info.order,
    objectSizeBytes: info.object_size,
    snapshotCount: info.snapshot_count,
    blockNamePrefix: info.block_name_prefix,
    format: info.format,
    features: info.features,
    opFeatures: info.op_features,
    flags: info.flags,
    createTimestamp: info.create_timestamp,
    accessTimestamp: info.access_timestamp,
    modifyTimestamp: info.modify_timestamp,
  }
}

/** `ceph osd pool ls -f json`. */
export function parsePoolNames(text: string): readonly string[] {
  return readJson('ceph osd pool ls', z.array(z.string()), text)
}

/** `ceph df detail` and `rados df`, joined by pool id; a pool that only one of them knows is left out. */
export function parsePoolStats(cephDf: string, radosDf: string): ReadonlyMap<string, PoolStats> {
  const objects = new Map(readJson('rados df', RadosDf, radosDf).pools.map((pool) => [pool.id, pool]))
  const stats = new Map<string, PoolStats>()
  for (const pool of readJson('ceph df', CephDf, cephDf).pools) {
    const counts = objects.get(pool.id)
    if (!counts) continue
    stats.set(pool.name, {
      id: pool.id,
      storedBytes: pool.stats.stored,
      freeBytes: pool.stats.max_avail,
      usedBytes: pool.stats.bytes_used,
      usedPercent: pool.stats.percent_used,
      objects: counts.num_objects,
      clones: counts.num_object_clones,
      copies: counts.num_object_copies,
      missingOnPrimary: counts.num_objects_missing_on_primary,
      unfound: counts.num_objects_unfound,
      degraded: counts.num_objects_degraded,
      readOps: counts.read_ops,
      readBytes: counts.read_bytes,
      writeOps: counts.write_ops,
      writeBytes: counts.write_bytes,
    })
  }
  return stats
}

/** Splits text that holds several JSON arrays or objects, one after another. */
export function splitJsonDocuments(text: string): readonly string[] {
  const documents: string[] = []
  let depth = 0
  let start = 0
  let isInString = false
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index]
    if (isInString) {
      if (char === '\\') index += 1
      else if (char === '"') isInString = false
    } else if (char === '"') isInString = true
    else if (char === '[' || char === '{') {
      if (depth === 0) start = index
      depth += 1
    } else if (char === ']' || char === '}') {
      depth -= 1
      if (depth === 0) documents.push(text.slice(start, index + 1))
    }
  }
  return documents
}

/** Reads one JSON document as the tool `what` prints it. @throws PvcError PVC_CEPH_FAILED */
export function readJson<T>(what: string, schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new PvcError('PVC_CEPH_FAILED', `output of ${what} cannot be understood`, {
      cause,
      details: { output: text.slice(0, 200) },
    })
  }
}
