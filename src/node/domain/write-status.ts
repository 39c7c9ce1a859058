import type { VmStatus } from '../../model/domain.ts'
import { hasCode, PvcError } from '../../model/errors.ts'
import type { Versioned } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { ActionOutcome, StatusPatch } from './action.ts'
import type { ActionContext } from './context.ts'
import { applyPatch } from './patch.ts'
import { vncOf } from './vnc.ts'

const DONE: ActionOutcome = { kind: 'done' }

/** Compare-and-set of the status from the one that was seen. */
export async function writeStatus(context: ActionContext, patch: StatusPatch): Promise<ActionOutcome> {
  const { ports, certificate, uuid, observed } = context
  const before = observed.status
  if (before === undefined) throw new PvcError('PVC_STORE_MISSING', `status of VM ${uuid} vanished`)
  const next = applyPatch(before.value, await withVnc(context, before, patch), ports.clock.wallMs())
  try {
    await certificate.session.set(tree.vm(uuid).status, next, before.version)
    // Noted only once acknowledged: a number that was perhaps never written would make the true record look rolled back.
    ports.seqs.check(uuid, next.seq)
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_VERSION')) return { kind: 'overtaken', reason: 'the status changed in between' }
    throw error
  }
  return DONE
}

/** The VNC address is known only once the domain runs, so it is added to the news that it does. */
async function withVnc(context: ActionContext, before: Versioned<VmStatus>, patch: StatusPatch): Promise<StatusPatch> {
  if (patch.phase !== 'running' || before.value.startedGeneration !== 0) return patch
  const xml = await context.ports.hypervisor.xml(context.uuid)
  return { ...patch, vnc: xml === undefined ? null : vncOf(xml) }
}
