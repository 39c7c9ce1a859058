import { z } from 'zod'
import { MAX_CONSOLE_LINES } from '../model/console-limits.ts'
import { AntiAffinityGroup, MAX_USER_DATA } from '../model/domain.ts'
import {
  flag,
  optionalFlag,
  optionalInteger,
  optionalNames,
  optionalPattern,
  optionalText,
  optionalWord,
  requiredText,
  requiredWord,
  textList,
} from './argument.ts'
import { Count, defineRoute, Message } from './route.ts'
import { Decision, VmMigration } from './vm-move.ts'

const Tag = z.object({ name: z.string(), type: z.string(), protected: z.boolean() })

/** A network interface with its counters since the guest's start. */
export const VmNetwork = z.object({
  type: z.string(),
  vni: z.string(),
  mac: z.string(),
  source: z.string(),
  model: z.string(),
  rd_bytes: z.number(),
  rd_packets: z.number(),
  rd_errors: z.number(),
  rd_drops: z.number(),
  wr_bytes: z.number(),
  wr_packets: z.number(),
  wr_errors: z.number(),
  wr_drops: z.number(),
})
export type VmNetwork = z.infer<typeof VmNetwork>

/** A disk with its counters since the guest's start. */
export const VmDisk = z.object({
  type: z.string(),
  name: z.string(),
  dev: z.string(),
  bus: z.string(),
  rd_req: z.number(),
  rd_bytes: z.number(),
  wr_req: z.number(),
  wr_bytes: z.number(),
})
export type VmDisk = z.infer<typeof VmDisk>

/** A VM as every client sees it; memory in MiB, memory_stats in KiB as libvirt gives them. */
export const Vm = z.object({
  name: z.string(),
  uuid: z.string(),
  /** start, restart, shutdown, stop, disable, fail, migrate, migrate-live, provision, import, restore or mirror. */
  state: z.string(),
  node: z.string(),
  last_node: z.string(),
  /** `no` or `from NODE`. */
  migrated: z.string(),
  failed_reason: z.string(),
  node_limit: z.array(z.string()).nullable(),
  node_selector: z.string().nullable(),
  node_autostart: z.boolean(),
  migration_method: z.string().nullable(),
  migration_max_downtime: Count,
  /** 0 to 100. Added in 2.0. */
  start_priority: Count,
  /** Added in 2.0. */
  anti_affinity_group: z.string().nullable(),
  tags: z.array(Tag),
  snapshots: z.array(
    z.object({
      name: z.string(),
      timestamp: z.string(),
      age: Count,
      xml_diff_lines: z.array(z.string()),
      rbd_snapshots: z.array(z.string()),
    }),
  ),
  description: z.string(),
  profile: z.string(),
  memory: Count,
  memory_stats: z.record(z.string(), z.number()),
  vcpu: Count,
  /** `sockets/cores/threads`. */
  vcpu_topology: z.string(),
  vcpu_stats: z.record(z.string(), z.number()),
  networks: z.array(VmNetwork),
  type: z.string(),
  arch: z.string(),
  machine: z.string(),
  console: z.string(),
  vnc: z.object({ listen: z.string().nullable(), port: z.string().nullable() }),
  emulator: z.string(),
  features: z.array(z.string()),
  disks: z.array(VmDisk),
  controllers: z.array(z.object({ type: z.string(), model: z.string().nullable() })),
  xml: z.string(),
  /** Number of the wanted definition; a change may name it as `version`. Added in 2.0. */
  version: Count,
  /** True once the node has taken up everything wanted. Added in 2.0. */
  settled: z.boolean(),
  /** A move under way; null: none. Added in 2.0. */
  migration: VmMigration.nullable(),
  /** Why the last move failed, so that the VM stayed; empty: none did. Added in 2.0. */
  move_failed_reason: z.string(),
})
export type Vm = z.infer<typeof Vm>

const ByVm = z.object({
  /** Name or UUID. */
  vm: requiredText,
})

/** `version` of the VM the change was decided on; another one present answers 409. Also sent as If-Match. */
const expectedVersion = optionalInteger(1, Number.MAX_SAFE_INTEGER)

const selector = optionalWord(['mem', 'memprov', 'vcpus', 'load', 'vms', 'none'])
const migrationMethod = optionalWord(['none', 'live', 'shutdown'])
/** Milliseconds. */
const maxDowntime = optionalInteger(1, 600_000)

/** 0 to 100. */
const startPriority = optionalInteger(0, 100)
/** Empty text is no group, so it is not the same as an absent one. */
const group = AntiAffinityGroup.optional()
/** Lines kept of the console; 0: none, -1: as the node is configured. */
const consoleLines = optionalInteger(-1, MAX_CONSOLE_LINES)

const VmDefinition = z.object({
  xml: requiredText,
  node: optionalText,
  limit: optionalNames,
  selector,
  autostart: flag,
  migration_method: migrationMethod,
  migration_max_downtime: maxDowntime,
  user_tags: textList,
  protected_tags: textList,
  start_priority: startPriority,
  anti_affinity_group: group,
  console_lines: consoleLines,
  /** Says what would be defined and where, and does nothing. */
  dry_run: flag,
})

/** `warnings`: what works, but probably not as meant. Added in 2.0. */
const Changed = Message.extend({ warnings: z.array(z.string()).optional() })
/** `decision`: the choice of the node, with `dry_run`. */
const Defined = Changed.extend({ decision: Decision.optional() })

const NOT_FOUND = ['PVC_OBJECT_NOT_FOUND'] as const
const CHANGE = ['PVC_OBJECT_NOT_FOUND', 'PVC_OBJECT_CONFLICT', 'PVC_STATE_REFUSED'] as const
const DEFINE = ['PVC_XML_INVALID', 'PVC_OBJECT_EXISTS', 'PVC_OBJECT_NOT_FOUND', 'PVC_STATE_REFUSED'] as const

/** Words of the `state` filter: every state a VM can be in. */
export const VM_STATE_FILTER = [
  'start',
  'restart',
  'shutdown',
  'stop',
  'disable',
  'fail',
  'migrate',
  'migrate-live',
  'unmigrate',
  'provision',
  'import',
  'restore',
  'mirror',
] as const

/** What POST /vm/{vm}/state can ask for. */
export const VM_ACTIONS = ['start', 'shutdown', 'stop', 'restart', 'disable'] as const

export const vmRoutes = {
  vmList: defineRoute('vmList', {
    summary: 'VMs, with filters; `negate` turns the filters node, state and tag round.',
    input: z.object({
      /** Matches name or UUID. */
      limit: optionalPattern,
      node: optionalText,
      state: optionalWord(VM_STATE_FILTER),
      tag: optionalText,
      negate: flag,
    }),
    output: z.array(Vm),
  }),
  vmDefine: defineRoute('vmDefine', {
    summary: 'Defines a VM from libvirt XML; it is not started.',
    input: VmDefinition,
    output: Defined,
    errors: DEFINE,
  }),
  vmDefineNamed: defineRoute('vmDefineNamed', {
    summary: 'As POST /vm; the name in the path must be that of the XML.',
    input: VmDefinition.extend({ vm: requiredText }),
    output: Defined,
    errors: DEFINE,
  }),
  vmInfo: defineRoute('vmInfo', {
    summary: 'One VM (a list of one).',
    input: ByVm,
    output: z.array(Vm),
    errors: NOT_FOUND,
  }),
  vmModify: defineRoute('vmModify', {
    summary: 'Replaces the XML of a VM; it takes effect at the next start, at once with `restart`.',
    input: ByVm.extend({ xml: requiredText, restart: flag, version: expectedVersion }),
    output: Changed,
    errors: [...CHANGE, 'PVC_XML_INVALID'],
  }),
  vmDelete: defineRoute('vmDelete', {
    summary: 'Stops and undefines a VM, and removes its volumes with `delete_disks`.',
    input: ByVm.extend({ delete_disks: flag, version: expectedVersion }),
    output: Message,
    errors: [...CHANGE, 'PVC_WAIT_TIMEOUT', 'PVC_CEPH_FAILED', 'PVC_CEPH_TIMEOUT'],
  }),
  vmMeta: defineRoute('vmMeta', {
    summary: 'Where and how a VM may run.',
    input: ByVm,
    output: z.object({
      name: z.string(),
      node_limit: z.array(z.string()).nullable(),
      node_selector: z.string().nullable(),
      node_autostart: z.boolean(),
      migration_method: z.string().nullable(),
      migration_max_downtime: Count,
      start_priority: Count,
      anti_affinity_group: z.string().nullable(),
      /** Null: as the node is configured. Added in 2.0. */
      console_lines: Count.nullable(),
      /** Added in 2.0. */
      user_data: z.string().nullable(),
    }),
    errors: NOT_FOUND,
  }),
  vmSetMeta: defineRoute('vmSetMeta', {
    summary: 'Changes what is given of where and how a VM may run.',
    input: ByVm.extend({
      limit: optionalNames,
      selector,
      autostart: optionalFlag,
      migration_method: migrationMethod,
      migration_max_downtime: maxDowntime,
      profile: optionalText,
      start_priority: startPriority,
      anti_affinity_group: group,
      console_lines: consoleLines,
      /** What the guest is told by the metadata service; empty: nothing. */
      user_data: z.string().max(MAX_USER_DATA, `must not be longer than ${MAX_USER_DATA} characters`).optional(),
      version: expectedVersion,
    }),
    output: Message,
    errors: CHANGE,
  }),
  vmTags: defineRoute('vmTags', {
    summary: 'Tags of a VM.',
    input: ByVm,
    output: z.object({ name: z.string(), tags: z.array(Tag) }),
    errors: NOT_FOUND,
  }),
  vmEditTags: defineRoute('vmEditTags', {
    summary: 'Adds or removes one tag; a protected tag cannot be removed.',
    input: ByVm.extend({ action: requiredWord(['add', 'remove']), tag: requiredText, protected: flag }),
    output: Message,
    errors: CHANGE,
  }),
  vmState: defineRoute('vmState', {
    summary: 'State word of a VM.',
    input: ByVm,
    output: z.object({ name: z.string(), state: z.string() }),
    errors: NOT_FOUND,
  }),
  vmSetState: defineRoute('vmSetState', {
    summary: 'Starts, shuts down, stops, restarts or disables a VM; with `wait` the answer comes when it is done.',
    input: ByVm.extend({
      state: requiredWord(VM_ACTIONS),
      force: flag,
      wait: flag,
      version: expectedVersion,
    }),
    output: Message,
    errors: [...CHANGE, 'PVC_WAIT_TIMEOUT'],
  }),
  vmNode: defineRoute('vmNode', {
    summary: 'Node of a VM, and its home while it is migrated.',
    input: ByVm,
    output: z.object({ name: z.string(), node: z.string(), last_node: z.string() }),
    errors: NOT_FOUND,
  }),
} as const
