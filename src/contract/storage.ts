import { z } from 'zod'
import { PoolName, VolumeName } from '../model/ids.ts'
import {
  flag,
  optionalPattern,
  optionalSizeBytes,
  optionalText,
  optionalWord,
  requiredInteger,
  requiredText,
  sizeBytes,
} from './argument.ts'
import { Count, defineRoute, Message } from './route.ts'

/** A Ceph pool; every statistic is 0 until Ceph has answered once. */
export const Pool = z.object({
  name: z.string(),
  volume_count: Count,
  tier: z.string(),
  /** A number as text, as older clients expect. */
  pgs: z.string(),
  stats: z.object({
    id: z.number(),
    stored_bytes: z.number(),
    free_bytes: z.number(),
    used_bytes: z.number(),
    /** 0 to 1. */
    used_percent: z.number(),
    num_objects: z.number(),
    num_object_clones: z.number(),
    num_object_copies: z.number(),
    num_objects_missing_on_primary: z.number(),
    num_objects_unfound: z.number(),
    num_objects_degraded: z.number(),
    read_ops: z.number(),
    read_bytes: z.number(),
    write_ops: z.number(),
    write_bytes: z.number(),
  }),
})
export type Pool = z.infer<typeof Pool>

/** An RBD volume. */
export const Volume = z.object({
  name: z.string(),
  pool: z.string(),
  stats: z.object({
    name: z.string(),
    id: z.string(),
    /** For people, e.g. `20G`. */
    size: z.string(),
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
  }),
})
export type Volume = z.infer<typeof Volume>

/** `copies=N,mincopies=M`. */
const replication = requiredText.transform((text, context) => {
  const match = /^copies=(\d{1,2}),mincopies=(\d{1,2})$/.exec(text.replaceAll(' ', ''))
  const copies = Number(match?.[1])
  const minCopies = Number(match?.[2])
  if (match && copies >= 1 && minCopies >= 1 && minCopies <= copies) return { copies, minCopies }
  context.addIssue({ code: 'custom', message: 'must be copies=N,mincopies=M with M not above N' })
  return z.NEVER
})

const pgs = requiredInteger(1, 65_536).refine(
  (count) => Number.isInteger(Math.log2(Number(count))),
  'must be a power of two',
)
const tier = optionalWord(['default', 'hdd', 'ssd', 'nvme'])
const poolName = z.string({ error: () => 'is required' }).pipe(PoolName)
const volumeName = z.string({ error: () => 'is required' }).pipe(VolumeName)

const NewPool = z.object({ pool: poolName, pgs, replcfg: replication, tier })
const NewVolume = z.object({ pool: poolName, volume: volumeName, size: sizeBytes, force: flag })
const ByPool = z.object({ pool: requiredText })
const ByVolume = z.object({ pool: requiredText, volume: requiredText })

const NOT_FOUND = ['PVC_OBJECT_NOT_FOUND'] as const
const CEPH = ['PVC_CEPH_FAILED', 'PVC_CEPH_TIMEOUT'] as const
const VOLUME_ADD = [...CEPH, 'PVC_OBJECT_NOT_FOUND', 'PVC_OBJECT_EXISTS', 'PVC_STATE_REFUSED'] as const

export const storageRoutes = {
  poolList: defineRoute('poolList', {
    summary: 'Ceph pools.',
    input: z.object({ limit: optionalPattern }),
    output: z.array(Pool),
  }),
  poolAdd: defineRoute('poolAdd', {
    summary: 'Creates a Ceph pool for volumes.',
    input: NewPool,
    output: Message,
    errors: [...CEPH, 'PVC_OBJECT_EXISTS'],
  }),
  poolInfo: defineRoute('poolInfo', {
    summary: 'One Ceph pool (a list of one).',
    input: ByPool,
    output: z.array(Pool),
    errors: NOT_FOUND,
  }),
  poolAddNamed: defineRoute('poolAddNamed', {
    summary: 'As POST /storage/ceph/pool, with the name in the path.',
    input: NewPool,
    output: Message,
    errors: [...CEPH, 'PVC_OBJECT_EXISTS'],
  }),
  volumeList: defineRoute('volumeList', {
    summary: 'Volumes, of one pool or of all.',
    input: z.object({ limit: optionalPattern, pool: optionalText }),
    output: z.array(Volume),
  }),
  volumeAdd: defineRoute('volumeAdd', {
    summary: 'Creates a volume.',
    input: NewVolume,
    output: Message,
    errors: VOLUME_ADD,
  }),
  volumeInfo: defineRoute('volumeInfo', {
    summary: 'One volume (a list of one).',
    input: ByVolume,
    output: z.array(Volume),
    errors: NOT_FOUND,
  }),
  volumeAddNamed: defineRoute('volumeAddNamed', {
    summary: 'As POST /storage/ceph/volume, with pool and name in the path.',
    input: NewVolume,
    output: Message,
    errors: VOLUME_ADD,
  }),
  volumeResize: defineRoute('volumeResize', {
    summary: 'Resizes a volume (`new_size`).',
    input: ByVolume.extend({ new_size: optionalSizeBytes, new_name: optionalText, force: flag }),
    output: Message,
    errors: [...CEPH, 'PVC_OBJECT_NOT_FOUND', 'PVC_STATE_REFUSED'],
  }),
  volumeRemove: defineRoute('volumeRemove', {
    summary: 'Removes a volume that no VM names.',
    input: ByVolume,
    output: Message,
    errors: [...CEPH, 'PVC_OBJECT_NOT_FOUND', 'PVC_STATE_REFUSED'],
  }),
} as const
