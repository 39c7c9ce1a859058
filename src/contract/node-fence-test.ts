import { z } from 'zod'
import { requiredText } from './argument.ts'
import { Count, defineRoute } from './route.ts'

/** What one coordinator could do for the node if it were primary. */
export const CoordinatorFenceTest = z.object({
  name: z.string(),
  /** Its daemon is in state run; only such coordinators are asked. */
  running: z.boolean(),
  /** Whether what follows was found by the test that was asked for now; of the last test: whether it ever made one. */
  answered: z.boolean(),
  /** Milliseconds since 1970; null: never. */
  tested_at: z.number().nullable(),
  /** It reaches the node's power and may shut the node out of Ceph. False also when it never tested that. */
  ok: z.boolean(),
  /** Messages of the checks that failed. */
  problems: z.array(z.string()),
})
export type CoordinatorFenceTest = z.infer<typeof CoordinatorFenceTest>

/** What the last fence test of a node found. */
export const FenceTest = z.object({
  node: z.string(),
  /** Counts tests; 0: it was never tested. */
  run: Count,
  /** Milliseconds since 1970; null: never. */
  tested_at: z.number().nullable(),
  /** ready; weak: it can be fenced in one way only; unready: not at all; unknown: it was never tested. As the primary sees it. */
  grade: z.string(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), message: z.string() })),
  /** The primary that found it; null: not known. */
  tested_by: z.string().nullable(),
  /** Every registered coordinator, by name. */
  coordinators: z.array(CoordinatorFenceTest),
})
export type FenceTest = z.infer<typeof FenceTest>

const input = z.object({ node: requiredText })

export const nodeFenceTestRoutes = {
  nodeFenceTest: defineRoute('nodeFenceTest', {
    summary: 'What the last test of whether this node could be fenced found.',
    input,
    output: FenceTest,
    errors: ['PVC_OBJECT_NOT_FOUND'],
  }),
  nodeRunFenceTest: defineRoute('nodeRunFenceTest', {
    summary:
      'Lets every running coordinator test whether this node could be fenced, and answers what they found. Nothing is switched.',
    input,
    output: FenceTest,
    errors: ['PVC_OBJECT_NOT_FOUND', 'PVC_OBJECT_CONFLICT', 'PVC_WAIT_TIMEOUT'],
  }),
} as const
