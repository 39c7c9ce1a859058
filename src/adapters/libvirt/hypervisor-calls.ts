import type { Clock } from '../../base/clock.ts'
import { DeadlineError, withDeadline } from '../../base/deadline.ts'
import { PvcError } from '../../model/errors.ts'
import { toHypervisorError } from './hypervisor-errors.ts'

/**
 * Deadlines for calls that cannot be cancelled. A call that outlived its deadline still occupies a thread and a place in
 * libvirt's queue, so the same call is not sent again until it has returned: a hung libvirt costs one call of each kind.
 */
export class CallGate {
  readonly #clock: Clock
  /** Calls past their deadline that have not returned. */
  readonly #overdue = new Set<string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * @param what names verb and subject, e.g. `destroy of UUID`; it is the identity of the call.
   * @throws PvcError PVC_HYPERVISOR_TIMEOUT, and as {@link toHypervisorError} says
   */
  async run<T>(what: string, deadlineMs: number, start: () => Promise<T>): Promise<T> {
    if (this.#overdue.has(what))
      throw new PvcError('PVC_HYPERVISOR_TIMEOUT', `${what}: libvirt has not answered the same call before`)
    const work = start()
    try {
      return await withDeadline(this.#clock, deadlineMs, what, work)
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw toHypervisorError(what, error)
      this.#overdue.add(what)
      const returned = () => void this.#overdue.delete(what)
      work.then(returned, returned)
      throw new PvcError('PVC_HYPERVISOR_TIMEOUT', `${what}: libvirt did not answer in time`, { cause: error })
    }
  }
}
