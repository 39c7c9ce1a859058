import type { VmSpec } from '../model/domain.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import { orderOf, whereabouts } from '../model/move.ts'
import type { VmFacts } from '../model/placement.ts'
import type { OperationsDeps } from './deps.ts'
import { readCluster, readNode, readVm, vmNotFound } from './view.ts'
import { waitForVm } from './vm-wait.ts'

/** Added to what copying and an orderly shutdown may take: making ready, the switch, the start. */
const MARGIN_MS = 60_000
/** A copy slower than this is not waited for; it goes on. */
const SLOWEST_MIBPS = 32
/** Memory that changes is copied again. */
const COPY_ROUNDS = 3

/** Longest time a request waits for a move. */
export function moveDeadlineMs(deps: OperationsDeps, spec: VmSpec): number {
  const shutdownMs = spec.meta.shutdownTimeoutMs ?? readCluster(deps.index).defaults.shutdownTimeoutMs
  const rateMiBps = Math.min(SLOWEST_MIBPS, spec.move?.policy.bandwidthMiBps ?? SLOWEST_MIBPS)
  return MARGIN_MS + shutdownMs + ((COPY_ROUNDS * spec.memoryMiB) / rateMiBps) * 1000
}

/** How far a move is, and if it ended otherwise than asked, how. */
export type MoveEnd =
  | { readonly is: 'pending' | 'done' }
  | { readonly is: 'failed' | 'superseded'; readonly reason: string }

/** Judges a VM against the order `ordered` was written with. Pure. */
export function judgeMoveEnd(ordered: VmSpec, vm: VmFacts): MoveEnd {
  const { spec, status } = vm
  if (spec.generation < ordered.generation) return { is: 'pending' }
  const target = ordered.node
  const isThere = status.run?.node === target && status.run.holder === null
  if (isThere && status.phase === 'running' && status.handedOver === null) return { is: 'done' }
  if (ordered.move === null) return { is: 'done' }
  const { id } = ordered.move
  if (status.moveFailure?.orderId === id && status.moveFailure.isFinal)
    return { is: 'failed', reason: `stays on node '${whereabouts(vm).node}': ${status.moveFailure.reason}` }
  if (spec.power !== 'on') return { is: 'superseded', reason: 'was asked to stop meanwhile' }
  if (orderOf(spec).id !== id) {
    const isCancelled = spec.move === null && spec.node === whereabouts(vm).node
    return {
      is: 'superseded',
      reason: isCancelled ? 'stays, the move was cancelled' : `was sent to node '${spec.node}' meanwhile`,
    }
  }
  if (status.phase === 'failed' && status.observedGeneration >= ordered.generation)
    return { is: 'failed', reason: `does not start on node '${target}': ${status.failedReason}` }
  return { is: 'pending' }
}

/**
 * Waits until a move has ended.
 * @throws PVC_VM_FAILED with the reason, PVC_OBJECT_CONFLICT when another request decided otherwise, PVC_OBJECT_NOT_FOUND
 * when the VM was removed, PVC_WAIT_TIMEOUT
 */
export async function waitForMove(
  deps: OperationsDeps,
  ordered: VmSpec,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await waitForVm(deps, ordered.uuid, deadlineMs, signal, (entry) => {
      if (entry === undefined) throw vmNotFound(ordered.name)
      const end = judgeMoveEnd(ordered, { spec: entry.spec.value, status: entry.status })
      if (end.is === 'failed') throw new PvcError('PVC_VM_FAILED', `VM '${ordered.name}' ${end.reason}`)
      if (end.is === 'superseded') throw new PvcError('PVC_OBJECT_CONFLICT', `VM '${ordered.name}' ${end.reason}`)
      return end.is === 'done'
    })
  } catch (error) {
    if (!hasCode(error, 'PVC_WAIT_TIMEOUT')) throw error
    throw new PvcError('PVC_WAIT_TIMEOUT', `${error.message}. So far: ${soFar(deps, ordered)}`, { cause: error })
  }
}

/** Waits until nothing of a cancelled move is left, so that the VM may be moved again. */
export async function waitForCancel(
  deps: OperationsDeps,
  cancelled: VmSpec,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<void> {
  await waitForVm(deps, cancelled.uuid, deadlineMs, signal, (entry) => {
    if (entry === undefined) throw vmNotFound(cancelled.name)
    return entry.status.migration === null && entry.spec.value.generation >= cancelled.generation
  })
}

function soFar(deps: OperationsDeps, ordered: VmSpec): string {
  const entry = readVm(deps.index, ordered.uuid)
  if (entry === undefined) return 'the VM is gone'
  const { spec, status } = entry
  const { node } = whereabouts({ spec: spec.value, status })
  const progress = status.migration?.progress
  const copied = progress ? `, ${Math.floor(progress.percent)} % copied` : ''
  const failed = status.failedReason === '' ? '' : `, ${status.failedReason}`
  return `phase ${status.phase} on node '${node}'${copied}${failed}${gone(deps, node)}${gone(deps, ordered.node)}`
}

function gone(deps: OperationsDeps, node: NodeName): string {
  return readNode(deps.index, node)?.isAlive === true ? '' : `, node '${node}' is gone`
}
