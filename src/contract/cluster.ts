import { z } from 'zod'
import { AuditEntry } from '../model/cluster.ts'
import { optionalDurationMs, optionalInteger, optionalText, requiredFlag } from './argument.ts'
import { Count, defineRoute, Message } from './route.ts'

const Nothing = z.object({})

const HealthMessage = z.object({ id: z.string(), health_delta: Count, text: z.string() })
const Health = z.object({
  /** 0 to 100, or -1 while the cluster is in maintenance. */
  health: Count,
  messages: z.array(HealthMessage),
})

/** Counts by state word; `total` is always there. */
const Counts = z.record(z.string(), Count)

const ResourceShare = z.object({ total: z.number(), utilization: z.number() })

/** The whole cluster at a glance. */
export const ClusterStatus = z.object({
  cluster_name: z.string(),
  cluster_health: Health,
  node_health: z.record(z.string(), Health),
  /** `true` or `false` as text, as older clients expect. */
  maintenance: z.enum(['true', 'false']),
  /** Since when, by whom and why; empty when off. Added in 2.0. */
  maintenance_detail: z.object({
    since: z.number(),
    by: z.string(),
    reason: z.string(),
    /** When it ends by itself, milliseconds since 1970; null: never. */
    until: z.number().nullable(),
    /** The primary obeys it; false: something it had begun may still happen. */
    acknowledged: z.boolean(),
  }),
  /** Empty while no coordinator is primary. */
  primary_node: z.string(),
  pvc_version: z.string(),
  upstream_ip: z.string(),
  nodes: Counts,
  vms: Counts,
  networks: Count,
  osds: Counts,
  pools: Count,
  volumes: Count,
  snapshots: Count,
  resources: z.object({
    /** MiB. */
    memory: ResourceShare.extend({
      free: z.number(),
      used: z.number(),
      allocated: z.number(),
      provisioned: z.number(),
    }),
    cpu: ResourceShare.extend({ load: z.number(), allocated: z.number() }),
    /** KiB. */
    disk: ResourceShare.extend({ used: z.number(), free: z.number() }),
  }),
  detail: z.object({
    node: z.array(z.object({ name: z.string(), daemon_state: z.string(), domain_state: z.string() })),
    vm: z.array(z.object({ uuid: z.string(), name: z.string(), state: z.string() })),
    osd: z.array(z.object({ id: z.string(), up: z.string(), in: z.string() })),
    faults: z.array(
      z.object({
        id: z.string(),
        last_reported: z.string(),
        first_reported: z.string(),
        acknowledged_at: z.string(),
        status: z.string(),
        health_delta: Count,
        message: z.string(),
      }),
    ),
  }),
})
export type ClusterStatus = z.infer<typeof ClusterStatus>

export const clusterRoutes = {
  root: defineRoute('root', { summary: 'Names the API and its version.', input: Nothing, output: Message }),
  status: defineRoute('status', {
    summary: 'State, health and resources of the cluster.',
    input: Nothing,
    output: ClusterStatus,
  }),
  primaryNode: defineRoute('primaryNode', {
    summary: 'The coordinator that is primary.',
    input: Nothing,
    output: z.object({ primary_node: z.string() }),
    errors: ['PVC_OBJECT_NOT_FOUND'],
  }),
  setMaintenance: defineRoute('setMaintenance', {
    summary:
      'Turns maintenance on or off. While it is on, no node is fenced. The answer to `on` comes when the primary has confirmed it, or says after 10 s that it has not yet.',
    input: z.object({
      state: requiredFlag,
      /** Shown with the status. */
      reason: optionalText,
      /** Turned off by itself after this time. Added in 2.0. */
      for: optionalDurationMs,
    }),
    output: Message,
    errors: ['PVC_OBJECT_CONFLICT'],
  }),
  audit: defineRoute('audit', {
    summary: 'The latest changes asked of the API, newest first: who, what, when, result.',
    input: z.object({ lines: optionalInteger(1, 5000) }),
    output: z.array(AuditEntry),
  }),
} as const
