import type { VmAction } from './action.ts'
import type { VmMemory } from './memory.ts'

/** A problem of this VM that the node publishes while it lasts. */
export type VmProblem = { readonly id: string; readonly message: string }

/** What to do next (undefined: nothing), what to remember, when to look again without an event. */
export type VmDecision = {
  readonly action: VmAction | undefined
  readonly memory: VmMemory
  readonly wakeInMs: number | undefined
  readonly problems: readonly VmProblem[]
}

/** Puts a decision together. */
export function decision(
  memory: VmMemory,
  action?: VmAction,
  wakeInMs?: number,
  problems: readonly VmProblem[] = [],
): VmDecision {
  return { action, memory, wakeInMs, problems }
}
