import { z } from 'zod'
import { requiredText } from './argument.ts'
import { Count, defineRoute } from './route.ts'

/** What the last fence test of a node found. */
export const FenceTest = z.object({
  node: z.string(),
  /** Counts tests; 0: it was never tested. */
  run: Count,
  /** Milliseconds since 1970; null: never. */
  tested_at: z.number().nullable(),
  /** ready; weak: it can be fenced in one way only; unready: not at all; unknown: it was never tested. */
  grade: z.string(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), message: z.string() })),
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
    summary: 'Lets the primary test whether this node could be fenced, and answers what it found. Nothing is switched.',
    input,
    output: FenceTest,
    errors: ['PVC_OBJECT_NOT_FOUND', 'PVC_OBJECT_CONFLICT', 'PVC_WAIT_TIMEOUT'],
  }),
} as const
