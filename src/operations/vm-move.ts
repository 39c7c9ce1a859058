import type { Decision } from '../model/decision.ts'
import { isVmSpec, type VmSpec, type VmStatus } from '../model/domain.ts'
import { PvcError } from '../model/errors.ts'
import type { NodeName, VmUuid } from '../model/ids.ts'
import {
  chooseTarget,
  type MovePlan,
  type MoveWish,
  moveFacts,
  planMove,
  withMove,
  withoutMove,
} from '../model/move.ts'
import type { Placement, VmFacts } from '../model/placement.ts'
import type { Versioned } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { decisionOf, keepDecision } from './decisions.ts'
import { connectedSession, type OperationsDeps } from './deps.ts'
import { indexedPlacement } from './node-choice.ts'
import { argumentError } from './plan.ts'
import { readCluster } from './view.ts'
import { editVm, knownNodes, resolveVm } from './vm-edit.ts'

/** A move as a client asks for it. */
export type MoveAsked = Omit<MoveWish, 'id' | 'target'> & {
  readonly target: string | undefined
  readonly version: number | undefined
}

/** A move that was ordered, or would be. */
export type Move = {
  readonly spec: VmSpec
  readonly plan: MovePlan
  readonly target: NodeName
  /** The choice of the target, or the judgement of the one that was named; undefined: the VM stays where it runs. */
  readonly decision: Decision | undefined
}

/**
 * Orders a move: placement, home and order are one write. Of two at once the one that is written first stands, and the
 * other is judged against it.
 * @throws PVC_ARGUMENT_INVALID, PVC_STATE_REFUSED saying why it cannot work, PVC_OBJECT_CONFLICT when another is under way
 */
export async function moveVm(deps: OperationsDeps, nameOrUuid: string, asked: MoveAsked): Promise<Move> {
  const uuid = await resolveVm(deps, nameOrUuid)
  const wish = wishOf(deps, asked)
  const statusOf = await certainStatus(deps, uuid)
  let move: Move | undefined
  let refused: Decision | undefined
  try {
    await editVm(deps, uuid, asked.version, (spec) => {
      move = undefined
      const judged = judgeMove(deps, { spec, status: statusOf() }, wish)
      refused = judged.target === null ? judged.decision : undefined
      move = toMove(spec, judged, wish)
      return move.spec
    })
  } catch (error) {
    if (refused !== undefined && wish.target === undefined) await keepDecision(deps, uuid, refused)
    throw error
  }
  if (move === undefined) throw new Error('an edit that succeeds has been made')
  if (move.plan.target === undefined && move.decision !== undefined) await keepDecision(deps, uuid, move.decision)
  return move
}

/** What {@link moveVm} would do now. Changes nothing. */
export async function planVmMove(deps: OperationsDeps, nameOrUuid: string, asked: MoveAsked): Promise<Move> {
  const uuid = await resolveVm(deps, nameOrUuid)
  const spec = (await connectedSession(deps).get(tree.vm(uuid).spec))?.value
  if (!isVmSpec(spec)) throw new PvcError('PVC_OBJECT_NOT_FOUND', `VM '${nameOrUuid}' not found`)
  const wish = wishOf(deps, asked)
  return toMove(spec, judgeMove(deps, { spec, status: (await certainStatus(deps, uuid))() }, wish), wish)
}

/**
 * Takes a move back: the VM stays where it runs. When it has arrived in this very moment, it is on its way back after this.
 * @throws PVC_STATE_REFUSED when it is not moving
 */
export async function cancelMove(
  deps: OperationsDeps,
  nameOrUuid: string,
  expectedVersion: number | undefined,
): Promise<{ readonly spec: VmSpec; readonly gaveUp: NodeName }> {
  const uuid = await resolveVm(deps, nameOrUuid)
  const statusOf = await certainStatus(deps, uuid)
  let gaveUp: NodeName | undefined
  const spec = await editVm(deps, uuid, expectedVersion, (before) => {
    gaveUp = before.node
    return withoutMove({ spec: before, status: statusOf() })
  })
  return { spec, gaveUp: gaveUp ?? spec.node }
}

function wishOf(deps: OperationsDeps, { target, ...asked }: MoveAsked): MoveWish {
  const [known] = target === undefined ? [] : knownNodes(deps, 'node', [target])
  return { ...asked, id: crypto.randomUUID(), target: known }
}

/** The status as the store has it now; later looks take the index when it has seen a newer one. */
async function certainStatus(deps: OperationsDeps, uuid: VmUuid): Promise<() => VmStatus> {
  const key = tree.vm(uuid).status
  const read: Versioned<VmStatus> | undefined = await connectedSession(deps).get(key)
  if (read === undefined) throw new PvcError('PVC_OBJECT_NOT_FOUND', `VM ${uuid} is being removed`)
  return () => {
    const seen = deps.index.get(key)
    return seen !== undefined && seen.mzxid > read.mzxid ? seen.value : read.value
  }
}

type Judged = {
  readonly plan: MovePlan
  /** Null: nothing can take it. */
  readonly target: NodeName | null
  readonly decision: Decision | undefined
}

function judgeMove(deps: OperationsDeps, vm: VmFacts, wish: MoveWish): Judged {
  const facts = moveFacts(vm.spec.xml)
  const plan = planMove(vm, facts, wish)
  if (plan.way === 'stay') return { plan, target: plan.from, decision: undefined }
  const { defaults } = readCluster(deps.index)
  const context = { nodes: indexedPlacement(deps.index), defaultSelector: defaults.selector }
  const placement: Placement = chooseTarget(vm, facts, plan, context)
  const decision = decisionOf(placement, { at: deps.clock.wallMs(), kind: wish.action, from: plan.from })
  return { plan, target: placement.choice, decision }
}

function toMove(spec: VmSpec, { plan, target, decision }: Judged, wish: MoveWish): Move {
  if (target !== null) return { spec: withMove(spec, plan, target, wish), plan, target, decision }
  const candidates = decision?.candidates ?? []
  const message =
    plan.target === undefined
      ? `No node can take VM '${spec.name}': ${decision?.reason}`
      : `Node '${plan.target}' cannot take VM '${spec.name}': ${candidates[0]?.reason}`
  throw new PvcError('PVC_STATE_REFUSED', message, { details: { candidates } })
}

/** Refuses what only makes sense for the other. @throws PVC_ARGUMENT_INVALID */
export function checkMoveArguments(asked: {
  readonly cancel: boolean
  readonly isDryRun: boolean
  readonly target: string | undefined
}): void {
  if (!asked.cancel) return
  if (asked.isDryRun) throw argumentError('dry_run', 'says nothing of a move that is cancelled')
  if (asked.target !== undefined) throw argumentError('node', 'must not be given to cancel a move')
}
