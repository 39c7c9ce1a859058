import type { RouteInput } from '../../contract/routes.ts'
import type { Decision, vmMoveRoutes } from '../../contract/vm-move.ts'
import type { Decision as StoredDecision } from '../../model/decision.ts'
import { readDecisions } from '../../operations/decisions.ts'
import { argumentError } from '../../operations/plan.ts'
import { requireVm } from '../../operations/view.ts'
import { cancelMove, type Move, type MoveAsked, moveVm, planVmMove } from '../../operations/vm-move.ts'
import { moveDeadlineMs, waitForCancel, waitForMove } from '../../operations/vm-move-wait.ts'
import type { Handlers, RequestContext } from '../handler.ts'

type MoveInput = RouteInput<'vmMove'>

/** What is answered when a move was ordered, when it is done, and to a question. */
const MOVE_MESSAGES = {
  move: ['Permanently migrating', 'Permanently migrated', 'would be permanently migrated', 'to'],
  migrate: ['Migrating', 'Migrated', 'would be migrated', 'to'],
  unmigrate: ['Unmigrating', 'Unmigrated', 'would be unmigrated', 'back to'],
} as const

/** A decision as clients see it: what is nowhere is an empty text. */
export function shownDecision(decision: StoredDecision): Decision {
  const { from, choice, candidates, ...rest } = decision
  return { ...rest, from: from ?? '', choice: choice ?? '', candidates: candidates.map((each) => ({ ...each })) }
}

function askedOf(input: MoveInput): MoveAsked {
  const { bandwidth, auto_converge, parallel } = input
  return {
    action: input.action,
    target: input.node,
    isForced: input.force,
    isLiveOnly: input.force_live,
    policy: {
      ...(bandwidth === undefined ? {} : { bandwidthMiBps: bandwidth }),
      ...(auto_converge === undefined ? {} : { autoConverge: auto_converge }),
      ...(parallel === undefined ? {} : { parallel }),
    },
    version: input.version,
  }
}

/** How the guest gets there, where it is not live. */
function howText({ plan, spec }: Move): string {
  if (plan.way === 'shutdown') return ' It is shut down and started there.'
  return plan.way === 'place' && spec.power !== 'on' ? ' It is not running.' : ''
}

function answerOf(move: Move, message: string, isDecisionShown: boolean) {
  const { spec, target, decision } = move
  return {
    message,
    node: target as string,
    version: spec.generation,
    order: move.plan.way === 'stay' ? '' : (spec.move?.id ?? ''),
    ...(isDecisionShown && decision !== undefined ? { decision: shownDecision(decision) } : {}),
  }
}

function stayText({ spec, plan }: Move): string {
  if (plan.givenUp !== undefined) return `VM '${spec.name}' stays on node '${plan.from}'.`
  return `VM '${spec.name}' is on node '${plan.from}' for good now.`
}

async function move({ deps, signal }: RequestContext, input: MoveInput) {
  const asked = askedOf(input)
  const [ordering, done, would, to] = MOVE_MESSAGES[input.action]
  if (input.dry_run) {
    const plan = await planVmMove(deps, input.vm, asked)
    const message = `VM '${plan.spec.name}' ${would} ${to} node '${plan.target}'.${howText(plan)}`
    return answerOf(plan, message, true)
  }
  const ordered = await moveVm(deps, input.vm, asked)
  const isAutomatic = ordered.plan.target === undefined
  const text = (verb: string) => `${verb} VM '${ordered.spec.name}' ${to} node '${ordered.target}'.`
  if (ordered.plan.way === 'stay') return answerOf(ordered, stayText(ordered), false)
  if (ordered.spec.move === null) return answerOf(ordered, text(done), isAutomatic)
  if (!input.wait) return answerOf(ordered, `${text(ordering)}${howText(ordered)}`, isAutomatic)
  await waitForMove(deps, ordered.spec, moveDeadlineMs(deps, ordered.spec), signal)
  return answerOf(ordered, text(done), isAutomatic)
}

async function cancel({ deps, signal }: RequestContext, input: MoveInput) {
  if (input.dry_run) throw argumentError('dry_run', 'says nothing of a move that is cancelled')
  if (input.node !== undefined) throw argumentError('node', 'must not be given to cancel a move')
  const { spec, gaveUp } = await cancelMove(deps, input.vm, input.version)
  if (input.wait) await waitForCancel(deps, spec, moveDeadlineMs(deps, spec), signal)
  const message = `Cancelled the move of VM '${spec.name}' to node '${gaveUp}'; it stays on node '${spec.node}'.`
  return { message, node: spec.node as string, version: spec.generation, order: '' }
}

export const vmMoveHandlers = {
  vmMove: (context, input) => (input.cancel ? cancel(context, input) : move(context, input)),
  vmDecisions: async ({ deps }, { vm, last }) => {
    const { name, uuid } = requireVm(deps.index, vm).spec.value
    const decisions = [...(await readDecisions(deps, uuid))].reverse()
    return { name, decisions: decisions.slice(0, last ?? decisions.length).map(shownDecision) }
  },
} satisfies Pick<Handlers, keyof typeof vmMoveRoutes>
