/** The job that clears away what is left of VMs that were deleted long ago: their number would grow for ever. */
import type { Clock } from '../base/clock.ts'
import { isVmSpec } from '../model/domain.ts'
import { errorChain, hasCode } from '../model/errors.ts'
import { VmUuid } from '../model/ids.ts'
import type { Log } from '../ports/log.ts'
import type { Reign, TimetableJob } from '../ports/primary.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'

/** What may go on with numbers of a deleted VM is over by then: see decision 0006. */
export const TOMBSTONE_KEPT_MS = 30 * 24 * 3_600_000
/** Per run; what is left waits for the next one. */
const MOST_PER_RUN = 1000
/** VMs looked at at the same time. */
const PARALLEL = 16

export type TombstoneDeps = { readonly clock: Clock; readonly log: Log }

/** Reads the store itself and no index: with too many tombstones an index cannot be read any more. */
export function createTombstoneJob({ clock, log }: TombstoneDeps): TimetableJob {
  const clear = async (session: StoreSession, uuid: VmUuid): Promise<boolean> => {
    try {
      return await clearTombstone(session, uuid, clock.wallMs() - TOMBSTONE_KEPT_MS)
    } catch (error) {
      // Somebody defines a VM of this UUID at this moment.
      if (hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_NOT_EMPTY', 'PVC_STORE_MISSING')) return false
      if (!hasCode(error, 'PVC_STORE_CORRUPT')) throw error
      log.warn({ uuid, error: errorChain(error) }, 'a VM cannot be read, so it is not known whether it is deleted')
      return false
    }
  }
  return {
    name: 'tombstones',
    schedule: '41 * * * *',
    async run(reign) {
      const uuids = ((await reign.session.children(tree.vms.path)) ?? []).flatMap((name) => {
        const uuid = VmUuid.safeParse(name)
        return uuid.success ? [uuid.data] : []
      })
      let cleared = 0
      for (let first = 0; first < uuids.length && cleared < MOST_PER_RUN && isLasting(reign); first += PARALLEL) {
        const part = uuids.slice(first, first + PARALLEL).map((uuid) => clear(reign.session, uuid))
        cleared += (await Promise.all(part)).filter(Boolean).length
      }
      if (cleared > 0) log.info({ cleared }, 'what was left of VMs deleted 30 days ago was removed')
    },
  }
}

function isLasting(reign: Reign): boolean {
  return !reign.ended.aborted && reign.validForMs() > 0
}

/**
 * Removes a tombstone written before `beforeMs`. A define of the same UUID may begin at any moment: its last step is a
 * compare-and-set of the tombstone that it read, so the tombstone is written once more before a status goes, and goes itself
 * only when nothing is below it.
 */
async function clearTombstone(session: StoreSession, uuid: VmUuid, beforeMs: number): Promise<boolean> {
  const keys = tree.vm(uuid)
  const document = await session.get(keys.spec)
  if (document === undefined || isVmSpec(document.value) || document.value.deleted.at >= beforeMs) return false
  const status = await session.get(keys.status)
  if (status !== undefined && status.value.run !== null) return false
  for (const child of (await session.children(keys.spec.path)) ?? []) {
    const path = `${keys.spec.path}/${child}`
    if (path !== keys.status.path) await removeTree(session, path)
  }
  // Written, a status has a version that none made anew can have.
  const left = status && (await session.set(keys.status, status.value, status.version))
  const claimed = await session.set(keys.spec, document.value, document.version)
  if (left !== undefined) await session.remove(keys.status.path, left.version)
  await session.remove(keys.spec.path, claimed.version)
  return true
}

async function removeTree(session: StoreSession, path: string): Promise<void> {
  for (const child of (await session.children(path)) ?? []) await removeTree(session, `${path}/${child}`)
  await session.remove(path)
}
