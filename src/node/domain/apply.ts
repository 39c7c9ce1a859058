import { unreachable } from '../../base/assert.ts'
import { isVmSpec } from '../../model/domain.ts'
import { type ErrorCode, errorChain, hasCode, PvcError } from '../../model/errors.ts'
import { tree } from '../../schema/tree.ts'
import type { ActionOutcome, VmAction } from './action.ts'
import { applyMove, hasTime, isCurrent } from './apply-move.ts'
import type { ActionContext } from './context.ts'
import type { DomainPorts } from './ports.ts'
import { prepareVolumes } from './volumes/prepare.ts'
import { writeStatus } from './write-status.ts'

/** Trying again cannot help before somebody changes something. */
const FINAL_CODES: readonly ErrorCode[] = ['PVC_VOLUME_LOCKED', 'PVC_CEPH_NOT_FOUND', 'PVC_XML_INVALID']

/** So old may be what is known of the blocklist at a start. */
const BLOCKLIST_AGE_MS = 30_000

const DONE: ActionOutcome = { kind: 'done' }

/** Does one thing for a VM, idempotently. Expected failures are outcomes; anything else is thrown and retried by the loop. */
export async function applyVmAction(context: ActionContext, action: VmAction): Promise<ActionOutcome> {
  const { ports, uuid } = context
  switch (action.kind) {
    case 'write':
      return writeStatus(context, action.patch)
    case 'start':
      return ports.starts.run(() => start(context, action))
    case 'shutdown':
      await ports.hypervisor.shutdown(uuid)
      return DONE
    case 'destroy':
      await ports.hypervisor.destroy(uuid)
      return DONE
    case 'destroy-foreign':
      return destroyForeign(context)
    case 'undefine':
      await ports.hypervisor.undefine(uuid)
      return DONE
    case 'revoke-permit':
      await ports.files.removePermit(uuid)
      return DONE
    case 'clean-volumes':
      await cleanVolumes(context, action.spec.rbdList)
      return DONE
    case 'kill-orphan':
      await ports.files.killQemu(uuid, action.pid)
      return DONE
    case 'copy':
    case 'abort-copy':
    case 'end-source':
    case 'resume':
    case 'say-arrival':
    case 'expect-copy':
    case 'expect-no-copy':
    case 'adopt':
      return applyMove(context, action)
    default:
      return unreachable(action)
  }
}

async function start(context: ActionContext, action: VmAction & { kind: 'start' }): Promise<ActionOutcome> {
  const { ports, certificate, uuid, observed } = context
  try {
    const shutOut = action.spec.rbdList.length === 0 ? undefined : await blocklistHindrance(ports)
    if (shutOut !== undefined) return { kind: 'retryable', reason: shutOut }
    await prepareVolumes(ports, action.spec.rbdList, action.isExitUnclean)
    // Waiting for a place and looking at the volumes may have taken minutes: only what is certain now counts (protocol N4).
    const keys = tree.vm(uuid)
    const [status, spec] = await Promise.all([certificate.session.get(keys.status), certificate.session.get(keys.spec)])
    if (status === undefined || status.version !== observed.status?.version) {
      return { kind: 'overtaken', reason: 'the status changed in between' }
    }
    if (!isVmSpec(spec?.value) || spec.value.generation !== action.spec.generation) {
      return { kind: 'overtaken', reason: 'something else is wanted of the VM by now' }
    }
    if (!hasTime(ports, certificate)) {
      return { kind: 'overtaken', reason: 'the ZooKeeper session of this node is not certain to last' }
    }
    await ports.files.writePermit(uuid, action.mark)
    // From here on the call counts as outstanding: a quarantine that began while the permit was written would not see it.
    if (!isCurrent(ports, certificate)) {
      await ports.files.removePermit(uuid)
      return { kind: 'overtaken', reason: 'this node is not certified any more' }
    }
    await ports.hypervisor.create(uuid, action.spec.xml, action.mark)
    return DONE
  } catch (error) {
    return startFailure(error)
  }
}

/** No start while Ceph shuts this node out (protocol N3): the guest would only see errors. */
async function blocklistHindrance(ports: DomainPorts): Promise<string | undefined> {
  const own = await ports.blocklist.recent(BLOCKLIST_AGE_MS)
  if (own.kind === 'unknown') return `it cannot be seen whether Ceph shuts this node out: ${own.reason}`
  return own.kind === 'listed' ? 'a storage address of this node is in the blocklist of Ceph' : undefined
}

function startFailure(error: unknown): ActionOutcome {
  if (!(error instanceof PvcError)) throw error
  const reason = errorChain(error)
  const isFinal = FINAL_CODES.includes(error.code) || error.details['isFinal'] === true
  return { kind: isFinal ? 'final' : 'retryable', reason }
}

async function destroyForeign(context: ActionContext): Promise<ActionOutcome> {
  const { ports, certificate, uuid } = context
  // A lagging server may have shown an old record: a healthy domain must not die of that (protocol N9).
  await certificate.session.sync()
  const status = await certificate.session.get(tree.vm(uuid).status)
  if (status?.version !== context.observed.status?.version) {
    return { kind: 'overtaken', reason: 'the record changed in between' }
  }
  ports.log.warn({ run: status?.value.run ?? null }, 'destroying a domain whose run record is not its own')
  await ports.files.removePermit(uuid)
  await ports.hypervisor.destroy(uuid)
  return DONE
}

async function cleanVolumes(context: ActionContext, volumes: Parameters<typeof prepareVolumes>[1]): Promise<void> {
  const { ports } = context
  try {
    await prepareVolumes(ports, volumes, true)
  } catch (error) {
    if (!hasCode(error, 'PVC_VOLUME_LOCKED', 'PVC_CEPH_FAILED', 'PVC_CEPH_TIMEOUT', 'PVC_CEPH_NOT_FOUND')) throw error
    ports.log.warn({ error: errorChain(error) }, 'the volumes of an ended VM could not be cleaned')
  }
}
