import { sleep } from '../base/clock.ts'
import type { Vm } from '../contract/vm.ts'
import { isPassingFailure } from './answer.ts'
import type { ApiClient } from './client.ts'
import { CommandFailure } from './failure.ts'
import { formatElapsed } from './output/quantity.ts'
import { ProgressLine } from './progress.ts'
import type { Session } from './session.ts'
import { fetchVm } from './vm-fetch.ts'

const FIRST_POLL_MS = 200
const SLOWEST_POLL_MS = 1000
/** Longer than any API lags behind the store: a version that has not moved by then is the one after the change. */
const STALE_ANSWER_MS = 3000

export type VmGoal = {
  /** What is waited for, e.g. `start`. */
  readonly action: string
  /** State word the VM ends in. */
  readonly state: string
  /** Version of the VM before the change; undefined when the server does not number them. */
  readonly versionBefore: number | undefined
}

export type Verdict = 'reached' | 'failed' | 'under-way'

/** How far a VM is from a goal, `elapsedMs` after the change was answered. */
export function judgeVm(vm: Vm, goal: VmGoal, elapsedMs: number): Verdict {
  // Another API of the cluster may answer, and not know of the change yet.
  const isStale = goal.versionBefore !== undefined && vm.version <= goal.versionBefore
  if (isStale && elapsedMs < STALE_ANSWER_MS) return 'under-way'
  // Servers before 2.0 do not say whether a VM has settled: their state word is all there is.
  if (vm.settled === false) return 'under-way'
  if (vm.state === 'fail') return 'failed'
  return vm.state === goal.state ? 'reached' : 'under-way'
}

/** What a VM is doing, in words. */
function phaseOf(vm: Vm): string {
  const phase = vm.state === 'start' && vm.settled === false ? 'starting' : vm.state
  return vm.failed_reason ? `${phase} on node ${vm.node}, last try: ${vm.failed_reason}` : `${phase} on node ${vm.node}`
}

/** What was seen of the VM at one look. */
type Look = { readonly verdict: Verdict; readonly text: string }

async function lookAt(api: ApiClient, name: string, goal: VmGoal, elapsedMs: () => number): Promise<Look> {
  try {
    const vm = await fetchVm(api, name)
    const verdict = judgeVm(vm, goal, elapsedMs())
    if (verdict !== 'failed') return { verdict, text: phaseOf(vm) }
    return { verdict, text: `failed on node ${vm.node}: ${vm.failed_reason || 'no reason given.'}` }
  } catch (error) {
    // The API may be moving to another node: the VM's way does not depend on it.
    if (isPassingFailure(error)) return { verdict: 'under-way', text: `unknown, ${error.message}` }
    throw error
  }
}

/**
 * Follows a VM until it reached the goal, with progress on stderr. The API is asked again and again rather than held, so
 * that a wait outlives the API it started on.
 * @throws CommandFailure when the VM failed or `timeoutMs` passed; the change itself stays asked for.
 */
export async function waitForVm(
  session: Session,
  api: ApiClient,
  name: string,
  goal: VmGoal,
  timeoutMs: number,
): Promise<void> {
  const { clock } = session.host
  const progress = new ProgressLine(session)
  const startMs = clock.nowMs()
  const elapsedMs = () => clock.nowMs() - startMs
  let pauseMs = FIRST_POLL_MS
  try {
    for (;;) {
      const { verdict, text } = await lookAt(api, name, goal, elapsedMs)
      if (verdict === 'reached') return
      if (verdict === 'failed') throw new CommandFailure(`VM "${name}" ${text}`)
      const leftMs = timeoutMs - elapsedMs()
      if (leftMs <= 0) {
        throw new CommandFailure(
          `VM "${name}" did not finish "${goal.action}" within ${formatElapsed(timeoutMs)} (${text}), and goes on with it. Look at it with "pvc vm info ${name}".`,
        )
      }
      progress.update(`Waiting for VM "${name}": ${text}`, formatElapsed(elapsedMs()))
      await sleep(clock, Math.min(pauseMs, leftMs))
      pauseMs = Math.min(pauseMs * 1.5, SLOWEST_POLL_MS)
    }
  } finally {
    progress.clear()
  }
}
