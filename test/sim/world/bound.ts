/** Deadlines of commands, as the adapters have them: the command is killed, its effect may come all the same. */
import type { Clock } from '../../../src/base/clock.ts'
import { withDeadline } from '../../../src/base/deadline.ts'
import { PvcError } from '../../../src/model/errors.ts'
import type { StorageFence } from '../../../src/ports/storage-fence.ts'

export function boundStorage(storage: StorageFence, clock: Clock, deadlineMs: number): StorageFence {
  const bound = <T>(what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
    const killed = new PvcError('PVC_CEPH_TIMEOUT', `ceph ${what} was killed`)
    if (signal?.aborted) return Promise.reject(killed)
    const inTime = withDeadline(clock, deadlineMs, what, work())
    return new Promise<T>((resolve, reject) => {
      const abort = () => reject(killed)
      const ended = () => signal?.removeEventListener('abort', abort)
      signal?.addEventListener('abort', abort, { once: true })
      inTime.then(resolve, (error: unknown) => reject(error instanceof PvcError ? error : killed)).finally(ended)
    })
  }
  return {
    blocklist: (addresses, expireS, signal) =>
      bound('osd blocklist add', signal, () => storage.blocklist(addresses, expireS)),
    unblocklist: (addresses, signal) => bound('osd blocklist rm', signal, () => storage.unblocklist(addresses)),
    entries: (signal) => bound('osd blocklist ls', signal, () => storage.entries()),
    osds: (signal) => bound('osd dump', signal, () => storage.osds()),
    osdEpochs: (osds, signal) => bound('tell osd', signal, () => storage.osdEpochs(osds)),
    markDown: (osds, signal) => bound('osd down', signal, () => storage.markDown(osds)),
    mayBlocklist: (signal) => bound('osd blocklist add', signal, () => storage.mayBlocklist()),
  }
}
