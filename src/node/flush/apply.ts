import { type Decision, withDecision } from '../../model/decision.ts'
import { isVmSpec } from '../../model/domain.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { Log } from '../../ports/log.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import type { SpecWrite } from './snapshot.ts'

/** After its own write the index has it within a millisecond; what is decided on an older view is refused anyway. */
const SEE_OWN_WRITE_MS = 2000

export type ApplyPorts = { readonly index: Pick<Index, 'reached'>; readonly log: Log }

/**
 * Changes the specification of one VM, unless it or its record has changed since the decision: then the next look decides
 * anew.
 * @returns false when it was not changed
 */
export async function applySpecWrite(session: StoreSession, ports: ApplyPorts, write: SpecWrite): Promise<boolean> {
  const { vm, seen, next, why, decision } = write
  const key = tree.vm(vm).spec
  const [spec, status] = await Promise.all([session.get(key), session.get(tree.vm(vm).status)])
  const isSame = isVmSpec(spec?.value) && spec.value.generation === seen.generation && status?.value.seq === seen.seq
  if (spec === undefined || !isSame) return overtaken(ports, write)
  try {
    const { mzxid } = await session.set(key, next, spec.version)
    ports.log.info({ vm, why, node: next.node, order: next.move?.id }, 'vm placed anew')
    await ports.index.reached(key.path, mzxid, SEE_OWN_WRITE_MS)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_MISSING')) throw error
    return overtaken(ports, write)
  }
  if (decision !== undefined) await keepDecision(session, ports.log, vm, decision)
  return true
}

function overtaken({ log }: ApplyPorts, { vm, why }: SpecWrite): false {
  log.info({ vm, why }, 'overtaken by another change')
  return false
}

/** Keeps the choice for those who ask why. It hinders nothing when it cannot be kept. */
async function keepDecision(session: StoreSession, log: Log, vm: VmUuid, decision: Decision): Promise<void> {
  const key = tree.decisionsOf(vm)
  try {
    const present = await session.get(key)
    const next = withDecision(present?.value, vm, decision)
    if (present === undefined) await session.create(key, next)
    else await session.set(key, next, present.version)
  } catch (error) {
    log.warn({ vm, error: errorChain(error) }, 'the reasons of a choice were not kept')
  }
}
