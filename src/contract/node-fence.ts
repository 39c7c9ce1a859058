import { z } from 'zod'
import { flag, optionalInteger, requiredText } from './argument.ts'
import { Count, defineRoute, Message } from './route.ts'

/** A VM of a fenced node, and what became of it. Added in 2.0. */
export const FenceVictim = z.object({
  uuid: z.string(),
  name: z.string(),
  /** waiting, moved, off or failed. */
  state: z.string(),
  /** Node it went to; empty: none. */
  target: z.string(),
  reason: z.string(),
  /** Seconds after the fence began. */
  after_s: z.number(),
})
export type FenceVictim = z.infer<typeof FenceVictim>

/** How far the fencing of a node is, and how it came to that. Added in 2.0. */
export const NodeFence = z.object({
  node: z.string(),
  daemon_state: z.string(),
  /** closed, open, evidence or recovered. */
  state: z.string(),
  /** Counts the fences of this node. */
  seq: Count,
  /** Milliseconds since 1970; null: it was never fenced. */
  opened_at: z.number().nullable(),
  /** Who asked for it; empty: the cluster did it by itself. */
  ordered_by: z.string(),
  /** Why nothing goes on; empty: it does. */
  stuck: z.string(),
  /** The node itself has said that nothing runs on it any more. */
  acknowledged: z.boolean(),
  /** Order that the primary has not carried out yet: fence, confirm, or empty. */
  pending_order: z.string(),
  evidence: z.array(z.object({ kind: z.string(), text: z.string(), at: z.number() })),
  victims: z.array(FenceVictim),
  events: z.array(z.object({ after_s: z.number(), at: z.number(), step: z.string(), text: z.string() })),
})
export type NodeFence = z.infer<typeof NodeFence>

const ERRORS = ['PVC_OBJECT_NOT_FOUND', 'PVC_STATE_REFUSED', 'PVC_OBJECT_CONFLICT'] as const

export const nodeFenceRoutes = {
  nodeFenceStatus: defineRoute('nodeFenceStatus', {
    summary: 'How far the fencing of a node is: evidence, VMs, and what happened when.',
    input: z.object({ node: requiredText }),
    output: NodeFence,
    errors: ['PVC_OBJECT_NOT_FOUND'],
  }),
  nodeFence: defineRoute('nodeFence', {
    summary:
      'Fences a node on purpose: its guests are ended by force and started elsewhere. Needs `yes`, because it may work well.',
    input: z.object({ node: requiredText, yes: flag }),
    output: Message.extend({ seq: Count }),
    errors: ERRORS,
  }),
  nodeFenceConfirm: defineRoute('nodeFenceConfirm', {
    summary:
      'Says that somebody looked at the machine: it is off, or all its network cables are out, and stays so until its VMs run elsewhere. Needs `yes`. With `seq`, only about that fence.',
    input: z.object({ node: requiredText, yes: flag, seq: optionalInteger(0, 1_000_000_000) }),
    output: Message.extend({ seq: Count }),
    errors: ERRORS,
  }),
} as const
