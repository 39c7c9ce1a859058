import { z } from 'zod'
import { BootId, LifeId, NodeName, VmUuid } from './ids.ts'

/** States of a fence journal, each with its meaning. */
export const JOURNAL_STATES = {
  closed: 'nothing is going on; the node may run guests',
  open: 'the node is being fenced: evidence is gathered that its life is over',
  evidence: 'the life is proven over; its VMs are being recovered',
  recovered: 'no record names a dead life any more; the node may come back',
} as const

/** One proof about a life (protocol P4). `at` is wall time, for display only. */
export const Evidence = z.discriminatedUnion('kind', [
  /** a: the whole node's storage addresses are in Ceph's blocklist, from map epoch `osdEpoch` on. */
  z.object({
    kind: z.literal('blocklist'),
    addresses: z.array(z.string()),
    osdEpoch: z.number().int(),
    at: z.number(),
  }),
  /** b: every up OSD outside the fenced host works with that map or a newer one. */
  z.object({ kind: z.literal('osd-map'), osdEpoch: z.number().int(), at: z.number() }),
  /** c: power off was accepted and then read back as off. */
  z.object({ kind: z.literal('power-off'), method: z.string(), at: z.number() }),
  /** d: the node was armed, and its guard must have ended every guest by now. */
  z.object({ kind: z.literal('self-fence'), waitedMs: z.number(), at: z.number() }),
  /** e: the machine runs under another boot id. */
  z.object({ kind: z.literal('reboot'), bootId: BootId, at: z.number() }),
  /** f: a person looked at the machine and said so. */
  z.object({ kind: z.literal('operator'), by: z.string(), at: z.number() }),
  /** Ceph cannot be written from any coordinator, so a and b cannot be had. */
  z.object({ kind: z.literal('no-ceph'), at: z.number() }),
])
export type Evidence = z.infer<typeof Evidence>

/** A VM whose record named a dead life, or that nobody held and the node was to start, and what became of it. */
export const Victim = z.object({
  uuid: VmUuid,
  name: z.string(),
  /** waiting: no target yet. moved: its record, or where nobody held it its placement, names `target`. off: it fits nowhere, or is gone. failed: see reason; it is tried again. */
  state: z.enum(['waiting', 'moved', 'off', 'failed']),
  target: NodeName.nullable(),
  reason: z.string(),
  /** Milliseconds after the journal was opened, by the primary's own clock. */
  afterMs: z.number(),
})
export type Victim = z.infer<typeof Victim>

/** One line of a fence's history: what happened, when, in words for an operator. */
export const FenceEvent = z.object({
  /** Milliseconds after the proof of life was seen to vanish, by the clock of the primary that wrote it. */
  afterMs: z.number(),
  /** Wall time, for display only. */
  at: z.number(),
  step: z.enum(['suspect', 'probe', 'guard', 'open', 'evidence', 'power', 'blocklist', 'recovery', 'return', 'close']),
  text: z.string(),
})
export type FenceEvent = z.infer<typeof FenceEvent>

/** An order by a person about fencing, written by the API next to the journal; the primary carries it out. */
export const FenceOrder = z.object({
  /** fence: fence the node now, on purpose. confirm: the machine was looked at and is off or disconnected. */
  kind: z.enum(['fence', 'confirm']),
  /** The life it is about (protocol P4 f); an order about another life does nothing. */
  life: LifeId,
  /** Sequence of the journal it is about; for `fence` the one before it. */
  seq: z.number().int().nonnegative(),
  by: z.string(),
  at: z.number(),
})
export type FenceOrder = z.infer<typeof FenceOrder>

/** Most events kept in one journal; the oldest after the first ones go. */
export const MAX_FENCE_EVENTS = 120
/** Lives kept as dead for ever (protocol P5). */
export const MAX_DEAD_LIVES = 32

/**
 * Fence journal of a node; it exists for ever. Created closed by the node at registration, then written by the primary
 * only, each time with its version.
 */
export const FenceJournal = z.object({
  state: z.enum(['closed', 'open', 'evidence', 'recovered']),
  life: LifeId.nullable(),
  /** Boot id under which the life ran; another one is evidence e. */
  bootId: BootId.nullable().default(null),
  /** Epoch of the primary that wrote last (protocol P1). */
  epoch: z.number().int().nonnegative(),
  /** Raised at every opening; the returning node acknowledges it after its purge. */
  seq: z.number().int().nonnegative(),
  /** Wall time of the opening, for display only. */
  openedAt: z.number().default(0),
  /** Who asked for it; empty: the cluster did it by itself. */
  orderedBy: z.string().default(''),
  evidence: z.array(Evidence),
  deadLives: z.array(LifeId),
  victims: z.array(Victim),
  /** Storage addresses that are kept in the blocklist while the journal is not closed. */
  addresses: z.array(z.string()).default([]),
  events: z.array(FenceEvent).default([]),
  /** The node was asked to power on again after its recovery; asked once only, lest it fights an operator. */
  isPowerOnAsked: z.boolean().default(false),
  /** Why nothing goes on, as a sentence; empty while it does. */
  stuck: z.string().default(''),
})
export type FenceJournal = z.infer<typeof FenceJournal>

/** A journal as registration creates it. */
export const CLOSED_JOURNAL: FenceJournal = {
  state: 'closed',
  life: null,
  bootId: null,
  epoch: 0,
  seq: 0,
  openedAt: 0,
  orderedBy: '',
  evidence: [],
  deadLives: [],
  victims: [],
  addresses: [],
  events: [],
  isPowerOnAsked: false,
  stuck: '',
}
