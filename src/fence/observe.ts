import type { FenceJournal } from '../model/fence.ts'
import type { NodeName } from '../model/ids.ts'
import type { Reign } from '../ports/primary.ts'
import type { RawNode, Versioned } from '../ports/store.ts'
import type { Key } from '../schema/key.ts'
import { tree } from '../schema/tree.ts'
import type { ClusterView } from './cluster.ts'
import type { FencerDeps } from './deps.ts'
import type { Opening } from './opening.ts'
import { type NodeRead, targetsOf } from './recovery/read.ts'
import type { FenceMemory, FenceView, ProbeVerdict, StorageProof } from './view.ts'

/** A view, and the journal with the version its next write needs. */
export type Observed = { readonly view: FenceView; readonly journal: Versioned<FenceJournal> }

export type ObserveContext = {
  readonly deps: FencerDeps
  readonly reign: Reign
  readonly cluster: ClusterView
  readonly node: NodeName
  readonly memory: FenceMemory
  /** Undefined: the journal was closed at the last look. */
  readonly opening: (journal: FenceJournal) => Opening | undefined
  readonly probe: ProbeVerdict | undefined
}

const NO_STORAGE: StorageProof = {
  osdEpoch: undefined,
  areOsdsCurrent: false,
  areOwnOsdsDown: false,
  problem: '',
  failingForMs: 0,
}

/**
 * Reads what the decision about one node needs, over the session of the lease, and arms watches on what can change. Where
 * the proof of life is missing the server is made to catch up first.
 * @returns undefined when the node has no journal: it never registered
 */
export async function observeNode(context: ObserveContext): Promise<Observed | undefined> {
  const { deps, reign, cluster, node, memory } = context
  const keys = tree.node(node)
  const { session } = reign
  const seen = await session.readWatched(keys.alive.path)
  if (seen === undefined) await session.sync()
  const [alive, journal, order, status] = await Promise.all([
    read(session.readWatched(keys.alive.path), keys.alive),
    read(session.readWatched(keys.fence.path), keys.fence),
    read(session.readWatched(keys.fenceOrder.path), keys.fenceOrder),
    session.get(keys.status),
  ])
  if (journal === undefined) return undefined
  const isCalm = journal.value.state === 'closed' && alive !== undefined && order === undefined
  const [recordLives, nodes, document] = isCalm
    ? [[], [], undefined]
    : await Promise.all([cluster.livesOf(node), cluster.nodes(), session.get(tree.cluster)])
  const isAway = alive === undefined && journal.value.state === 'recovered'
  const opening = context.opening(journal.value)
  const view: FenceView = {
    self: reign.node,
    node,
    nowMs: deps.clock.nowMs(),
    journal: journal.value,
    alive: alive?.value.life,
    status: status?.value,
    order: order?.value,
    recordLives,
    isAwaited: isAway && (await cluster.isAwaited(node)),
    policy: {
      isEnabled: deps.settings.isEnabled,
      maxNodes: deps.settings.maxNodes ?? Math.max(1, Math.ceil(nodes.length / 2) - 1),
      stopGraceMs: deps.settings.stopGraceMs,
    },
    othersFenced: nodes.flatMap((other) => (isGone(other) && other.spec.name !== node ? [other.spec.name] : [])),
    isMaintenance: document?.value.maintenance.on ?? reign.maintenance.isOn,
    hasTarget: [...targetsOf(nodes).keys()].some((name) => name !== node),
    coordinators: nodes.flatMap((other) => coordinatorOf(other, deps.settings.coordinators)),
    probe: context.probe,
    storage: opening?.storage.proof ?? NO_STORAGE,
    power: opening?.power.proof ?? { kind: 'none' },
    listed: opening?.listed(deps.clock),
    memory,
  }
  return { view, journal }
}

async function read<T>(node: Promise<RawNode | undefined>, key: Key<T>): Promise<Versioned<T> | undefined> {
  const raw = await node
  return raw === undefined ? undefined : { ...raw, value: key.codec.decode(raw.text, key.path) }
}

/** Being fenced, or fenced and not back. */
function isGone({ journal, aliveLife }: NodeRead): boolean {
  return journal !== undefined && journal.state !== 'closed' && aliveLife === undefined
}

function coordinatorOf({ spec, status, isAlive }: NodeRead, coordinators: readonly NodeName[]) {
  if (!isAlive || !coordinators.includes(spec.name)) return []
  return [{ node: spec.name, isCephAway: status?.faults.some(({ id }) => id === 'CEPH_UNREACHABLE') ?? false }]
}
