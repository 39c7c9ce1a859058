import { hasCode, PvcError } from '../../model/errors.ts'
import type { PoolName, VolumeName } from '../../model/ids.ts'
import type { VolumeLock } from '../../model/storage.ts'
import type { Ceph } from '../../ports/ceph.ts'
import { type RunCommand, runCommand } from '../process/command.ts'
import { parseLocks, parsePoolNames, parsePoolStats, parseVolumeInfo, parseWatchers } from './parse.ts'
import { makePool } from './pool-maker.ts'
import { type CephCommand, runCephTool } from './tool.ts'

export type CephCliOptions = {
  /** Ceph user without `client.`, and the configuration that names its keyring. */
  readonly user: string
  readonly configFile: string
  /** Bound of a quick command; default 10 s. */
  readonly deadlineMs?: number
  /**
   * Bound of looking at locks and clients of a volume, and of breaking a lock, which wait while its OSDs agree who serves it; default
   * as deadlineMs. A tool that is killed meanwhile leaves a watch on the volume, and the next start has to shut that out first.
   */
  readonly lockDeadlineMs?: number
  /** Bound of removing a volume, which grows with its data; default 10 min. */
  readonly removeDeadlineMs?: number
  /** Default: real processes. */
  readonly run?: RunCommand
}

/** exclusive-lock is what lets a dead client's lock be seen and broken; it must not depend on the cluster's defaults. */
const IMAGE_FEATURES = 'layering,exclusive-lock,object-map,fast-diff,deep-flatten'

const DEFAULT_DEADLINE_MS = 10_000
const DEFAULT_REMOVE_DEADLINE_MS = 600_000

const JSON_OUT = ['--format', 'json'] as const

/**
 * The Ceph port over the command line tools. `rbd` and `rados` answer in about 30 ms, `ceph` (Python) in about 150 ms, so
 * what the start of a VM waits for uses `rbd` only.
 */
export function createCephCli(options: CephCliOptions): Ceph {
  const { user, configFile, run: start = runCommand, deadlineMs = DEFAULT_DEADLINE_MS } = options
  const removeDeadlineMs = options.removeDeadlineMs ?? DEFAULT_REMOVE_DEADLINE_MS
  const lockDeadlineMs = options.lockDeadlineMs ?? deadlineMs
  const run = (command: CephCommand) => runCephTool({ run: start, user, configFile, deadlineMs }, command)
  const rbd = (what: string, args: readonly string[], longMs?: number) =>
    run({ tool: 'rbd', what, args, ...(longMs === undefined ? {} : { deadlineMs: longMs }) })
  const ceph = (what: string, args: readonly string[]) => run({ tool: 'ceph', what, args: [...args, ...JSON_OUT] })
  const watchers = async (volume: string) =>
    parseWatchers(await rbd(`looking for clients of volume ${volume}`, ['status', volume, ...JSON_OUT], lockDeadlineMs))
  const removeLock = async (volume: string, lock: VolumeLock, options: readonly string[]) => {
    try {
      const args = ['lock', 'rm', ...options, volume, lock.lockId, lock.locker]
      await rbd(`breaking lock "${lock.lockId}" of volume ${volume}`, args, lockDeadlineMs)
    } catch (error) {
      // Gone already, by its owner or by somebody else's hand: what was wanted.
      if (!hasCode(error, 'PVC_CEPH_NOT_FOUND')) throw error
    }
  }

  return {
    async ping() {
      await run({ tool: 'rados', what: 'asking Ceph for its pools', args: ['lspools'] })
    },
    async createPool(pool) {
      // `osd pool create` succeeds on a pool that is there already.
      const names = parsePoolNames(await ceph('listing pools', ['osd', 'pool', 'ls']))
      if (names.includes(pool.name)) throw new PvcError('PVC_CEPH_EXISTS', `pool ${pool.name} exists already`)
      await makePool(run, pool)
    },
    async listPools() {
      return parsePoolNames(await ceph('listing pools', ['osd', 'pool', 'ls']))
    },
    async poolStats() {
      const [cephDf, radosDf] = await Promise.all([
        ceph('reading pool usage', ['df', 'detail']),
        run({ tool: 'rados', what: 'reading pool usage', args: ['df', ...JSON_OUT] }),
      ])
      return parsePoolStats(cephDf, radosDf)
    },
    async createVolume(pool, volume, sizeBytes) {
      const args = ['create', ref(pool, volume), '--size', `${sizeBytes}B`, '--image-feature', IMAGE_FEATURES]
      await rbd(`making volume ${ref(pool, volume)}`, args)
    },
    async removeVolume(pool, volume) {
      const name = ref(pool, volume)
      // `rbd rm` would first take the exclusive lock away from a running guest, then refuse.
      const clients = (await watchers(name)).map((watcher) => watcher.address)
      if (clients.length > 0)
        throw new PvcError('PVC_CEPH_BUSY', `removing volume ${name} failed: it is in use by ${clients.join(', ')}`)
      await rbd(`removing volume ${name}`, ['rm', name, '--no-progress'], removeDeadlineMs)
    },
    async resizeVolume(pool, volume, sizeBytes) {
      const args = ['resize', ref(pool, volume), '--size', `${sizeBytes}B`, '--no-progress']
      await rbd(`resizing volume ${ref(pool, volume)}`, args)
    },
    async volumeInfo(pool, volume) {
      const name = ref(pool, volume)
      return parseVolumeInfo(await rbd(`reading volume ${name}`, ['info', name, ...JSON_OUT]))
    },
    async locks(volume) {
      const args = ['lock', 'ls', volume, ...JSON_OUT]
      return parseLocks(await rbd(`looking for locks of volume ${volume}`, args, lockDeadlineMs))
    },
    watchers,
    async blocklistClient(address, expireS) {
      const args = ['osd', 'blocklist', 'add', address, String(expireS)]
      await run({ tool: 'ceph', what: `blocklisting Ceph client ${address}`, args })
    },
    breakLock: (volume, lock) => removeLock(volume, lock, ['--rbd_blocklist_on_break_lock=false']),
    evictLocker: (volume, lock, expireS) =>
      removeLock(volume, lock, ['--rbd_blocklist_on_break_lock=true', `--rbd_blocklist_expire_seconds=${expireS}`]),
  }
}

function ref(pool: PoolName, volume: VolumeName): string {
  return `${pool}/${volume}`
}
