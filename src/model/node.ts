import { z } from 'zod'
import { Fault } from './fault.ts'
import { BootId, LifeId, NodeName, VmUuid } from './ids.ts'

/** Daemon states of a node, each with its meaning. */
export const DAEMON_STATES = {
  init: 'pvcnoded is starting: it has registered but is not certified yet',
  run: 'pvcnoded works and may start VMs',
  shutdown: 'pvcnoded is stopping in an orderly way',
  stop: 'pvcnoded was stopped; its guests keep running',
  dead: 'the node vanished and is being fenced',
  fenced: 'the node was proven unable to run or write; its VMs were recovered',
} as const
export const DaemonState = z.enum(['init', 'run', 'shutdown', 'stop', 'dead', 'fenced'])
export type DaemonState = z.infer<typeof DaemonState>

/** Domain states of a node. */
export const DOMAIN_STATES = {
  ready: 'takes VMs',
  flush: 'is being emptied',
  flushed: 'empty, takes no VMs until `node ready`',
  unflush: 'its VMs are coming home',
} as const
export const DomainState = z.enum(['ready', 'flush', 'flushed', 'unflush'])
export type DomainState = z.infer<typeof DomainState>

/** Coordinator states of a node. */
export const CoordinatorState = z.enum(['primary', 'secondary', 'takeover', 'relinquish', 'client'])
export type CoordinatorState = z.infer<typeof CoordinatorState>

/** What is wanted of a node. Writer: the API; the node itself at its first start. */
export const NodeSpec = z.object({
  name: NodeName,
  generation: z.number().int().nonnegative(),
  mode: z.enum(['coordinator', 'hypervisor']),
  /** Wanted domain state; `ready` passes through unflush, `flush` ends in flushed. */
  wanted: z.enum(['ready', 'flush']),
  /** Counts what was asked about the domain state: the node answers each once, also the same wish again. */
  wish: z.number().int().nonnegative().default(0),
})
export type NodeSpec = z.infer<typeof NodeSpec>

const Resources = z.object({
  cpuCount: z.number().int().nonnegative(),
  load1: z.number().nonnegative(),
  memoryTotalMiB: z.number().nonnegative(),
  memoryUsedMiB: z.number().nonnegative(),
  memoryFreeMiB: z.number().nonnegative(),
  /** Current memory of running guests. */
  memoryAllocatedMiB: z.number().nonnegative(),
  /** Maximum memory of running guests, and of those this node has promised to start. */
  memoryProvisionedMiB: z.number().nonnegative(),
  vcpusAllocated: z.number().int().nonnegative(),
})
/** What a node has, and what its VMs use of it. */
export type Resources = z.infer<typeof Resources>

/** Facts about a node, and what it does. Writer: the node, on change and at every heartbeat; at most 16 kB. */
export const NodeStatus = z.object({
  name: NodeName,
  /** Counts heartbeats; never compared with a clock. */
  heartbeat: z.number().int().nonnegative(),
  life: LifeId,
  bootId: BootId,
  /** Armed only when a guard process would kill this node's guests at the bound (protocol N10, N11). */
  selfFence: z.enum(['armed', 'off']),
  /**
   * While armed: after so many seconds since its last contact no guest of this life runs any more, whatever became of the
   * node, counted up to the end of the watchdog's reset (protocol T2, D). Without a watchdog there is no such time.
   */
  selfFenceBoundS: z.number().positive().optional(),
  /** What the servers granted to the session this was written in: a node without contact vanishes after it (protocol T). */
  sessionTimeoutMs: z.number().int().positive().optional(),
  watchdog: z.enum(['present', 'absent']),
  storageAddrs: z.array(z.string()),
  /** Address on the cluster network, where copies of guests arrive. */
  clusterAddr: z.string().default(''),
  /** Sequence of the fence journal this node acknowledged after its purge. */
  ack: z.number().int().nonnegative(),
  daemon: DaemonState,
  /** True once the journal was read as closed in the current session (protocol N1). */
  certified: z.boolean(),
  domainState: DomainState,
  coordinator: CoordinatorState,
  versions: z.object({ pvc: z.string(), libvirt: z.string(), qemu: z.string(), kernel: z.string() }),
  os: z.string(),
  arch: z.string(),
  /** Name of the processor: a guest that sees it as it is can only move live between equal ones. */
  cpuModel: z.string().optional(),
  /** Network bridges a guest can be plugged into; absent: not known. */
  bridges: z.array(z.string()).optional(),
  /** Absent: not measured yet in this boot. */
  resources: Resources.optional(),
  /** VMs that run here, sorted; empty when there are more than the document can hold: then vms/U/status tells. */
  runningDomains: z.array(VmUuid),
  /** How many VMs run here, always exact. */
  domainsCount: z.number().int().nonnegative(),
  incoming: z.array(z.object({ vm: VmUuid, migrationId: z.string() })),
  /** What is wrong on this node now; an entry disappears when its cause is gone. */
  faults: z.array(Fault),
})
export type NodeStatus = z.infer<typeof NodeStatus>

const DiskStats = z.object({
  dev: z.string(),
  readRequests: z.number(),
  readBytes: z.number(),
  writeRequests: z.number(),
  writeBytes: z.number(),
})

const InterfaceStats = z.object({
  dev: z.string(),
  rxBytes: z.number(),
  rxPackets: z.number(),
  rxErrors: z.number(),
  rxDrops: z.number(),
  txBytes: z.number(),
  txPackets: z.number(),
  txErrors: z.number(),
  txDrops: z.number(),
})

/** Statistics of one running guest, from libvirt. Counters are totals since its start; memory figures are KiB as libvirt gives them. */
export const GuestStats = z.object({
  uuid: VmUuid,
  cpuTimeNs: z.number(),
  cpuUserNs: z.number(),
  cpuSystemNs: z.number(),
  memoryKiB: z.record(z.string(), z.number()),
  vcpus: z.number().int(),
  disks: z.array(DiskStats),
  interfaces: z.array(InterfaceStats),
})
export type GuestStats = z.infer<typeof GuestStats>

/** Statistics of a node and all its guests in one document (at most 512 kB). Writer: the node, every interval. */
export const NodeStats = z.object({
  heartbeat: z.number().int().nonnegative(),
  guests: z.array(GuestStats),
  interfaces: z.record(z.string(), z.record(z.string(), z.union([z.number(), z.string()]))),
})
export type NodeStats = z.infer<typeof NodeStats>

/** Highest run.seq this node wrote or saw, per VM: the guard against a rolled-back store. Writer: the node, on change. */
export const NodeSeqs = z.object({ seqs: z.record(z.string(), z.number().int().nonnegative()) })
export type NodeSeqs = z.infer<typeof NodeSeqs>

/**
 * Ephemeral proof of life. Data = life, updated in place, never absent during a change of life. The machine id tells an
 * older session of the same machine, which may be replaced, from another machine that was given the same name by mistake.
 */
export const NodeAlive = z.object({ life: LifeId, machineId: z.string().optional() })
export type NodeAlive = z.infer<typeof NodeAlive>
