import type { VmArrival } from '../../model/domain.ts'
import { errorChain } from '../../model/errors.ts'
import type { VmAction } from './action.ts'
import type { CopyCall, LocalDomain, VmObservation } from './observation.ts'
import type { MoveLook } from './observe-move.ts'

/** So long a complete copy, looked at once, is taken for unchanged when libvirt says nothing: until the next plain look. */
const ARRIVED_MS = 1000

/**
 * Remembers the one libvirt call that copies a VM, whether libvirt let the guest run again after the switch, and what the
 * other side said directly. All is lost with the daemon: then libvirt's job and the state of the domain tell, a guest that
 * was resumed is running, and the store has what was said.
 */
export function createCopyWatch(onNews: () => void) {
  let copyCall: CopyCall | undefined
  let qemuPid: number | undefined
  let isResumedSinceSwitch = false
  let isSwitched = false
  let isMoving = false
  let told: VmArrival | undefined
  let arrived: { readonly domain: LocalDomain; readonly seenAtMs: number } | undefined
  let ended: Promise<void> = Promise.resolve()
  return {
    look: (nowMs: number): MoveLook => ({
      copyCall,
      isResumedSinceSwitch,
      isSwitched: isSwitched && copyCall?.state === 'running',
      qemuPid,
      told,
      arrived: arrived !== undefined && nowMs - arrived.seenAtMs < ARRIVED_MS ? arrived.domain : undefined,
      isMoving,
    }),
    /** Starts the call and returns at once. */
    start(id: string, pid: number | undefined, run: () => Promise<void>): void {
      copyCall = { id, state: 'running', error: undefined }
      qemuPid = pid
      isResumedSinceSwitch = false
      isSwitched = false
      const returned = (error: string | undefined) => {
        if (copyCall?.id === id) copyCall = { id, state: 'returned', error }
        onNews()
      }
      ended = run().then(
        () => returned(undefined),
        (error: unknown) => returned(errorChain(error)),
      )
    },
    /** Resolves when the latest call has returned, well or not. */
    ended: (): Promise<void> => ended,
    /** Takes libvirt's lifecycle events of the domain in their order. */
    event(event: string, detail: string): void {
      arrived = undefined
      if (event === 'suspended' && detail === 'migrated') {
        isSwitched = true
        isResumedSinceSwitch = false
      } else if (event === 'resumed') {
        isSwitched = false
        isResumedSinceSwitch = true
      } else if (event === 'stopped') isSwitched = false
    },
    /** The target says directly what it has. */
    tell(arrival: VmArrival): void {
      told = arrival
      onNews()
    },
    /** Takes what a look at the world showed of a move, for the next one. */
    saw({ domain, status, move, nowMs }: VmObservation): void {
      isMoving = (status?.migration ?? null) !== null || move.incoming !== undefined
      if (arrived !== undefined && nowMs - arrived.seenAtMs < ARRIVED_MS) return
      arrived = domain?.isArrived ? { domain, seenAtMs: nowMs } : undefined
    },
    /** What was known of the domain here is over by what was done with it. */
    did(action: VmAction['kind']): void {
      if (action !== 'say-arrival') arrived = undefined
      if (action === 'end-source') qemuPid = undefined
    },
  }
}
