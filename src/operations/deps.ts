import type { Clock } from '../base/clock.ts'
import { PvcError } from '../model/errors.ts'
import type { HostNetwork } from '../model/network-check.ts'
import type { Ceph } from '../ports/ceph.ts'
import type { Log } from '../ports/log.ts'
import type { RuleChecker } from '../ports/packet-filter.ts'
import type { Store, StoreSession } from '../ports/store.ts'
import type { Key } from '../schema/key.ts'
import type { DocumentIndex } from './document-index.ts'
import type { PoolStatsCache } from './pool-stats.ts'

/** What every operation is given. */
export type OperationsDeps = {
  readonly store: Store
  readonly index: DocumentIndex
  readonly ceph: Ceph
  readonly poolStats: PoolStatsCache
  /** Asked before packet filter rules are accepted. */
  readonly rules: RuleChecker
  readonly clock: Clock
  readonly log: Log
  /** What the configuration says of the hosts' own networks, see `configuredHostNetworks`. */
  readonly hostNetworks: readonly HostNetwork[]
  /** What the configuration says where a request does not. */
  readonly defaults: { readonly maxDowntimeMs: number; readonly underlayMtu: number; readonly bridgeMtu: number }
}

/** How long a change waits for the index to show it; after that it is answered all the same, because it was made. */
export const SEE_OWN_WRITE_MS = 5000

/** The connected session. @throws PVC_STORE_UNAVAILABLE at once when there is none: a change is never queued. */
export function connectedSession(deps: OperationsDeps): StoreSession {
  const session = deps.store.session.value
  if (session?.state.value === 'connected') return session
  throw new PvcError('PVC_STORE_UNAVAILABLE', 'ZooKeeper cannot be reached at the moment, so nothing was changed')
}

/** Waits until a created or changed document shows in lists; a creation has no number (0n). */
export async function seeOwnWrite<T>(deps: OperationsDeps, key: Key<T>, mzxid: bigint): Promise<void> {
  if (!(await deps.index.reached(key.path, mzxid, SEE_OWN_WRITE_MS))) warnUnseen(deps, key)
}

/** Waits until a removed document no longer shows in lists. */
export async function seeOwnRemoval<T>(deps: OperationsDeps, key: Key<T>): Promise<void> {
  if (deps.index.get(key) === undefined) return
  if (!(await deps.index.removed(key.path, SEE_OWN_WRITE_MS))) warnUnseen(deps, key)
}

function warnUnseen<T>(deps: OperationsDeps, key: Key<T>): void {
  deps.log.warn({ path: key.path }, 'the index did not show a change in time')
}

/**
 * Looks at a condition now and after every change of the index.
 * @returns how it ended; rejects with what `isDone` throws
 */
export function watchIndex(
  deps: OperationsDeps,
  deadlineMs: number,
  signal: AbortSignal | undefined,
  isDone: () => boolean,
): Promise<'done' | 'timeout' | 'aborted'> {
  return new Promise((resolve, reject) => {
    const stops: (() => void)[] = []
    const finish = (act: () => void) => {
      for (const stop of stops.splice(0)) stop()
      act()
    }
    const look = () => {
      try {
        if (isDone()) finish(() => resolve('done'))
      } catch (error) {
        finish(() => reject(error))
      }
    }
    const abandon = () => finish(() => resolve('aborted'))
    const timer = deps.clock.setTimer(deadlineMs, () => finish(() => resolve('timeout')))
    stops.push(() => timer.cancel(), deps.index.onChange(look))
    stops.push(() => signal?.removeEventListener('abort', abandon))
    signal?.addEventListener('abort', abandon, { once: true })
    if (signal?.aborted) abandon()
    else look()
  })
}
