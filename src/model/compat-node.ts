import { FAULT_DELTA, type Fault } from './fault.ts'
import type { FenceJournal } from './fence.ts'
import type { DaemonState, DomainState, NodeSpec, NodeStats, NodeStatus } from './node.ts'
import { type FenceReach, type Readiness, reachGaps, readinessGrade } from './power.ts'

/** Everything the cluster knows of one node. */
export type NodeFacts = {
  readonly spec: NodeSpec
  /** Undefined: it never reported. */
  readonly status: NodeStatus | undefined
  readonly stats: NodeStats | undefined
  /** Whether its proof of life exists now. */
  readonly isAlive: boolean
  /** State of its fence journal; undefined: not looked at, or it has none. */
  readonly fence?: FenceJournal['state'] | undefined
  /** Its last fence test; undefined: not looked at, or it was never tested. */
  readonly readiness?: Readiness | undefined
  /** What the coordinators that run now could fence; undefined: not looked at. */
  readonly reaches?: readonly FenceReach[] | undefined
}

/**
 * State of the daemon as seen from outside. A node says itself that it stops; one that claims to work without proof of
 * life has vanished, and its last report is no longer true. From the proof that it is over until it is taken back it is
 * fenced, whatever it says.
 */
export function daemonState(node: NodeFacts): DaemonState {
  const reported = node.status?.daemon ?? 'stop'
  if (node.fence === 'evidence' || node.fence === 'recovered') return 'fenced'
  if (node.isAlive) return reported
  if (node.fence === 'open') return 'dead'
  return reported === 'stop' || reported === 'fenced' ? reported : 'dead'
}

/**
 * Domain state. What is wanted counts from the moment it is written, not only when the node has taken it up; a node that
 * never reported shows what is wanted of it.
 */
export function domainState({ spec, status, isAlive }: NodeFacts): DomainState {
  const isFlushWanted = spec.wanted === 'flush'
  const reported = status?.domainState
  if (reported === undefined) return isFlushWanted ? 'flushed' : 'ready'
  if (!isAlive) return reported
  if (isFlushWanted) return reported === 'ready' || reported === 'unflush' ? 'flush' : reported
  return reported === 'flush' || reported === 'flushed' ? 'unflush' : reported
}

/** Coordinator state as it always was: `client` for a hypervisor. The lease decides who is primary. */
export function coordinatorState(node: NodeFacts, primary: string | undefined): string {
  if (node.spec.mode === 'hypervisor') return 'client'
  const reported = node.status?.coordinator ?? 'secondary'
  // The holder of the lease is primary from there on, but takes its duties up first.
  if (primary === node.spec.name) return reported === 'takeover' ? 'takeover' : 'primary'
  return reported === 'takeover' || reported === 'relinquish' ? reported : 'secondary'
}

/** Faults of a node: those it reports, and that it is gone. */
export function nodeFaults(node: NodeFacts, nowMs: number): readonly Fault[] {
  const state = daemonState(node)
  // A fenced node that runs again says what keeps it from being taken back.
  const isReporting = state === 'run' || state === 'init' || (state === 'fenced' && node.isAlive)
  const reported = isReporting ? (node.status?.faults ?? []) : []
  if (state === 'run') return reported
  const severity = state === 'dead' || state === 'fenced' ? 'critical' : 'warning'
  const message = `The daemon of node ${node.spec.name} is in state ${state}.`
  return [...reported, { id: `NODE_STATE:${node.spec.name}`, severity, message, since: nowMs }]
}

/** 100 minus what open faults take from it, never below 0. */
export function healthOf(faults: readonly Fault[]): number {
  return Math.max(
    0,
    faults.reduce((health, fault) => health - FAULT_DELTA[fault.severity], 100),
  )
}

function shownReadiness({ readiness, reaches = [] }: NodeFacts) {
  if (readiness === undefined) return null
  const { at, checks } = readiness
  const problems = checks.filter(({ isOk }) => !isOk).map(({ message }) => message)
  const gaps = reachGaps(readiness, reaches)
  return {
    grade: readinessGrade(checks) as string,
    tested_at: at,
    problems,
    coordinator_problems: gaps.map((gap) => `${gap.coordinator}: ${gap.problems.join(' ')}`),
  }
}

/** A node as the API v1 shows it. `running` are the names of the VMs that run there. */
export function compatNode(node: NodeFacts, primary: string | undefined, running: readonly string[], nowMs: number) {
  const { spec, status, stats } = node
  const resources = status?.resources
  const faults = nodeFaults(node, nowMs)
  const details = faults.map((fault) => ({
    name: fault.id,
    last_run: Math.round(fault.since / 1000),
    health_delta: FAULT_DELTA[fault.severity],
    message: fault.message,
    data: {} as Record<string, unknown>,
  }))
  const cpuCount = resources?.cpuCount ?? 0
  return {
    name: spec.name as string,
    daemon_state: daemonState(node) as string,
    coordinator_state: coordinatorState(node, primary),
    domain_state: domainState(node),
    pvc_version: status?.versions.pvc ?? 'N/A',
    cpu_count: cpuCount,
    kernel: status?.versions.kernel ?? 'N/A',
    os: status?.os ?? 'N/A',
    arch: status?.arch ?? 'N/A',
    health: healthOf(faults),
    health_plugins: details.map(({ name }) => name),
    health_details: details,
    load: resources?.load1 ?? 0,
    domains_count: status?.domainsCount ?? 0,
    running_domains: [...running],
    vcpu: { total: cpuCount, allocated: resources?.vcpusAllocated ?? 0 },
    memory: {
      total: resources?.memoryTotalMiB ?? 0,
      allocated: resources?.memoryAllocatedMiB ?? 0,
      provisioned: resources?.memoryProvisionedMiB ?? 0,
      used: resources?.memoryUsedMiB ?? 0,
      free: resources?.memoryFreeMiB ?? 0,
    },
    fence_test: shownReadiness(node),
    interfaces: stats?.interfaces ?? {},
  }
}
