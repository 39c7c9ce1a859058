import type { Vm } from '../contract/vm.ts'
import type { ApiClient } from './client.ts'
import { formatCopy, formatStep } from './output/migration-view.ts'
import { formatElapsed } from './output/quantity.ts'
import type { Session } from './session.ts'
import { type FollowStyle, follow, type Look, lookAtVm } from './vm-wait.ts'

/** A move of a small guest takes a second: the end of it is seen soon, and a long one is not asked for all the time. */
const PAUSE_SHARE = 0.05
const FASTEST_LOOK_MS = 50
const SLOWEST_LOOK_MS = 1000

/** A move that was ordered. */
export type MoveGoal = {
  /** What is waited for, e.g. `migrate`. */
  readonly action: string
  /** Where the VM goes; undefined: the server did not say. */
  readonly node: string | undefined
  /** Version of the VM that holds the order; undefined: the server does not number them. */
  readonly version: number | undefined
  /** Undefined: the server has no orders. */
  readonly order: string | undefined
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}

/** How far a VM is on its way. `isBrief` leaves the figures out, which change at every look. */
export function judgeMove(vm: Vm, goal: MoveGoal, isBrief: boolean): Look {
  const underWay = (text: string): Look => ({ verdict: 'under-way', text })
  const failed = (text: string): Look => ({ verdict: 'failed', text })
  // Another API of the cluster may answer, and not know of the order yet.
  if (goal.version !== undefined && vm.version < goal.version) return underWay('ordered')
  const { migration } = vm
  if (migration) {
    if (migration.id !== goal.order && migration.step !== 'cancel')
      return failed(`was sent to node ${migration.to} by another request.`)
    return underWay(isBrief ? formatStep(migration) : formatCopy(migration))
  }
  if (vm.move_failed_reason) return failed(`stays on node ${vm.node}: ${sentence(vm.move_failed_reason)}`)
  if (['migrate', 'migrate-live', 'unmigrate'].includes(vm.state)) return underWay(`${vm.state} on node ${vm.node}`)
  if (vm.state === 'fail')
    return failed(`failed on node ${vm.node}: ${sentence(vm.failed_reason || 'no reason given')}`)
  if (goal.node !== undefined && vm.node !== goal.node)
    return failed(`is on node ${vm.node}: the move was cancelled, or another request came after it.`)
  if (vm.state !== 'start')
    return failed(`is in state ${vm.state} on node ${vm.node}: another request came after the move.`)
  return vm.settled === false ? underWay(`starting on node ${vm.node}`) : { verdict: 'reached', text: '' }
}

/** Follows a VM until its move has ended. @throws CommandFailure saying where it stayed and why */
export async function waitForMove(
  session: Session,
  api: ApiClient,
  name: string,
  goal: MoveGoal,
  timeoutMs: number,
): Promise<void> {
  // In a log every new text is a line, so the figures are for terminals.
  const isBrief = !session.host.stderr.isTty
  await followMove(session, api, name, goal.action, timeoutMs, (vm) => judgeMove(vm, goal, isBrief))
}

/** Follows a VM until nothing is left of a move that was taken back. */
export async function waitForCancel(session: Session, api: ApiClient, name: string, timeoutMs: number): Promise<void> {
  await followMove(session, api, name, 'cancel', timeoutMs, (vm) =>
    vm.migration ? { verdict: 'under-way', text: formatCopy(vm.migration) } : { verdict: 'reached', text: '' },
  )
}

async function followMove(
  session: Session,
  api: ApiClient,
  name: string,
  action: string,
  timeoutMs: number,
  judge: (vm: Vm) => Look,
): Promise<void> {
  const style: FollowStyle = {
    pauseMs: (elapsedMs) => Math.min(Math.max(elapsedMs * PAUSE_SHARE, FASTEST_LOOK_MS), SLOWEST_LOOK_MS),
    waiting: (seen: string) => `Waiting for VM "${name}": ${seen}`,
    failed: (seen: string) => `VM "${name}" ${seen}`,
    late: (seen: string) =>
      `VM "${name}" did not finish "${action}" within ${formatElapsed(timeoutMs)} (${seen}), and goes on with it. Look at it with "pvc vm info ${name}".`,
  }
  await follow(session, () => lookAtVm(api, name, judge), style, timeoutMs)
}
