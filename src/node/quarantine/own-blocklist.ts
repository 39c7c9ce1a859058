import type { Clock } from '../../base/clock.ts'
import { shareNext } from '../../base/share-next.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import { entriesOf } from '../../model/storage-address.ts'
import type { StorageFence } from '../../ports/storage-fence.ts'
import type { OwnBlocklist } from './snapshot.ts'

/** What is known of this node's own addresses in Ceph's blocklist. */
export type OwnBlocklistWatch = {
  /** Asks Ceph. */
  look(): Promise<OwnBlocklist>
  /** What was seen within the last `maxAgeMs`, otherwise Ceph is asked (protocol N3). */
  recent(maxAgeMs: number): Promise<OwnBlocklist>
  /** Takes the node's addresses out. @throws PVC_CEPH_* */
  lift(): Promise<void>
}

/** Nothing is asked before the first call. */
export function createOwnBlocklist(
  fence: Pick<StorageFence, 'entries' | 'unblocklist'>,
  addresses: readonly string[],
  clock: Clock,
): OwnBlocklistWatch {
  const own = new Set(addresses.flatMap((address) => entriesOf(address)))
  let seen: { readonly atMs: number; readonly answer: OwnBlocklist } | undefined

  const look = shareNext(async (): Promise<OwnBlocklist> => {
    const atMs = clock.nowMs()
    const answer = await ask()
    if (answer.kind !== 'unknown') seen = { atMs, answer }
    return answer
  })

  async function ask(): Promise<OwnBlocklist> {
    try {
      const entries = await fence.entries()
      return { kind: entries.some(({ address }) => own.has(address)) ? 'listed' : 'clear' }
    } catch (error) {
      if (!hasCode(error, 'PVC_CEPH_FAILED', 'PVC_CEPH_TIMEOUT', 'PVC_CEPH_NOT_FOUND')) throw error
      return { kind: 'unknown', reason: errorChain(error) }
    }
  }

  return {
    look,
    recent: (maxAgeMs) =>
      seen !== undefined && clock.nowMs() - seen.atMs <= maxAgeMs ? Promise.resolve(seen.answer) : look(),
    async lift() {
      seen = undefined
      await fence.unblocklist(addresses)
    },
  }
}
