import type { Cluster } from './cluster.ts'
import { daemonState, domainState, healthOf, type NodeFacts, nodeFaults } from './compat-node.ts'
import { compatState } from './compat-state.ts'
import type { VmSpec, VmStatus } from './domain.ts'
import { FAULT_DELTA, type Fault } from './fault.ts'
import type { PoolStats } from './storage.ts'

/** Everything the status of the cluster is made of. */
export type ClusterFacts = {
  readonly cluster: Cluster
  readonly version: string
  readonly primary: string | undefined
  /** For how long there has been no primary; 0 while there is one. */
  readonly withoutPrimaryMs: number
  /** Faults of the cluster that the primary reports. */
  readonly primaryFaults: readonly Fault[]
  readonly isMaintenanceAcknowledged: boolean
  readonly upstreamIp: string
  readonly nodes: readonly NodeFacts[]
  readonly vms: readonly { readonly spec: VmSpec; readonly status: VmStatus }[]
  readonly poolStats: readonly PoolStats[]
  readonly networkCount: number
  readonly poolCount: number
  readonly volumeCount: number
  readonly snapshotCount: number
  readonly nowMs: number
  /** Writes a wall time for people: `2026-11-20 15:01:00`. */
  readonly formatTime: (wallMs: number) => string
}

/** Health shown while maintenance is on: faults are expected then. */
const HEALTH_IN_MAINTENANCE = -1

/** Handovers and takeovers are over by then. */
const NO_PRIMARY_MS = 10_000

/** The cluster as the API v1 shows it. */
export function compatCluster(facts: ClusterFacts) {
  const { cluster, nodes } = facts
  const isMaintenance = cluster.maintenance.on
  const vms = facts.vms.map(({ spec, status }) => ({
    uuid: spec.uuid as string,
    name: spec.name,
    state: compatState(spec, status) as string,
  }))
  const faults = clusterFaults(facts)
  const sorted = [...nodes].sort((a, b) => (a.spec.name < b.spec.name ? -1 : 1))
  return {
    cluster_name: cluster.name,
    cluster_health: {
      health: isMaintenance ? HEALTH_IN_MAINTENANCE : healthOf(faults),
      messages: faults.map(healthMessage),
    },
    node_health: Object.fromEntries(
      sorted.map((node) => {
        const own = nodeFaults(node, facts.nowMs)
        return [node.spec.name, { health: healthOf(own), messages: own.map(healthMessage) }]
      }),
    ),
    maintenance: isMaintenance ? ('true' as const) : ('false' as const),
    maintenance_detail: {
      since: cluster.maintenance.since,
      by: cluster.maintenance.by,
      reason: cluster.maintenance.reason,
      until: cluster.maintenance.until ?? null,
      acknowledged: isMaintenance && facts.isMaintenanceAcknowledged,
    },
    primary_node: facts.primary ?? '',
    pvc_version: facts.version,
    upstream_ip: facts.upstreamIp,
    nodes: count(sorted.map((node) => `${daemonState(node)},${domainState(node)}`)),
    vms: count(vms.map(({ state }) => state)),
    networks: facts.networkCount,
    osds: { total: 0 } as Record<string, number>,
    pools: facts.poolCount,
    volumes: facts.volumeCount,
    snapshots: facts.snapshotCount,
    resources: resources(facts),
    detail: {
      node: sorted.map((node) => ({
        name: node.spec.name as string,
        daemon_state: daemonState(node) as string,
        domain_state: domainState(node),
      })),
      vm: vms,
      osd: [] as { id: string; up: string; in: string }[],
      faults: faults.map((fault) => compatFault(fault, facts.formatTime(fault.since))),
    },
  }
}

/** Nobody else could tell. */
function absenceOfPrimary({ withoutPrimaryMs, nowMs }: ClusterFacts): readonly Fault[] {
  if (withoutPrimaryMs < NO_PRIMARY_MS) return []
  const seconds = Math.round(withoutPrimaryMs / 1000)
  const message = `No coordinator has been primary for ${seconds} s: nothing is fenced or recovered. Look at pvcnoded on the coordinators.`
  return [{ id: 'NO_PRIMARY', severity: 'critical', message, since: nowMs - withoutPrimaryMs }]
}

/** That there is no primary, faults it reports, faults of all nodes, and VMs that failed. */
function clusterFaults(facts: ClusterFacts): readonly Fault[] {
  const failed = facts.vms
    .filter(({ spec, status }) => compatState(spec, status) === 'fail')
    .map(({ spec, status }): Fault => {
      const message = `VM ${spec.name} failed: ${status.failedReason}`
      return { id: `VM_FAILED:${spec.name}`, severity: 'warning', message, since: status.since }
    })
  const ofNodes = facts.nodes.flatMap((node) => nodeFaults(node, facts.nowMs))
  return [...absenceOfPrimary(facts), ...facts.primaryFaults, ...ofNodes, ...failed]
}

function healthMessage(fault: Fault) {
  return { id: fault.id, health_delta: FAULT_DELTA[fault.severity] as number, text: fault.message }
}

function compatFault(fault: Fault, reported: string) {
  return {
    id: fault.id,
    last_reported: reported,
    first_reported: reported,
    acknowledged_at: '',
    status: 'new',
    health_delta: FAULT_DELTA[fault.severity] as number,
    message: fault.message,
  }
}

/** Counts of each word, and of all as `total`. */
function count(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = { total: words.length }
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

function percent(part: number, total: number): number {
  return total > 0 ? Math.round((part / total) * 10_000) / 100 : 0
}

function resources(facts: ClusterFacts) {
  const memory = { total: 0, free: 0, used: 0, allocated: 0, provisioned: 0 }
  const cpu = { total: 0, load: 0, allocated: 0 }
  for (const { status } of facts.nodes) {
    const node = status?.resources
    if (node === undefined) continue
    memory.total += node.memoryTotalMiB
    memory.free += node.memoryFreeMiB
    memory.used += node.memoryUsedMiB
    memory.allocated += node.memoryAllocatedMiB
    memory.provisioned += node.memoryProvisionedMiB
    cpu.total += node.cpuCount
    cpu.load += node.load1
    cpu.allocated += node.vcpusAllocated
  }
  const disk = diskShare(facts.poolStats)
  return {
    memory: { ...memory, utilization: percent(memory.used, memory.total) },
    cpu: { ...cpu, load: Math.round(cpu.load * 100) / 100, utilization: percent(cpu.load, cpu.total) },
    disk: { ...disk, utilization: percent(disk.used, disk.total) },
  }
}

/**
 * Disk space in KiB, from the pools: what they use together, and the most that one of them could still take. Pools share
 * the same disks, so their free space must not be added up.
 */
function diskShare(pools: readonly PoolStats[]) {
  const used = Math.round(pools.reduce((sum, pool) => sum + pool.usedBytes, 0) / 1024)
  const free = Math.round(Math.max(0, ...pools.map((pool) => pool.freeBytes)) / 1024)
  return { total: used + free, used, free }
}
