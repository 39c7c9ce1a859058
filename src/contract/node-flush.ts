import { z } from 'zod'
import { flag, requiredText, requiredWord } from './argument.ts'
import { Count, defineRoute, Message } from './route.ts'

/** What happens to one VM when its node is emptied or filled. Added in 2.0. */
export const FlushStep = z.object({
  uuid: z.string(),
  name: z.string(),
  /** Node it goes to; empty: none. */
  target: z.string(),
  /** live, shutdown-move, place, start, shutdown or wait. */
  method: z.string(),
  /** waiting, moving, done, failed or stopped. */
  state: z.string(),
  /** Why it goes there, why it cannot, or what it waits for. */
  reason: z.string(),
  /** Of a copy under way; null otherwise. */
  percent: z.number().nullable(),
  remaining_mib: z.number().nullable(),
  /** Time left at the present speed. */
  expected_s: z.number().nullable(),
})
export type FlushStep = z.infer<typeof FlushStep>

/** The plan of emptying or filling a node, and how far it is. Added in 2.0. */
export const NodeFlush = z.object({
  node: z.string(),
  daemon_state: z.string(),
  domain_state: z.string(),
  /** flush or ready; empty: the node was never asked for either. */
  kind: z.string(),
  /** Counts what was asked of the node. */
  wish: Count,
  /** False: the node has not taken up yet what is wanted of it now, and the rest tells of before. */
  current: z.boolean(),
  /** Milliseconds since 1970; null: not begun, or not over. */
  started_at: z.number().nullable(),
  ended_at: z.number().nullable(),
  /** Node whose turn it is; empty: nobody is waited for. */
  waits_for: z.string(),
  /** What keeps the whole of it from ending; empty: nothing. */
  problem: z.string(),
  /** Moves at once. */
  parallel: Count,
  /** In the order in which it is done. */
  steps: z.array(FlushStep),
  /** Finished steps, and steps still to come, that are not listed. */
  hidden: Count,
  later: Count,
})
export type NodeFlush = z.infer<typeof NodeFlush>

/** What a node can be asked to be. */
export const DOMAIN_WISHES = ['ready', 'flush'] as const

export const nodeFlushRoutes = {
  nodeSetDomainState: defineRoute('nodeSetDomainState', {
    summary:
      'Empties a node (flush) or takes it back into service (ready). With `wait` the answer comes when that is done, or after a time; with `dry_run` nothing is done, and the plan is answered.',
    input: z.object({
      node: requiredText,
      state: requiredWord(DOMAIN_WISHES),
      wait: flag,
      dry_run: flag,
    }),
    output: Message.extend({
      /** Number of what was asked, as in NodeFlush. */
      wish: Count,
      /** With `dry_run`. */
      plan: NodeFlush.optional(),
    }),
    errors: ['PVC_OBJECT_NOT_FOUND', 'PVC_OBJECT_CONFLICT', 'PVC_VM_FAILED', 'PVC_WAIT_TIMEOUT'],
  }),
  nodeFlush: defineRoute('nodeFlush', {
    summary: 'The plan of emptying or filling a node, and how far it is.',
    input: z.object({ node: requiredText }),
    output: NodeFlush,
    errors: ['PVC_OBJECT_NOT_FOUND'],
  }),
} as const
