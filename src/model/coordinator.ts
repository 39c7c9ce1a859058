import { z } from 'zod'
import { Fault } from './fault.ts'
import { NodeName } from './ids.ts'

/** Who the operator wants to be primary. Writer: the API. */
export const PrimaryWanted = z.object({
  /** Null: whoever is able. */
  node: NodeName.nullable(),
  /** A node that was asked to give the primary's work up; it does not take it back while another one can. */
  not: NodeName.nullable(),
  /** Raised by every order. */
  wish: z.number().int().nonnegative(),
  by: z.string(),
})
export type PrimaryWanted = z.infer<typeof PrimaryWanted>

/** How one role of the primary is doing. */
export const RoleReport = z.object({
  name: z.string(),
  state: z.enum(['starting', 'running', 'failed', 'stopped']),
  /** Why it failed; empty otherwise. */
  reason: z.string(),
})
export type RoleReport = z.infer<typeof RoleReport>

/** What the primary says about itself and about the cluster. Writer: the primary, in its lease's session. */
export const PrimaryStatus = z.object({
  epoch: z.number().int().nonnegative(),
  node: NodeName,
  /** Generation of the cluster document up to which this primary obeys maintenance (protocol P8). */
  maintenanceSeen: z.number().int().nonnegative(),
  roles: z.array(RoleReport),
  /** Coordinator that is to take over: it prepares, and the others let it be first. Null: no handover is going on. */
  successor: NodeName.nullable().default(null),
  /** The holder of this epoch has stopped every role and will start nothing more: its successor need not wait (T9). */
  isRelinquished: z.boolean().default(false),
  /** Newest order of primary/wanted that was answered, and why it was not carried out; empty when it was. */
  wishSeen: z.number().int().nonnegative().default(0),
  wishProblem: z.string().default(''),
  /** What is wrong in the cluster, seen by the primary; an entry disappears with its cause. */
  faults: z.array(Fault),
})
export type PrimaryStatus = z.infer<typeof PrimaryStatus>
