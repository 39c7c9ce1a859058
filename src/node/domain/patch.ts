import { unreachable } from '../../base/assert.ts'
import type { VmPhase, VmStatus } from '../../model/domain.ts'
import type { ActionOutcome, StatusPatch, VmAction } from './action.ts'
import { countStart, type VmMemory } from './memory.ts'

/** The status after a patch. seq is raised exactly when the record changes hands. */
export function applyPatch(status: VmStatus, patch: StatusPatch, wallMs: number): VmStatus {
  const { run, ...rest } = patch
  const phase: VmPhase = rest.phase ?? status.phase
  const next: VmStatus = { ...status, ...rest, since: phase === status.phase ? status.since : wallMs }
  return run === undefined ? next : { ...next, run, seq: status.seq + 1 }
}

/** What is remembered after an action was tried. */
export function rememberOutcome(memory: VmMemory, action: VmAction, outcome: ActionOutcome): VmMemory {
  if (action.kind !== 'start') return memory
  switch (outcome.kind) {
    case 'done':
      return countStart(memory)
    case 'overtaken':
      return memory
    case 'retryable':
    case 'final':
      return { ...memory, failure: { reason: outcome.reason, isFinal: outcome.kind === 'final' } }
    default:
      return unreachable(outcome)
  }
}
