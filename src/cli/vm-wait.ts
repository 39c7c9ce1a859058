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
export type Look = { readonly verdict: Verdict; readonly text: string }

/** Looks at a VM and judges it; an API that is away for a moment is no failure. */
export async function lookAtVm(api: ApiClient, name: string, judge: (vm: Vm) => Look): Promise<Look> {
  try {
    return judge(await fetchVm(api, name))
  } catch (error) {
    // The API may be moving to another node: the VM's way does not depend on it.
    if (isPassingFailure(error)) return { verdict: 'under-way', text: `unknown, ${error.message}` }
    throw error
  }
}

function lookFor(vm: Vm, goal: VmGoal, elapsedMs: number): Look {
  const verdict = judgeVm(vm, goal, elapsedMs)
  if (verdict !== 'failed') return { verdict, text: phaseOf(vm) }
  return { verdict, text: `failed on node ${vm.node}: ${vm.failed_reason || 'no reason given.'}` }
}

/** Texts of a wait, each made of what was seen last, and its pace. */
export type FollowStyle = {
  readonly waiting: (seen: string) => string
  readonly failed: (seen: string) => string
  readonly late: (seen: string) => string
  /** Pause before the next look, after so long a wait; undefined: 200 ms, growing to a second. */
  readonly pauseMs?: (elapsedMs: number) => number
}

/**
 * Looks again and again until something is reached, with progress on stderr. The API is asked rather than held, so that a
 * wait outlives the API it started on.
 * @throws CommandFailure when it failed or `timeoutMs` passed; what was asked for stays asked for.
 */
export async function follow(
  session: Session,
  look: (elapsedMs: number) => Promise<Look>,
  style: FollowStyle,
  timeoutMs: number,
): Promise<void> {
  const { clock } = session.host
  const progress = new ProgressLine(session)
  const startMs = clock.nowMs()
  const elapsedMs = () => clock.nowMs() - startMs
  let pauseMs = FIRST_POLL_MS
  try {
    for (;;) {
      const { verdict, text } = await look(elapsedMs())
      if (verdict === 'reached') return
      if (verdict === 'failed') throw new CommandFailure(style.failed(text))
      const leftMs = timeoutMs - elapsedMs()
      if (leftMs <= 0) throw new CommandFailure(style.late(text))
      progress.update(style.waiting(text), formatElapsed(elapsedMs()))
      await sleep(clock, Math.min(style.pauseMs?.(elapsedMs()) ?? pauseMs, leftMs))
      pauseMs = Math.min(pauseMs * 1.5, SLOWEST_POLL_MS)
    }
  } finally {
    progress.clear()
  }
}

/** Follows a VM until it reached the goal. @throws CommandFailure as {@link follow} */
export async function waitForVm(
  session: Session,
  api: ApiClient,
  name: string,
  goal: VmGoal,
  timeoutMs: number,
): Promise<void> {
  const style: FollowStyle = {
    waiting: (seen) => `Waiting for VM "${name}": ${seen}`,
    failed: (seen) => `VM "${name}" ${seen}`,
    late: (seen) =>
      `VM "${name}" did not finish "${goal.action}" within ${formatElapsed(timeoutMs)} (${seen}), and goes on with it. Look at it with "pvc vm info ${name}".`,
  }
  await follow(session, (elapsedMs) => lookAtVm(api, name, (vm) => lookFor(vm, goal, elapsedMs)), style, timeoutMs)
}
