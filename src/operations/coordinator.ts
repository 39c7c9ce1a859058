/** Orders about the primary, and maintenance, which it has to confirm. */
import type { Cluster } from '../model/cluster.ts'
import { daemonState } from '../model/compat-node.ts'
import type { PrimaryStatus, PrimaryWanted } from '../model/coordinator.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps, seeOwnWrite, watchIndex } from './deps.ts'
import type { DocumentIndex } from './document-index.ts'
import { editDocument } from './edit.ts'
import { primaryNode, readCluster, requireNode } from './view.ts'

/** How long a request waits for the primary to confirm maintenance; what was asked for holds on. */
export const MAINTENANCE_WAIT_MS = 10_000

/** What the primary of now says; undefined while there is none, or it has said nothing yet. */
export function primaryStatus(index: DocumentIndex): PrimaryStatus | undefined {
  const lease = index.get(tree.primary.lease)?.value
  const status = index.get(tree.primary.status)?.value
  return lease !== undefined && status?.epoch === lease.epoch ? status : undefined
}

export type MaintenanceWish = {
  readonly on: boolean
  readonly by: string
  readonly reason: string
  /** Ends by itself after this time. */
  readonly forMs?: number | undefined
}

/** Turns maintenance on or off. Saying what is so already changes nothing but the time of its end, and keeps since when. */
export async function setMaintenance(deps: OperationsDeps, wish: MaintenanceWish): Promise<Cluster> {
  const nowMs = deps.clock.wallMs()
  const { on, by, reason, forMs } = wish
  const end = forMs === undefined ? {} : { until: nowMs + forMs }
  return editDocument(deps, tree.cluster, 'The cluster', (cluster) => {
    const { maintenance } = cluster
    if (maintenance.on === on && (!on || forMs === undefined)) return cluster
    const next = maintenance.on ? { ...maintenance, ...end } : { on, by, reason, since: nowMs, ...end }
    const off = { on: false, since: 0, by: '', reason: '' }
    return { ...cluster, generation: cluster.generation + 1, maintenance: on ? next : off }
  })
}

/** Whether the primary of now obeys maintenance as it stands (protocol P8). */
export function isMaintenanceAcknowledged(index: DocumentIndex, { generation }: Cluster = readCluster(index)): boolean {
  return (primaryStatus(index)?.maintenanceSeen ?? -1) >= generation
}

/** confirmed: the primary obeys it. waiting: it has not said so in time. over: somebody has switched it off meanwhile. */
export type MaintenanceOutcome = 'confirmed' | 'waiting' | 'over'

/** Waits until the primary has confirmed the maintenance that was switched on with this state of the cluster. */
export async function untilMaintenanceAcknowledged(
  deps: OperationsDeps,
  switchedOn: Cluster,
  signal?: AbortSignal,
): Promise<MaintenanceOutcome> {
  const isOver = (now: Cluster) => now.generation > switchedOn.generation && !now.maintenance.on
  // What the primary has seen may be later than what was seen here: an end of the maintenance could be in between.
  const isSeen = (now: Cluster) =>
    isMaintenanceAcknowledged(deps.index, switchedOn) &&
    now.generation >= (primaryStatus(deps.index)?.maintenanceSeen ?? 0)
  const end = await watchIndex(deps, MAINTENANCE_WAIT_MS, signal, () => {
    const now = readCluster(deps.index)
    return isOver(now) || isSeen(now)
  })
  if (isOver(readCluster(deps.index))) return 'over'
  return end === 'done' ? 'confirmed' : 'waiting'
}

/**
 * Orders that a coordinator becomes primary, or gives it up.
 * @returns number of the order, or undefined when it is so already
 * @throws PVC_OBJECT_NOT_FOUND, PVC_STATE_REFUSED when it is no coordinator or does not run
 */
export async function orderCoordinatorState(
  deps: OperationsDeps,
  name: string,
  state: 'primary' | 'secondary',
  by: string,
): Promise<number | undefined> {
  const node = requireNode(deps.index, name)
  const self = node.spec.name
  if (node.spec.mode !== 'coordinator')
    throw new PvcError('PVC_STATE_REFUSED', `Node '${name}' is not a coordinator, so it cannot be primary`)
  if (daemonState(node) !== 'run')
    throw new PvcError('PVC_STATE_REFUSED', `The daemon of node '${name}' is in state ${daemonState(node)}, not run`)
  const pending = deps.index.get(tree.primary.wanted)?.value
  const isPending = (pending?.wish ?? 0) > (primaryStatus(deps.index)?.wishSeen ?? 0)
  const isPrimary = primaryNode(deps.index) === self
  if (!isPending && isPrimary === (state === 'primary')) return undefined
  return writeWanted(deps, state === 'primary' ? { node: self, not: null, by } : { node: null, not: self, by })
}

async function writeWanted(
  deps: OperationsDeps,
  order: { readonly node: NodeName | null; readonly not: NodeName | null; readonly by: string },
): Promise<number> {
  const key = tree.primary.wanted
  const session = connectedSession(deps)
  // The primary remembers what it answered also when the order's document was lost, so numbers go on from there.
  const first: PrimaryWanted = { ...order, wish: (deps.index.get(tree.primary.status)?.value.wishSeen ?? 0) + 1 }
  if ((await session.get(key)) === undefined) {
    try {
      await session.create(key, first)
      await seeOwnWrite(deps, key, 0n)
      return first.wish
    } catch (error) {
      if (!hasCode(error, 'PVC_STORE_EXISTS')) throw error
    }
  }
  return (await editDocument(deps, key, 'The order about the primary', ({ wish }) => ({ ...order, wish: wish + 1 })))
    .wish
}
