import { z } from 'zod'

/**
 * A problem somebody should know of. A node's faults live in its status document and vanish with their cause;
 * `id` is stable for one cause so that the same problem is one fault.
 */
export const Fault = z.object({
  id: z.string().regex(/^[A-Z0-9_]+(:[A-Za-z0-9_./-]+)?$/),
  severity: z.enum(['warning', 'error', 'critical']),
  /** One sentence for an operator: what is wrong and what to do. */
  message: z.string(),
  /** Wall time of the first report, milliseconds since 1970, for display only. */
  since: z.number(),
})
export type Fault = z.infer<typeof Fault>

/** How much a fault takes from the health of 100. */
export const FAULT_DELTA = { warning: 10, error: 25, critical: 50 } as const
