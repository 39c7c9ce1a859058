import type { VmSpec, VmStatus } from '../model/domain.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import type { VmUuid } from '../model/ids.ts'
import { type OperationsDeps, watchIndex } from './deps.ts'
import type { PowerAction } from './plan.ts'
import { readCluster, readVm, type VmEntry, vmNotFound } from './view.ts'

/** Added to what the guest is given to shut down: the node's own work, and the way back. */
const MARGIN_MS = 30_000
/** A start or a forced stop. */
const QUICK_ACTION_MS = 60_000

/** Longest time a request waits for a power action. */
export function powerDeadlineMs(deps: OperationsDeps, spec: VmSpec, action: PowerAction, isForced: boolean): number {
  if (action === 'start' || action === 'stop' || (action === 'disable' && isForced)) return QUICK_ACTION_MS
  const shutdownMs = spec.meta.shutdownTimeoutMs ?? readCluster(deps.index).defaults.shutdownTimeoutMs
  return shutdownMs + MARGIN_MS
}

/** How far a power action is. `failed` carries the reason. */
export type PowerProgress = { readonly is: 'pending' | 'done' } | { readonly is: 'failed'; readonly reason: string }

const PENDING: PowerProgress = { is: 'pending' }
const DONE: PowerProgress = { is: 'done' }

/** Judges a status against the wish it answers. Pure. */
export function powerProgress(wish: VmSpec, status: VmStatus): PowerProgress {
  if (status.observedGeneration < wish.generation) return PENDING
  if (wish.power !== 'on') return status.run === null && status.phase !== 'stopping' ? DONE : PENDING
  if (status.phase === 'failed') return { is: 'failed', reason: status.failedReason }
  return status.phase === 'running' && status.done.restart >= wish.wishes.restart ? DONE : PENDING
}

/**
 * Waits until the node has carried out `wish`.
 * @throws PVC_VM_FAILED with the node's reason, PVC_OBJECT_CONFLICT when a newer wish says otherwise, PVC_WAIT_TIMEOUT
 */
export async function waitForPower(
  deps: OperationsDeps,
  wish: VmSpec,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<void> {
  let soFar = ''
  const isDone = (entry: VmEntry | undefined) => {
    if (entry === undefined) throw vmNotFound(wish.name)
    soFar = entry.status.failedReason
    const present = entry.spec.value
    if (present.generation > wish.generation && present.power !== wish.power)
      throw new PvcError('PVC_OBJECT_CONFLICT', `Another request changed what is wanted of VM '${wish.name}'`, {
        details: { version: present.generation },
      })
    const progress = powerProgress(wish, entry.status)
    if (progress.is === 'failed') throw new PvcError('PVC_VM_FAILED', `VM '${wish.name}' failed: ${progress.reason}`)
    return progress.is === 'done'
  }
  try {
    await waitForVm(deps, wish.uuid, deadlineMs, signal, isDone)
  } catch (error) {
    if (!hasCode(error, 'PVC_WAIT_TIMEOUT') || soFar === '') throw error
    throw new PvcError('PVC_WAIT_TIMEOUT', `${error.message}. So far: ${soFar}`, { cause: error })
  }
}

/**
 * Waits for a condition on one VM, looking again at every change of the index.
 * @throws what `isDone` throws, PVC_WAIT_TIMEOUT
 */
export async function waitForVm(
  deps: OperationsDeps,
  uuid: VmUuid,
  deadlineMs: number,
  signal: AbortSignal | undefined,
  isDone: (entry: VmEntry | undefined) => boolean,
): Promise<void> {
  const outcome = await watchIndex(deps, deadlineMs, signal, () => isDone(readVm(deps.index, uuid)))
  if (outcome === 'done') return
  const why =
    outcome === 'aborted'
      ? 'The client went away; what was asked stays wanted'
      : `This was not finished within ${Math.round(deadlineMs / 1000)} s; it stays wanted and goes on`
  throw new PvcError('PVC_WAIT_TIMEOUT', why)
}
