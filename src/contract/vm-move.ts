import { z } from 'zod'
import { flag, optionalFlag, optionalInteger, optionalText, requiredText, requiredWord } from './argument.ts'
import { Count, defineRoute, Message } from './route.ts'

/** An automatic choice of a node. Added in 2.0. */
export const Decision = z.object({
  /** Milliseconds since 1970. */
  at: z.number(),
  /** define, move, migrate, unmigrate, flush, ready or recover. */
  kind: z.string(),
  /** Where the VM was; empty: nowhere yet. */
  from: z.string(),
  /** Empty: no node could take it. */
  choice: z.string(),
  reason: z.string(),
  candidates: z.array(
    z.object({ node: z.string(), eligible: z.boolean(), reason: z.string(), score: z.number().nullable() }),
  ),
})
export type Decision = z.infer<typeof Decision>

/** A move under way. Figures are null while there are none. Added in 2.0. */
export const VmMigration = z.object({
  /** Id of the order that is carried out. */
  id: z.string(),
  from: z.string(),
  to: z.string(),
  /** waiting, prepare, copy, shutdown, resume or cancel. */
  step: z.string(),
  /** Milliseconds since 1970. */
  started_at: z.number().nullable(),
  percent: z.number().nullable(),
  remaining_mib: z.number().nullable(),
  total_mib: z.number().nullable(),
  /** How fast the guest changes its memory. */
  dirty_mibps: z.number().nullable(),
  speed_mibps: z.number().nullable(),
  /** Time left at the present speed. */
  expected_s: z.number().nullable(),
})
export type VmMigration = z.infer<typeof VmMigration>

/** What POST /vm/{vm}/node can ask for. */
export const VM_MOVES = ['move', 'migrate', 'unmigrate'] as const

export const vmMoveRoutes = {
  vmMove: defineRoute('vmMove', {
    summary:
      'Moves a VM for good, migrates it for a time or brings it home; chooses the node when none is named. With `wait` the answer comes when it is there.',
    input: z.object({
      vm: requiredText,
      action: requiredWord(VM_MOVES),
      node: optionalText,
      /** Migrates on although migrated already (the home stays), and supersedes a move under way. */
      force: flag,
      wait: flag,
      /** Never shuts the guest down for it. */
      force_live: flag,
      /** Says what would be done, and does nothing. */
      dry_run: flag,
      /** Takes back the move under way, whatever the action was. */
      cancel: flag,
      /** MiB per second. */
      bandwidth: optionalInteger(1, 1_000_000),
      auto_converge: optionalFlag,
      /** Streams of the copy. */
      parallel: optionalInteger(1, 16),
      version: optionalInteger(1, Number.MAX_SAFE_INTEGER),
    }),
    output: Message.extend({
      /** Where the VM goes, or stays. */
      node: z.string(),
      /** Version of the VM that holds the order. */
      version: Count,
      /** Id of the order, as in `migration` of the VM; empty: nothing runs that had to be moved. */
      order: z.string(),
      /** The choice of the node, with `dry_run` also the judgement of one that was named. */
      decision: Decision.optional(),
    }),
    errors: ['PVC_OBJECT_NOT_FOUND', 'PVC_OBJECT_CONFLICT', 'PVC_STATE_REFUSED', 'PVC_VM_FAILED', 'PVC_WAIT_TIMEOUT'],
  }),
  vmDecisions: defineRoute('vmDecisions', {
    summary: 'The latest automatic choices of a node for a VM, newest first, with the reason of every candidate.',
    input: z.object({ vm: requiredText, last: optionalInteger(1, 20) }),
    output: z.object({ name: z.string(), decisions: z.array(Decision) }),
    errors: ['PVC_OBJECT_NOT_FOUND'],
  }),
} as const
