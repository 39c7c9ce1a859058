import { z } from 'zod'
import { MAX_CONSOLE_LINES } from './console-limits.ts'
import { GuestCpu } from './guest-cpu.ts'
import { LifeId, NodeName, VmUuid, VolumeRef } from './ids.ts'

/** Who has the right to run a VM (protocol: record). seq never repeats, also not over delete and re-create. */
export const RunRecord = z.object({
  node: NodeName,
  life: LifeId,
  /** Null: the VM's domain. Otherwise the id of the job that holds the VM's volumes. */
  holder: z.string().nullable(),
})
export type RunRecord = z.infer<typeof RunRecord>

export const Tag = z.object({ name: z.string().min(1).max(64), type: z.string(), protected: z.boolean() })
export type Tag = z.infer<typeof Tag>

export const Selector = z.enum(['mem', 'memprov', 'vcpus', 'load', 'vms', 'none'])
export type Selector = z.infer<typeof Selector>
export const MigrationMethod = z.enum(['none', 'live', 'shutdown'])
export type MigrationMethod = z.infer<typeof MigrationMethod>

/** Start priority of a VM that was given none. */
export const DEFAULT_START_PRIORITY = 50

/** Name of a group of VMs that should not share a node; empty: none. */
export const AntiAffinityGroup = z
  .string()
  .regex(/^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$/, 'must be up to 64 letters, digits, dots, underscores or hyphens')

/** Longest user data of a VM, in characters; EC2 has the same. */
export const MAX_USER_DATA = 16_384

/** Where and how a VM may run. */
export const VmMeta = z.object({
  /** Empty: any node. */
  nodeLimit: z.array(NodeName),
  selector: Selector,
  /** One-shot: consumed at the home node's next ready. */
  autostart: z.boolean(),
  migrationMethod: MigrationMethod,
  migrationMaxDowntimeMs: z.number().int().positive(),
  profile: z.string(),
  /** Undefined: the cluster's vm_shutdown_timeout. */
  shutdownTimeoutMs: z.number().int().positive().optional(),
  /** 0 to 100; of VMs that wait for the same thing, the higher one goes first. */
  startPriority: z.number().int().min(0).max(100).default(DEFAULT_START_PRIORITY),
  /** VMs of one group are kept on different nodes where that is possible; empty: none. */
  antiAffinityGroup: AntiAffinityGroup.default(''),
  /** Lines kept of its console, 0 for none; undefined: as the node is configured. */
  consoleLines: z.number().int().min(0).max(MAX_CONSOLE_LINES).optional(),
  /** What the guest is given by the metadata service, as cloud-init reads it; undefined: what its profile has. */
  userData: z.string().min(1).max(MAX_USER_DATA).optional(),
})
export type VmMeta = z.infer<typeof VmMeta>

/** A reason why a VM may not be started although it is defined. */
export const Hold = z.enum(['provision', 'import', 'restore', 'mirror'])
export type Hold = z.infer<typeof Hold>

/** How a live move is done; what is absent follows the cluster's configuration. */
export const MovePolicy = z.object({
  bandwidthMiBps: z.number().int().positive().optional(),
  autoConverge: z.boolean().optional(),
  /** Streams of the copy. */
  parallel: z.number().int().min(1).max(16).optional(),
})
export type MovePolicy = z.infer<typeof MovePolicy>

/** The order behind the present placement of a VM: how it gets there if it runs elsewhere. */
export const MoveOrder = z.object({
  id: z.string(),
  kind: z.enum(['move', 'migrate', 'unmigrate']),
  /** Never fall back to a shutdown. */
  isLiveOnly: z.boolean(),
  policy: MovePolicy,
  /** `lastNode` as it was before this order, for the case that it fails or is cancelled; absent: it follows from `kind`. */
  homeBefore: NodeName.nullable().optional(),
})
export type MoveOrder = z.infer<typeof MoveOrder>

/** What is wanted of a VM. Writer: the API (and the primary when it recovers or balances), each change raises generation. */
export const VmSpec = z.object({
  uuid: VmUuid,
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be letters, digits, dot, underscore or hyphen'),
  generation: z.number().int().positive(),
  power: z.enum(['on', 'off', 'disabled']),
  /** One-shot wishes as counters: a node acts when its status names a smaller number. */
  wishes: z.object({
    /** `vm start`: leaves phase failed. */
    start: z.number().int().nonnegative(),
    /** `vm restart`: orderly shutdown, then start. */
    restart: z.number().int().nonnegative(),
    /** `vm stop`: destroy now. */
    stopNow: z.number().int().nonnegative(),
  }),
  node: NodeName,
  /** Home of a temporarily migrated VM. */
  lastNode: NodeName.nullable(),
  move: MoveOrder.nullable().default(null),
  hold: Hold.nullable(),
  xml: z.string(),
  description: z.string(),
  memoryMiB: z.number().int().positive(),
  vcpus: z.number().int().positive(),
  /** `pool/volume` of each RBD disk, computed from the XML when the spec is written. */
  rbdList: z.array(VolumeRef),
  meta: VmMeta,
  tags: z.array(Tag),
  deleted: z.undefined().optional(),
})
export type VmSpec = z.infer<typeof VmSpec>

/** What is left of a deleted VM for 30 days, so that run.seq never repeats. */
export const VmTombstone = z.object({
  uuid: VmUuid,
  deleted: z.object({ at: z.number(), lastSeq: z.number().int().nonnegative(), generation: z.number().int() }),
})
export type VmTombstone = z.infer<typeof VmTombstone>

/** Who owns a VM name. */
export const VmNameReservation = z.object({ uuid: VmUuid })
export type VmNameReservation = z.infer<typeof VmNameReservation>

/** The document of a VM. A new VM starts as a tombstone with lastSeq 0, so that its status exists before its spec. */
export const VmDocument = z.union([VmTombstone, VmSpec])
export type VmDocument = z.infer<typeof VmDocument>

/** Narrows a VM document to a living VM. */
export function isVmSpec(document: VmDocument | undefined): document is VmSpec {
  return document !== undefined && document.deleted === undefined
}

/** Phases of a VM, each with its meaning. */
export const VM_PHASES = {
  off: 'no domain runs',
  starting: 'its node holds the run record and is starting the domain',
  running: 'the domain runs',
  stopping: 'the domain was asked to shut down',
  migrating: 'the domain is moving to another node',
  failed: 'it was not possible to start or keep it; the reason is given',
} as const
export const VmPhase = z.enum(['off', 'starting', 'running', 'stopping', 'migrating', 'failed'])
export type VmPhase = z.infer<typeof VmPhase>

/** How far a live migration is, as libvirt's job says. */
export const MigrationProgress = z.object({
  percent: z.number(),
  remainingMiB: z.number(),
  totalMiB: z.number(),
  /** How fast the guest changes its memory. */
  dirtyMiBps: z.number(),
  speedMiBps: z.number(),
  /** Expected time left at the present speed; null: it cannot be told. */
  expectedS: z.number().nullable(),
})
export type MigrationProgress = z.infer<typeof MigrationProgress>

/** Steps of a live migration, each with its meaning. */
export const MIGRATION_STEPS = {
  prepare: 'the target makes ready for the copy',
  copy: 'memory is copied; the guest runs at the source',
} as const
export const MigrationStep = z.enum(['prepare', 'copy'])
export type MigrationStep = z.infer<typeof MigrationStep>

/** A live migration in progress (protocol L1 to L6). */
export const Migration = z.object({
  /** Id of the order it carries out. */
  id: z.string(),
  from: z.object({ node: NodeName, life: LifeId }),
  to: z.object({ node: NodeName, life: LifeId }),
  step: MigrationStep,
  /** While the target makes ready: what it is asked to offer. */
  cpu: GuestCpu.optional(),
  /** Wall time, for display only. */
  startedAt: z.number(),
  progress: MigrationProgress.nullable(),
})
export type Migration = z.infer<typeof Migration>

/** What the target of a migration says about the copy. Writer: the target node. */
export const VmArrival = z.object({
  migrationId: z.string(),
  node: NodeName,
  life: LifeId,
  /**
   * prepared: the copy may come. complete: it is here and paused. refused: the reason says why it cannot come. gone: the
   * migration ended without this node; nothing of it is here, and nothing more can come.
   */
  state: z.enum(['prepared', 'complete', 'refused', 'gone']),
  reason: z.string(),
})
export type VmArrival = z.infer<typeof VmArrival>

/**
 * What is. Writer: the node that holds the run record, or takes it from empty; the primary only with fence proof.
 * Created by the API at define, before the spec, as run null; never deleted while the record is held.
 */
export const VmStatus = z.object({
  /** Null: nobody may run a domain of this VM. */
  run: RunRecord.nullable(),
  /** Raised by 1 at every change of `run`. */
  seq: z.number().int().nonnegative(),
  phase: VmPhase,
  observedGeneration: z.number().int().nonnegative(),
  /** Wishes already carried out. */
  done: z.object({
    start: z.number().int().nonnegative(),
    restart: z.number().int().nonnegative(),
    stopNow: z.number().int().nonnegative(),
  }),
  /** Why the phase is failed; empty otherwise. */
  failedReason: z.string(),
  /** Generation of the XML the running domain was started with; 0 when none runs. */
  startedGeneration: z.number().int().nonnegative(),
  /** Restarts after crashes: boot-time milliseconds of the writing node are not comparable, so only counts are kept. */
  restarts: z.number().int().nonnegative(),
  migration: Migration.nullable(),
  /** Migration by which the record came to its holder, until the copy runs there. */
  handedOver: z.string().nullable().default(null),
  /** The last order whose live move failed. isFinal: the VM stays where it is; otherwise it is shut down to start there. */
  moveFailure: z.object({ orderId: z.string(), reason: z.string(), isFinal: z.boolean() }).nullable().default(null),
  vnc: z.object({ listen: z.string(), port: z.number().int() }).nullable(),
  /** Wall time of the last change of phase, for display only. */
  since: z.number(),
})
export type VmStatus = z.infer<typeof VmStatus>

/** It could not be started or kept, and nobody has asked for anything since. */
export function isFailedStill(spec: VmSpec, { phase, observedGeneration, done }: VmStatus): boolean {
  return phase === 'failed' && spec.generation <= observedGeneration && spec.wishes.start <= done.start
}

/** Status as the API creates it at define. */
export function emptyVmStatus(seq: number, wallMs: number): VmStatus {
  return {
    run: null,
    seq,
    phase: 'off',
    observedGeneration: 0,
    done: { start: 0, restart: 0, stopNow: 0 },
    failedReason: '',
    startedGeneration: 0,
    restarts: 0,
    migration: null,
    handedOver: null,
    moveFailure: null,
    vnc: null,
    since: wallMs,
  }
}
