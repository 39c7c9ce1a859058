import { z } from 'zod'
import { NodeName, VmUuid } from './ids.ts'

/** A node that was looked at for a VM, and why it won or lost. */
export const Candidate = z.object({
  node: NodeName,
  /** False: it could not be taken. */
  eligible: z.boolean(),
  reason: z.string(),
  /** By the selector; more is better. Null: never looked at that far. */
  score: z.number().nullable(),
})
export type Candidate = z.infer<typeof Candidate>

/** What asked for an automatic choice of a node. */
export const DecisionKind = z.enum(['define', 'move', 'migrate', 'unmigrate', 'flush', 'ready', 'recover'])
export type DecisionKind = z.infer<typeof DecisionKind>

/** An automatic choice of a node and its reasons, shown by `pvc vm why`. */
export const Decision = z.object({
  /** Wall time, for display only. */
  at: z.number(),
  kind: DecisionKind,
  /** Where the VM was; null: nowhere yet. */
  from: NodeName.nullable(),
  /** Null: no node could take it. */
  choice: NodeName.nullable(),
  reason: z.string(),
  candidates: z.array(Candidate),
})
export type Decision = z.infer<typeof Decision>

/** The latest choices for one VM, oldest first. Writer: whoever chose, by compare-and-set. */
export const VmDecisions = z.object({ vm: VmUuid, decisions: z.array(Decision) })
export type VmDecisions = z.infer<typeof VmDecisions>

/** Choices kept for a VM: the document cannot grow beyond some ten kilobytes. */
export const DECISIONS_KEPT = 20

/** The document with one more choice, the oldest beyond {@link DECISIONS_KEPT} dropped. Pure. */
export function withDecision(present: VmDecisions | undefined, vm: VmUuid, decision: Decision): VmDecisions {
  return { vm, decisions: [...(present?.decisions ?? []), decision].slice(-DECISIONS_KEPT) }
}
