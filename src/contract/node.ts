import { z } from 'zod'
import { optionalPattern, optionalText, requiredText, requiredWord } from './argument.ts'
import { Count, defineRoute, Message } from './route.ts'

/** A node with its states, health and resources (memory in MiB). */
export const Node = z.object({
  name: z.string(),
  daemon_state: z.string(),
  coordinator_state: z.string(),
  domain_state: z.string(),
  pvc_version: z.string(),
  cpu_count: Count,
  kernel: z.string(),
  os: z.string(),
  arch: z.string(),
  /** 0 to 100. */
  health: Count,
  health_plugins: z.array(z.string()),
  health_details: z.array(
    z.object({
      name: z.string(),
      /** Unix seconds. */
      last_run: Count,
      health_delta: Count,
      message: z.string(),
      data: z.record(z.string(), z.unknown()),
    }),
  ),
  load: z.number(),
  domains_count: Count,
  /** Names, not UUIDs. */
  running_domains: z.array(z.string()),
  vcpu: z.object({ total: Count, allocated: Count }),
  memory: z.object({
    total: z.number(),
    allocated: z.number(),
    provisioned: z.number(),
    used: z.number(),
    free: z.number(),
  }),
  /** What the last fence test found; null: none was made. Added in 2.0. */
  fence_test: z
    .object({
      /** ready, weak or unready, as `grade` of the test itself. */
      grade: z.string(),
      /** Milliseconds since 1970. */
      tested_at: z.number(),
      /** Messages of the checks that failed. */
      problems: z.array(z.string()),
      /** What other running coordinators could not do for it in the place of the primary, each as `NAME: messages`. */
      coordinator_problems: z.array(z.string()),
    })
    .nullable(),
  interfaces: z.record(z.string(), z.record(z.string(), z.union([z.number(), z.string()]))),
})
export type Node = z.infer<typeof Node>

/** What a coordinator can be asked to be. */
export const COORDINATOR_WISHES = ['primary', 'secondary'] as const

const ByName = z.object({ node: requiredText })
const NOT_FOUND = ['PVC_OBJECT_NOT_FOUND'] as const

export const nodeRoutes = {
  nodeList: defineRoute('nodeList', {
    summary: 'Nodes, with filters.',
    input: z.object({
      limit: optionalPattern,
      daemon_state: optionalText,
      coordinator_state: optionalText,
      domain_state: optionalText,
    }),
    output: z.array(Node),
  }),
  nodeInfo: defineRoute('nodeInfo', {
    summary: 'One node (a list of one).',
    input: ByName,
    output: z.array(Node),
    errors: NOT_FOUND,
  }),
  nodeDaemonState: defineRoute('nodeDaemonState', {
    summary: 'State of the node daemon.',
    input: ByName,
    output: z.object({ name: z.string(), daemon_state: z.string() }),
    errors: NOT_FOUND,
  }),
  nodeCoordinatorState: defineRoute('nodeCoordinatorState', {
    summary: 'Coordinator state of a node.',
    input: ByName,
    output: z.object({
      name: z.string(),
      coordinator_state: z.string(),
      /** Newest order about the primary that was answered, and why it was not carried out; empty: it was. Added in 2.0. */
      wish_seen: Count,
      wish_problem: z.string(),
    }),
    errors: NOT_FOUND,
  }),
  nodeSetCoordinatorState: defineRoute('nodeSetCoordinatorState', {
    summary: 'Asks a coordinator to become primary, or to give the work of the primary to another one.',
    input: z.object({ node: requiredText, state: requiredWord(COORDINATOR_WISHES) }),
    output: Message.extend({
      /** Number of the order, as in wish_seen; 0: nothing had to be done. Added in 2.0. */
      wish: Count,
    }),
    errors: ['PVC_OBJECT_NOT_FOUND', 'PVC_STATE_REFUSED', 'PVC_OBJECT_CONFLICT'],
  }),
  nodeDomainState: defineRoute('nodeDomainState', {
    summary: 'Whether a node takes VMs.',
    input: ByName,
    output: z.object({ name: z.string(), domain_state: z.string() }),
    errors: NOT_FOUND,
  }),
} as const
