import type { Clock } from '../base/clock.ts'
import { Reconciler } from '../base/reconciler.ts'
import { errorChain } from '../model/errors.ts'
import type { FaultBoard } from './faults.ts'

const RESCAN_MS = 60_000

/** Looks now and then whether libvirt's start hook is in place; without it a start that was given up could still happen. */
export function createStartHookCheck(options: {
  readonly clock: Clock
  readonly faults: FaultBoard
  /** What is wrong, as a sentence with the fix; undefined when nothing is. */
  readonly problem: () => Promise<string | undefined>
}): { start(): void; stop(): Promise<void> } {
  const { clock, faults } = options
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RESCAN_MS,
    async pass() {
      const problem = await options.problem()
      if (problem === undefined) faults.clear('START_HOOK')
      else faults.set('START_HOOK', 'error', problem)
      return {}
    },
    onError: (error) =>
      faults.set('START_HOOK', 'error', `The libvirt start hook cannot be checked: ${errorChain(error)}.`),
  })
  return { start: () => loop.trigger(), stop: () => loop.stop() }
}
