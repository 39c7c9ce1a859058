import type { VolumeRef } from '../../../model/ids.ts'
import type { VolumeLock, VolumeWatcher } from '../../../model/storage.ts'
import { clientIp } from '../../../model/storage-address.ts'

/** What Ceph and this machine say about one volume before a start. */
export type VolumeState = {
  readonly volume: VolumeRef
  readonly locks: readonly VolumeLock[]
  /** Clients that have the image open; only asked for when the last exit was unclean. */
  readonly watchers: readonly VolumeWatcher[]
  /** Local processes that use the volume. */
  readonly localUsers: readonly number[]
}

/** One thing to do before the volumes may be used. */
export type VolumeStep =
  | { readonly kind: 'blocklist'; readonly address: string }
  /** Blocklists the lock's client and removes the lock. */
  | { readonly kind: 'evict'; readonly volume: VolumeRef; readonly lock: VolumeLock }

/** Steps to take, or the sentence that says who is in the way. */
export type VolumePlan =
  | { readonly kind: 'clear'; readonly steps: readonly VolumeStep[] }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Decides about locks and watches left on the volumes of a VM that has no domain here. Ours and dead (our address, no
 * local process uses the volume): blocklist that client instance and break its lock, because a dead client's watch
 * would stay about 30 s. Anybody else's lock is never broken: exclusive-lock is handed over on request, so a second
 * writer would not be stopped by it.
 */
export function planVolumes(states: readonly VolumeState[], ownAddresses: readonly string[]): VolumePlan {
  const steps: VolumeStep[] = []
  const blocklisted = new Set<string>()
  const blocklist = (address: string) => {
    if (blocklisted.has(address)) return
    blocklisted.add(address)
    steps.push({ kind: 'blocklist', address })
  }
  for (const state of states) {
    for (const lock of state.locks) {
      const isOurs = ownAddresses.includes(clientIp(lock.address))
      if (!isOurs || state.localUsers.length > 0) return { kind: 'refused', reason: refusal(state, lock, isOurs) }
      blocklisted.add(lock.address)
      steps.push({ kind: 'evict', volume: state.volume, lock })
    }
    if (state.localUsers.length > 0) continue
    for (const watcher of state.watchers) {
      if (ownAddresses.includes(clientIp(watcher.address))) blocklist(watcher.address)
    }
  }
  return { kind: 'clear', steps }
}

function refusal(state: VolumeState, lock: VolumeLock, isOurs: boolean): string {
  const who = isOurs
    ? `process ${state.localUsers.join(', ')} of this node`
    : `${lock.locker} at ${clientIp(lock.address)}`
  return `Volume ${state.volume} is locked by ${who} (lock "${lock.lockId}", client ${lock.address}); stop that client first.`
}
