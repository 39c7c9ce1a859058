import { z } from 'zod'
import { NodeName, VmUuid } from './ids.ts'

/** How a VM is dealt with, each with its meaning. */
export const FLUSH_METHODS = {
  live: 'it is copied live to the target',
  'shutdown-move': 'it is shut down here and started at the target',
  place: 'it does not run: the target starts it, or only has its placement',
  start: 'it is started here, because of its autostart',
  shutdown: 'it has nowhere to go: it is shut down, and started again when this node is ready',
  wait: 'it cannot be touched now; the reason tells what is waited for',
} as const
export const FlushMethod = z.enum(['live', 'shutdown-move', 'place', 'start', 'shutdown', 'wait'])
export type FlushMethod = z.infer<typeof FlushMethod>

/** States of a step, each with its meaning. */
export const FLUSH_STEP_STATES = {
  waiting: 'not begun',
  moving: 'under way',
  done: 'over: the VM is where it was to go',
  failed: 'not possible so far; the reason tells why',
  stopped: 'over: the VM is off, to be started when this node is ready',
} as const
export const FlushStepState = z.enum(['waiting', 'moving', 'done', 'failed', 'stopped'])
export type FlushStepState = z.infer<typeof FlushStepState>

/** What happens to one VM. */
export const FlushStep = z.object({
  vm: VmUuid,
  name: z.string(),
  /** Null: it goes nowhere. */
  target: NodeName.nullable(),
  method: FlushMethod,
  state: FlushStepState,
  reason: z.string(),
  /** Order by which it moves; null while there is none. */
  orderId: z.string().nullable(),
  /** Targets that failed; another is tried before one of them again. */
  tried: z.array(NodeName),
})
export type FlushStep = z.infer<typeof FlushStep>

/**
 * The plan of a node's flush or ready, and how far it is. It stays after the end, until the next one. Writer: the node;
 * at most 256 kB.
 */
export const FlushRun = z.object({
  id: z.string(),
  kind: z.enum(['flush', 'ready']),
  /** NodeSpec.wish it answers. */
  wish: z.number().int().nonnegative(),
  /** Wall time, for display only. */
  startedAt: z.number(),
  /** Null: not over. Wall time, for display only. */
  endedAt: z.number().nullable(),
  /** Node whose turn it is; null: it is our own, or none is needed. */
  waitsFor: NodeName.nullable(),
  /** What keeps the whole of it from going on or from ending; empty: nothing. */
  problem: z.string(),
  /** Moves at once. */
  parallel: z.number().int().positive(),
  /** In the order of the plan. */
  steps: z.array(FlushStep),
  /** Finished steps, and steps still to come, for which the document has no room. */
  hidden: z.number().int().nonnegative(),
  later: z.number().int().nonnegative(),
})
export type FlushRun = z.infer<typeof FlushRun>

/** A place in the queue of flushes; it is gone with the session of its holder. */
export const FlushTurn = z.object({ node: NodeName })
export type FlushTurn = z.infer<typeof FlushTurn>

/** True when nothing more will happen in this step. */
export function isOver(step: FlushStep): boolean {
  return step.state === 'done' || step.state === 'stopped'
}
