import { errorChain } from '../../model/errors.ts'
import type { CopyCall } from './observation.ts'
import type { MoveLook } from './observe-move.ts'

/**
 * Remembers the one libvirt call that copies a VM, and whether libvirt let the guest run again after the switch. Both are
 * lost with the daemon: then libvirt's job and the state of the domain tell, and a guest that was resumed is running.
 */
export function createCopyWatch(onNews: () => void) {
  let copyCall: CopyCall | undefined
  let isResumedSinceSwitch = false
  let isSwitched = false
  let ended: Promise<void> = Promise.resolve()
  return {
    look: (): MoveLook => ({
      copyCall,
      isResumedSinceSwitch,
      isSwitched: isSwitched && copyCall?.state === 'running',
    }),
    /** Starts the call and returns at once. */
    start(id: string, run: () => Promise<void>): void {
      copyCall = { id, state: 'running', error: undefined }
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
      if (event === 'suspended' && detail === 'migrated') {
        isSwitched = true
        isResumedSinceSwitch = false
      } else if (event === 'resumed') {
        isSwitched = false
        isResumedSinceSwitch = true
      } else if (event === 'stopped') isSwitched = false
    },
  }
}
