import { formatSizeExact } from '../../base/units.ts'
import type { RouteInput } from '../../contract/routes.ts'
import type { storageRoutes } from '../../contract/storage.ts'
import { compatPool, compatVolume, formatVolumeSize } from '../../model/compat-storage.ts'
import { PvcError } from '../../model/errors.ts'
import type { Pool } from '../../model/storage.ts'
import { argumentError } from '../../operations/plan.ts'
import { addPool } from '../../operations/pool.ts'
import { readPools, readVolumes } from '../../operations/view.ts'
import { addVolume, removeVolume, requireVolume, resizeVolume } from '../../operations/volume.ts'
import type { ApiDeps, Handlers, RequestContext } from '../handler.ts'
import { POOL_STATS_WAIT_MS } from './cluster.ts'

async function shownPools(deps: ApiDeps, pools: readonly Pool[]) {
  const stats = pools.length > 0 ? await deps.poolStats.current(POOL_STATS_WAIT_MS) : new Map()
  return pools.map((pool) => compatPool(pool, readVolumes(deps.index, pool.name).length, stats.get(pool.name)))
}

async function createPool({ deps }: RequestContext, input: RouteInput<'poolAdd'>) {
  const { pool: name, pgs, replcfg, tier } = input
  await addPool(deps, { name, pgs, tier: tier ?? 'default', ...replcfg })
  return { message: `Created RBD pool '${name}' with ${pgs} PGs.` }
}

async function createVolume({ deps }: RequestContext, input: RouteInput<'volumeAdd'>) {
  const { pool, volume: name, size, force } = input
  const volume = await addVolume(deps, { pool, name, sizeBytes: size, isForced: force })
  const shown = formatVolumeSize(volume.info.sizeBytes)
  return { message: `Created RBD volume '${name}' of size '${shown}' in pool '${pool}'.` }
}

export const storageHandlers = {
  poolList: ({ deps }, { limit }) =>
    shownPools(
      deps,
      readPools(deps.index).filter(({ name }) => limit === undefined || limit.test(name)),
    ),
  poolInfo: ({ deps }, { pool: name }) => {
    const pools = readPools(deps.index).filter((pool) => pool.name === name)
    if (pools.length === 0) throw new PvcError('PVC_OBJECT_NOT_FOUND', `Pool '${name}' not found`)
    return shownPools(deps, pools)
  },
  poolAdd: createPool,
  poolAddNamed: createPool,

  volumeList: ({ deps }, { limit, pool }) =>
    readVolumes(deps.index, pool)
      .filter(({ name }) => limit === undefined || limit.test(name))
      .map(compatVolume),
  volumeInfo: ({ deps }, { pool, volume }) => [compatVolume(requireVolume(deps, pool, volume))],
  volumeAdd: createVolume,
  volumeAddNamed: createVolume,

  volumeResize: async ({ deps }, { pool, volume, new_size, new_name, force }) => {
    if (new_name !== undefined) throw argumentError('new_name', 'is not possible yet: volumes cannot be renamed')
    if (new_size === undefined) throw argumentError('new_size', 'is required')
    const resized = await resizeVolume(deps, pool, volume, { sizeBytes: new_size, isForced: force })
    const size = formatSizeExact(resized.info.sizeBytes)
    return { message: `Resized RBD volume '${volume}' to size '${size}' in pool '${pool}'.` }
  },
  volumeRemove: async ({ deps }, { pool, volume }) => {
    await removeVolume(deps, pool, volume)
    return { message: `Removed RBD volume '${volume}' in pool '${pool}'.` }
  },
} satisfies Pick<Handlers, keyof typeof storageRoutes>
