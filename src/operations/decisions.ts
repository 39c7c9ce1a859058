import { withDeadline } from '../base/deadline.ts'
import { type Decision, type DecisionKind, type VmDecisions, withDecision } from '../model/decision.ts'
import { hasCode } from '../model/errors.ts'
import type { NodeName, VmUuid } from '../model/ids.ts'
import type { Placement } from '../model/placement.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps } from './deps.ts'

/** Others may add a choice for the same VM this often while we try. */
const MAX_ATTEMPTS = 5
/** An answer waits no longer than this for its decision to be kept. */
const KEEP_DEADLINE_MS = 2000

/** A choice with its circumstances. */
export function decisionOf(
  placement: Placement,
  about: { readonly at: number; readonly kind: DecisionKind; readonly from: NodeName | null },
): Decision {
  const { choice, reason, candidates } = placement
  return { ...about, choice, reason, candidates: [...candidates] }
}

/** Keeps a choice for `pvc vm why`. Never fails: what was decided is done already, whatever becomes of its record. */
export async function keepDecision(deps: OperationsDeps, vm: VmUuid, decision: Decision): Promise<void> {
  try {
    await withDeadline(deps.clock, KEEP_DEADLINE_MS, 'the list of decisions', append(deps, vm, decision))
  } catch (error) {
    deps.log.error({ err: error, vm }, 'a decision could not be kept')
  }
}

async function append(deps: OperationsDeps, vm: VmUuid, decision: Decision): Promise<void> {
  const session = connectedSession(deps)
  const key = tree.decisionsOf(vm)
  for (let attempt = 1; ; attempt += 1) {
    const present = await session.get(key)
    const next = withDecision(present?.value, vm, decision)
    try {
      if (present === undefined) await session.create(key, next)
      else await session.set(key, next, present.version)
      return
    } catch (error) {
      const isRace = hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_EXISTS', 'PVC_STORE_MISSING')
      if (!isRace || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

/** The latest choices for a VM, oldest first. Read from the store: they are asked for too rarely to be watched. */
export async function readDecisions(deps: OperationsDeps, vm: VmUuid): Promise<VmDecisions['decisions']> {
  return (await connectedSession(deps).get(tree.decisionsOf(vm)))?.value.decisions ?? []
}

/** Forgets the choices for a removed VM. */
export async function dropDecisions(deps: OperationsDeps, vm: VmUuid): Promise<void> {
  try {
    await connectedSession(deps).remove(tree.decisionsOf(vm).path)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_MISSING')) throw error
  }
}
