import { Limiter } from '../../base/limiter.ts'
import { withDecision } from '../../model/decision.ts'
import type { VmStatus } from '../../model/domain.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import type { Victim } from '../../model/fence.ts'
import type { NodeName, VmUuid } from '../../model/ids.ts'
import type { Placement } from '../../model/placement.ts'
import type { VolumeLock } from '../../model/storage.ts'
import { clientIp } from '../../model/storage-address.ts'
import type { Ceph } from '../../ports/ceph.ts'
import type { Log } from '../../ports/log.ts'
import type { Gated } from '../../ports/primary.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { RecoveryStep } from './plan.ts'
import type { ReadRecovery } from './read.ts'

/** Records moved at the same time; each is a handful of requests and, with locks, two processes per volume. */
const PARALLEL_MOVES = 8

export type RecoveryContext = {
  readonly session: StoreSession
  readonly ceph: Pick<Ceph, 'locks' | 'breakLock'>
  readonly node: NodeName
  /** Addresses that are shut out of Ceph: only their locks are broken. */
  readonly addresses: readonly string[]
  /** False: Ceph cannot be written by anybody, so locks are not looked at. */
  readonly isCephUsable: boolean
  irreversible<T>(what: string, work: () => Promise<T>): Promise<Gated<T>>
  /** Milliseconds since the journal was opened, by this primary's clock. */
  afterMs(): number
  readonly wallMs: number
  readonly log: Log
}

/** Carries a plan out. Each VM by itself: what fails for one is tried again for that one. @returns what became of each */
export function applyRecovery(
  context: RecoveryContext,
  steps: readonly RecoveryStep[],
  { versions }: ReadRecovery,
): Promise<readonly Victim[]> {
  const limiter = new Limiter(PARALLEL_MOVES)
  return Promise.all(
    steps.map((step) =>
      limiter.run(async () => {
        const victim = await applyStep(context, step, versions.get(step.uuid))
        context.log[victim.state === 'failed' ? 'warn' : 'info']({ vm: step.uuid, victim }, `vm ${victim.state}`)
        return victim
      }),
    ),
  )
}

type Versions = { readonly spec: number | undefined; readonly status: number }

async function applyStep(
  context: RecoveryContext,
  step: RecoveryStep,
  versions: Versions | undefined,
): Promise<Victim> {
  const { uuid, name, reason } = step
  const victim = (state: Victim['state'], why: string, target: NodeName | null = null): Victim => {
    return { uuid, name, state, target, reason: why, afterMs: context.afterMs() }
  }
  if (step.kind === 'wait' || versions === undefined) return victim('waiting', reason)
  try {
    // Also of a VM that is left off: who starts it later could not tell that the lock is a dead one's.
    const refused = 'volumes' in step ? await breakLocks(context, step) : undefined
    if (refused !== undefined) return victim('waiting', refused)
    const done = await context.irreversible(`move the record of VM ${name}`, () => write(context, step, versions))
    if (done.kind === 'refused') return victim('waiting', done.reason)
    if (step.kind === 'end-migration') return victim('waiting', reason)
    return step.kind === 'release' ? victim('off', reason) : victim('moved', reason, step.target)
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_SESSION_LOST')) throw error
    // Somebody else changed a document: the next plan sees what it is now.
    const isOvertaken = hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_MISSING')
    return isOvertaken ? victim('waiting', 'it was changed in between') : victim('failed', errorChain(error))
  }
}

/**
 * The spec before the record: a record at a node that the spec does not name would be given back at once. A primary that
 * dies in between leaves a placement that the next one keeps.
 */
async function write(context: RecoveryContext, step: RecoveryStep, versions: Versions): Promise<void> {
  const { session } = context
  const keys = tree.vm(step.uuid)
  if (step.kind === 'move' || step.kind === 'place' || step.kind === 'release') {
    if (step.spec !== undefined && versions.spec !== undefined) await session.set(keys.spec, step.spec, versions.spec)
    await keepDecision(context, step.uuid, step.kind === 'release' ? null : step.target, step.placement)
  }
  if (step.kind !== 'wait' && step.kind !== 'place')
    await session.set<VmStatus>(keys.status, step.status, versions.status)
}

/**
 * Breaks what the dead clients of the fenced node left; the lock of anybody else stays, and the start says whose it is. They
 * are looked at before the gate: that changes nothing, and takes as long as Ceph needs to serve what the dead host served.
 * @returns why it may not be done now
 */
async function breakLocks(
  { ceph, addresses, isCephUsable, irreversible, log }: RecoveryContext,
  { name, volumes }: Extract<RecoveryStep, { volumes: unknown }>,
): Promise<string | undefined> {
  if (!isCephUsable) return undefined
  const held = await Promise.all(
    volumes.map(async (volume) => (await ceph.locks(volume)).map((lock) => ({ volume, lock }))),
  )
  const isDead = ({ lock }: { readonly lock: VolumeLock }) => addresses.includes(clientIp(lock.address))
  for (const each of held.flat())
    if (!isDead(each)) log.warn(each, 'a volume is locked by a client that is not fenced; the lock stays')
  const dead = held.flat().filter(isDead)
  if (dead.length === 0) return undefined
  const done = await irreversible(`break the locks of VM ${name}`, () =>
    Promise.all(dead.map(({ volume, lock }) => ceph.breakLock(volume, lock))),
  )
  return done.kind === 'refused' ? done.reason : undefined
}

/** For `pvc vm why`. What was decided is carried out whether or not this can be kept. */
async function keepDecision(
  { session, node, wallMs, log }: RecoveryContext,
  vm: VmUuid,
  choice: NodeName | null,
  placement: Placement | undefined,
): Promise<void> {
  if (placement === undefined) return
  const { reason, candidates } = placement
  const decision = { at: wallMs, kind: 'recover' as const, from: node, choice, reason, candidates: [...candidates] }
  const key = tree.decisionsOf(vm)
  try {
    const present = await session.get(key)
    const next = withDecision(present?.value, vm, decision)
    if (present === undefined) await session.create(key, next)
    else await session.set(key, next, present.version)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_EXISTS', 'PVC_STORE_MISSING', 'PVC_STORE_CORRUPT')) throw error
    log.warn({ vm, error: errorChain(error) }, 'a decision could not be kept')
  }
}
