import { unreachable } from '../../base/assert.ts'
import { isVmSpec, type VmArrival } from '../../model/domain.ts'
import { hasCode } from '../../model/errors.ts'
import { tree } from '../../schema/tree.ts'
import type { ActionOutcome, VmAction } from './action.ts'
import type { ActionContext } from './context.ts'
import type { Certificate, DomainPorts } from './ports.ts'
import { prepareVolumes } from './volumes/prepare.ts'
import { writeStatus } from './write-status.ts'

/** A domain may only be made to run while the session is certain to live this long (protocol N4). */
const START_LEASE_MS = 2000
/** QEMU closes its disks in an orderly way within this time, or is killed. */
const END_GRACE_MS = 500

const DONE: ActionOutcome = { kind: 'done' }

/** The actions of a move. */
export type MoveAction = Extract<
  VmAction,
  {
    kind: 'copy' | 'abort-copy' | 'end-source' | 'resume' | 'say-arrival' | 'expect-copy' | 'expect-no-copy' | 'adopt'
  }
>

/** Whether this node is still certified in the session and under the life in which a decision was made. */
export function isCurrent(ports: DomainPorts, { session, life }: Certificate): boolean {
  const now = ports.certificate()
  return now?.session === session && now.life === life
}

/** Whether a decision still counts, and its session is certain to last for a start. */
export function hasTime(ports: DomainPorts, certificate: Certificate): boolean {
  return isCurrent(ports, certificate) && certificate.session.leaseValidForMs() >= START_LEASE_MS
}

/** Does one step of a move. */
export async function applyMove(context: ActionContext, action: MoveAction): Promise<ActionOutcome> {
  const { ports, uuid } = context
  switch (action.kind) {
    case 'copy':
      return copy(context, action)
    case 'abort-copy':
      await ports.hypervisor.abortMigration(uuid)
      return DONE
    case 'end-source':
      return endSource(context, action)
    case 'resume':
      await ports.hypervisor.resume(uuid)
      return DONE
    case 'say-arrival':
      // Not waited for: who does not answer learns it from the store.
      if (action.tell !== undefined) void ports.peers.wake(action.tell, uuid, action.arrival)
      return sayArrival(context, action.arrival)
    case 'expect-copy':
      await ports.files.writeIncoming(uuid, action.migrationId)
      return DONE
    case 'expect-no-copy':
      await ports.files.removeIncoming(uuid)
      return DONE
    case 'adopt':
      return adopt(context, action)
    default:
      return unreachable(action)
  }
}

async function copy(context: ActionContext, action: MoveAction & { kind: 'copy' }): Promise<ActionOutcome> {
  const { ports, certificate, uuid, startCopy } = context
  const { migration, policy, maxDowntimeMs } = action
  const status = await certificate.session.get(tree.node(migration.to.node).status)
  const targetAddress = status?.value.clusterAddr ?? ''
  if (targetAddress === '') return { kind: 'retryable', reason: `node ${migration.to.node} has not said its address` }
  const request = { migrationId: migration.id, targetAddress, maxDowntimeMs, policy }
  // Found now: a look through /proc while the guest stands still would prolong that.
  const qemuPid = (await ports.files.qemuProcesses()).get(uuid)
  startCopy(migration.id, qemuPid, () => ports.hypervisor.migrate(uuid, request))
  return DONE
}

/**
 * Ends our QEMU and hands the record over in one go: the guest stands still meanwhile, and libvirt answers nothing about a
 * domain whose migration it is finishing.
 */
async function endSource(context: ActionContext, action: MoveAction & { kind: 'end-source' }): Promise<ActionOutcome> {
  const { ports, uuid, observed, look } = context
  const { qemuPid, spec } = observed.observation
  const askedAtMs = ports.clock.nowMs()
  const [end] = await Promise.all([
    qemuPid === undefined ? 'ended' : ports.files.endQemu(uuid, qemuPid, END_GRACE_MS),
    ports.files.removePermit(uuid),
  ])
  ports.log.info({ end, ms: Math.round(ports.clock.nowMs() - askedAtMs) }, 'the QEMU that was copied has ended')
  // A killed client leaves its watch on the image, and the next migration would hang on it.
  if (end === 'killed' && isVmSpec(spec)) await prepareVolumes(ports, spec.rbdList, true)
  if (look().isResumedSinceSwitch) return { kind: 'overtaken', reason: 'libvirt let the guest run on here' }
  return writeStatus(context, action.patch)
}

async function sayArrival(context: ActionContext, arrival: VmArrival): Promise<ActionOutcome> {
  const { certificate, uuid } = context
  const key = tree.vm(uuid).arrival
  const before = await certificate.session.get(key)
  try {
    if (before === undefined) await certificate.session.create(key, arrival)
    else await certificate.session.set(key, arrival, before.version)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_EXISTS')) throw error
    return { kind: 'overtaken', reason: 'another node said something about a copy of this VM' }
  }
  return DONE
}

/** The copy becomes our domain, and only then runs (protocol L3, L5). Each part may be repeated. */
async function adopt(context: ActionContext, action: MoveAction & { kind: 'adopt' }): Promise<ActionOutcome> {
  const { ports, certificate, uuid, observed } = context
  if (!hasTime(ports, certificate)) {
    return { kind: 'overtaken', reason: 'the ZooKeeper session of this node is not certain to last' }
  }
  const { mark } = observed.observation.domain ?? {}
  const isMarked = mark?.life === action.mark.life && mark.seq === action.mark.seq
  await Promise.all([
    ports.files.writePermit(uuid, action.mark),
    isMarked ? undefined : ports.hypervisor.setMark(uuid, action.mark),
    ports.files.removeIncoming(uuid),
  ])
  await ports.hypervisor.resume(uuid)
  ports.log.info({}, 'the copy runs')
  return DONE
}
