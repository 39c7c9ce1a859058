import type { NodeFacts } from '../model/compat-node.ts'
import { PvcError } from '../model/errors.ts'
import { CLOSED_JOURNAL, type FenceJournal, type FenceOrder } from '../model/fence.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps } from './deps.ts'
import { readCluster, requireNode } from './view.ts'

/** How far the fencing of a node is. */
export type FenceFacts = {
  readonly node: NodeFacts
  readonly journal: FenceJournal
  /** An order that the primary has still to carry out. */
  readonly pending: FenceOrder | undefined
}

/** The fence journal of a node and what was ordered about it; read from the store itself. @throws PVC_OBJECT_NOT_FOUND */
export async function readFence(deps: OperationsDeps, name: string): Promise<FenceFacts> {
  const node = requireNode(deps.index, name)
  const session = connectedSession(deps)
  const keys = tree.node(node.spec.name)
  const [journal, order] = await Promise.all([session.get(keys.fence), session.get(keys.fenceOrder)])
  const known = journal?.value ?? CLOSED_JOURNAL
  return { node, journal: known, pending: isPending(order?.value, known) ? order?.value : undefined }
}

/** An order to fence names the journal before it; a confirmation the open one. */
function isPending(order: FenceOrder | undefined, { state, seq }: FenceJournal): boolean {
  if (order === undefined || order.seq !== seq) return false
  return order.kind === 'fence' ? state === 'closed' : state === 'open'
}

/**
 * Orders a node to be fenced on purpose. The primary carries it out.
 * @returns number of the fence it will be
 * @throws PVC_OBJECT_NOT_FOUND, PVC_STATE_REFUSED, PVC_OBJECT_CONFLICT
 */
export async function orderFence(deps: OperationsDeps, name: string, by: string): Promise<number> {
  const { node, journal } = await readFence(deps, name)
  if (readCluster(deps.index).maintenance.on)
    throw refused(`Node '${name}' is not fenced: the cluster is in maintenance, during which nothing is fenced`)
  if (journal.state !== 'closed')
    throw refused(`Node '${name}' is being fenced already; see 'pvc node fence-status ${name}'`)
  if (node.status === undefined) throw refused(`Node '${name}' has never reported, so there is nothing to fence`)
  // Nobody would carry it out until another one is primary, which may be hours later.
  const lease = await connectedSession(deps).get(tree.primary.lease)
  if (lease?.value.node === node.spec.name)
    throw refused(
      `Node '${name}' is the primary, which does not fence itself; make another coordinator primary first: 'pvc node primary OTHER'`,
    )
  const { seq } = journal
  await writeOrder(deps, node, { kind: 'fence', life: node.status.life, seq, by, at: deps.clock.wallMs() })
  return seq + 1
}

/**
 * Takes a person's word that a machine is off or cut off (protocol P4 f). It is bound to the life that is being fenced, so
 * it can never be taken for one about a later life.
 * @returns number of the fence it is about
 * @throws PVC_OBJECT_NOT_FOUND, PVC_STATE_REFUSED, PVC_OBJECT_CONFLICT
 */
export async function confirmFence(
  deps: OperationsDeps,
  name: string,
  by: string,
  expectedSeq: number | undefined,
): Promise<number> {
  const { node, journal } = await readFence(deps, name)
  const { state, seq, life } = journal
  if (expectedSeq !== undefined && expectedSeq !== seq)
    throw new PvcError(
      'PVC_OBJECT_CONFLICT',
      `Node '${name}' is being fenced anew meanwhile; look at the machine again`,
    )
  if (state !== 'open' || life === null) {
    const why = state === 'closed' ? 'is not being fenced' : 'was proven to be over already'
    throw refused(`There is nothing to confirm: node '${name}' ${why}`)
  }
  if (node.isAlive) throw refused(`Node '${name}' is in touch with the cluster, so it is neither off nor cut off`)
  await writeOrder(deps, node, { kind: 'confirm', life, seq, by, at: deps.clock.wallMs() })
  return seq
}

function refused(message: string): PvcError {
  return new PvcError('PVC_STATE_REFUSED', message)
}

/** One order at a time; a later one takes the place of an earlier one. */
async function writeOrder(deps: OperationsDeps, { spec }: NodeFacts, order: FenceOrder): Promise<void> {
  const key = tree.node(spec.name).fenceOrder
  const session = connectedSession(deps)
  const before = await session.get(key)
  if (before === undefined) await session.create(key, order)
  else await session.set(key, order, before.version)
}
