/** What a coordinator asks for the fence test of a node: its power controller and Ceph, as a fence would. Switches nothing. */

import type { Clock } from '../base/clock.ts'
import { DeadlineError, withDeadline } from '../base/deadline.ts'
import { errorChain, hasCode, PvcError } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import { FENCE_TEST_TIMES, type ReadinessCheck } from '../model/power.ts'
import type { Power, PowerVault } from '../ports/power.ts'
import type { StorageFence } from '../ports/storage-fence.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import type { Documents } from './readable.ts'
import { judgeReach, type PowerFinding } from './readiness.ts'

const { cephMs, statusMs } = FENCE_TEST_TIMES

export type ReachAskDeps = {
  readonly self: NodeName
  readonly power: Power
  /** Undefined: this node has no usable cluster key. */
  readonly vault: PowerVault | undefined
  readonly storage: Pick<StorageFence, 'mayBlocklist' | 'osds' | 'osdEpochs'>
  readonly clock: Clock
}

/** One round of questions: in which session, until when. */
export type Round = { readonly session: StoreSession; readonly documents: Documents; readonly signal: AbortSignal }

/** Both at the same time; `ceph` is the answer of {@link askCeph}. @throws PvcError of the store */
export async function askAbout(
  round: Round,
  deps: ReachAskDeps,
  node: NodeName,
  ceph: () => Promise<string | undefined>,
): Promise<readonly ReadinessCheck[]> {
  const [found, blocklistProblem] = await Promise.all([askPower(round, deps, node), ceph()])
  return judgeReach({ node, ...found, blocklistProblem })
}

/** @returns why this coordinator could not shut anybody out of Ceph; undefined: it could */
export async function askCeph({ signal }: Round, { storage, clock }: ReachAskDeps): Promise<string | undefined> {
  const ask = async () => {
    const asked = new AbortController()
    const work = askCephOnce(storage, AbortSignal.any([signal, asked.signal]))
    try {
      await withDeadline(clock, cephMs, 'Ceph', work)
    } finally {
      asked.abort()
    }
  }
  try {
    try {
      await ask()
    } catch (error) {
      // Once more: slow monitors must not raise an alarm for an hour.
      if (!hasCode(error, 'PVC_CEPH_TIMEOUT') && !(error instanceof DeadlineError)) throw error
      await ask()
    }
    return undefined
  } catch (error) {
    return errorChain(error)
  }
}

/** A fence waits until every OSD says which map it works with. Whether it may be asked at all, one OSD tells. @throws when not */
async function askCephOnce(storage: ReachAskDeps['storage'], signal: AbortSignal): Promise<void> {
  await storage.mayBlocklist(signal)
  const { osds } = await storage.osds(signal)
  const up = osds.find(({ isUp }) => isUp)
  if (up !== undefined) await storage.osdEpochs([up.id], signal)
}

async function askPower(round: Round, deps: ReachAskDeps, node: NodeName) {
  const power = await powerFinding(round, deps, node)
  // Only now: a node that ended while its controller was asked must not pass for one that lives with its power off.
  const alive = await round.documents.get(round.session, tree.node(node).alive)
  return { power, isAlive: alive !== undefined }
}

async function powerFinding(
  { session, signal }: Round,
  { self, power, vault }: ReachAskDeps,
  node: NodeName,
): Promise<PowerFinding> {
  try {
    const document = (await session.get(tree.node(node).power))?.value
    if (document === undefined) return { kind: 'unpublished' }
    if (document.method === 'none') return { kind: 'none' }
    if (vault === undefined)
      return { kind: 'unopened', reason: `Node ${self} has no usable cluster key: see its fault CLUSTER_KEY.` }
    const answer = await power.status(vault.open(node, document), { node, deadlineMs: statusMs, signal })
    if (answer.kind === 'on' || answer.kind === 'off') return { kind: answer.kind }
    return { kind: 'problem', reason: 'reason' in answer ? answer.reason : 'it did not name a state' }
  } catch (error) {
    // What stands there will not get better by asking again; a store that does not answer will.
    if (error instanceof PvcError && hasCode(error, 'PVC_STATE_REFUSED', 'PVC_STORE_CORRUPT'))
      return { kind: 'unopened', reason: error.message }
    throw error
  }
}
