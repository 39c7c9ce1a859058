import { z } from 'zod'
import { PoolName, VolumeName } from './ids.ts'

/** A Ceph pool for VM volumes. Writer: the API. */
export const Pool = z.object({
  name: PoolName,
  pgs: z.number().int().positive(),
  tier: z.enum(['default', 'hdd', 'ssd', 'nvme']),
  copies: z.number().int().positive(),
  minCopies: z.number().int().positive(),
})
export type Pool = z.infer<typeof Pool>

/** Usage of a pool, as Ceph gives it. */
export const PoolStats = z.object({
  id: z.number(),
  storedBytes: z.number(),
  freeBytes: z.number(),
  usedBytes: z.number(),
  usedPercent: z.number(),
  objects: z.number(),
  clones: z.number(),
  copies: z.number(),
  missingOnPrimary: z.number(),
  unfound: z.number(),
  degraded: z.number(),
  readOps: z.number(),
  readBytes: z.number(),
  writeOps: z.number(),
  writeBytes: z.number(),
})
export type PoolStats = z.infer<typeof PoolStats>

/** `rbd info` of a volume. */
export const VolumeInfo = z.object({
  id: z.string(),
  sizeBytes: z.number().int().nonnegative(),
  objects: z.number(),
  order: z.number(),
  objectSizeBytes: z.number(),
  snapshotCount: z.number().int().nonnegative(),
  blockNamePrefix: z.string(),
  format: z.number(),
  features: z.array(z.string()),
  opFeatures: z.array(z.string()),
  flags: z.array(z.string()),
  createTimestamp: z.string(),
  accessTimestamp: z.string(),
  modifyTimestamp: z.string(),
})
export type VolumeInfo = z.infer<typeof VolumeInfo>

/** An RBD image known to the cluster. Writer: the API or a job. */
export const Volume = z.object({ pool: PoolName, name: VolumeName, info: VolumeInfo })
export type Volume = z.infer<typeof Volume>

/** A client that holds an exclusive lock of an image (`rbd lock ls`). */
export type VolumeLock = {
  readonly lockId: string
  /** `client.N`. */
  readonly locker: string
  /** `ip:0/nonce`, the client instance. */
  readonly address: string
}

/** A client that has an image open (`rbd status`). */
export type VolumeWatcher = { readonly address: string; readonly client: number }
