import { unreachable } from '../../base/assert.ts'
import type { RunRecord, VmPhase, VmStatus } from '../../model/domain.ts'
import type { VmAction } from './decide.ts'
import type { VmMemory } from './memory.ts'

/** Change of a VM's status document; `run` given: the record changes hands and seq is raised. */
export type StatusPatch = Partial<Omit<VmStatus, 'seq' | 'run'>> & { readonly run?: RunRecord | null }

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
      return { ...memory, failure: undefined, isExitUnclean: true }
    case 'retryable':
    case 'final':
      return { ...memory, failure: { reason: outcome.reason, isFinal: outcome.kind === 'final' } }
    default:
      return unreachable(outcome)
  }
}

/** How an action ended. retryable: the loop tries again; final: only a new wish can help. */
export type ActionOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'retryable'; readonly reason: string }
  | { readonly kind: 'final'; readonly reason: string }
