import type { clusterRoutes } from '../../contract/cluster.ts'
import { compatCluster } from '../../model/compat-cluster.ts'
import { PvcError } from '../../model/errors.ts'
import {
  isMaintenanceAcknowledged,
  type MaintenanceOutcome,
  primaryStatus,
  setMaintenance,
  untilMaintenanceAcknowledged,
} from '../../operations/coordinator.ts'
import { eachVm, primaryNode, readCluster, readNodes, readPools, readVolumes } from '../../operations/view.ts'
import { readNetworks } from '../../view/networks.ts'
import type { Handlers } from '../handler.ts'

/** Status waits this long for Ceph's figures; older ones are shown otherwise. */
export const POOL_STATS_WAIT_MS = 500

/** Audit entries shown when the client does not say how many. */
const DEFAULT_AUDIT_LINES = 50

/** Answers to `on`. */
const MAINTENANCE_WORDS: Readonly<Record<MaintenanceOutcome, string>> = {
  confirmed: 'Successfully set cluster in maintenance mode',
  waiting:
    'Maintenance was accepted, waiting for the primary: a fence that has begun may still go on until the status shows it as confirmed.',
  over: 'Maintenance was switched off again by somebody else before the primary had confirmed it.',
}

export const clusterHandlers = {
  root: ({ deps }) => ({ message: `PVC API version 1, release ${deps.version}` }),

  status: async ({ deps }) => {
    const { index } = deps
    const pools = readPools(index)
    const stats = pools.length > 0 ? await deps.poolStats.current(POOL_STATS_WAIT_MS) : new Map()
    const volumes = readVolumes(index)
    return compatCluster({
      cluster: readCluster(index),
      version: deps.version,
      primary: primaryNode(index),
      withoutPrimaryMs: deps.primaryAbsence.forMs(),
      primaryFaults: primaryStatus(index)?.faults ?? [],
      isMaintenanceAcknowledged: isMaintenanceAcknowledged(index),
      upstreamIp: deps.upstreamIp,
      nodes: readNodes(index),
      vms: [...eachVm(index)].map(({ spec, status }) => ({ spec: spec.value, status })),
      poolStats: pools.flatMap(({ name }) => stats.get(name) ?? []),
      networkCount: readNetworks(deps.index).length,
      poolCount: pools.length,
      volumeCount: volumes.length,
      snapshotCount: volumes.reduce((sum, { info }) => sum + info.snapshotCount, 0),
      nowMs: deps.clock.wallMs(),
      formatTime: (wallMs) => new Date(wallMs).toISOString().slice(0, 19).replace('T', ' '),
    })
  },

  primaryNode: ({ deps }) => {
    const primary = primaryNode(deps.index)
    if (primary === undefined) throw new PvcError('PVC_OBJECT_NOT_FOUND', 'No coordinator is primary')
    return { primary_node: primary }
  },

  setMaintenance: async ({ deps, principal, signal }, { state, reason, for: forMs }) => {
    const cluster = await setMaintenance(deps, { on: state, by: principal.who, reason: reason ?? '', forMs })
    if (!state) return { message: 'Successfully set cluster in normal mode' }
    return { message: MAINTENANCE_WORDS[await untilMaintenanceAcknowledged(deps, cluster, signal)] }
  },

  audit: async ({ deps }, { lines }) => [...(await deps.audit.latest(lines ?? DEFAULT_AUDIT_LINES))],
} satisfies Pick<Handlers, keyof typeof clusterRoutes>
