import { hasCode } from '../../model/errors.ts'
import type { NodeAlive } from '../../model/node.ts'
import type { StoreSession } from '../../ports/store.ts'
import type { Key } from '../../schema/key.ts'
import type { AliveDecision } from './decide.ts'

/** Carries one step out; what somebody else was quicker with, the next look tells. @throws PvcError of the store */
export async function applyAlive(
  session: StoreSession,
  key: Key<NodeAlive>,
  value: NodeAlive,
  decision: AliveDecision,
): Promise<void> {
  try {
    if (decision.kind === 'create') await session.create(key, value, 'ephemeral')
    else if (decision.kind === 'remove') await replace(session, key, value, decision.version)
    else if (decision.kind === 'update') await session.set(key, value, decision.version)
  } catch (error) {
    // E.g. the old session expired meanwhile.
    if (!hasCode(error, 'PVC_STORE_EXISTS', 'PVC_STORE_MISSING', 'PVC_STORE_VERSION')) throw error
  }
}

/**
 * Both requests are sent before either is answered, and a session's requests are carried out in order: between the two there
 * is no time in which the primary could take the restart of a daemon for a death.
 */
async function replace(session: StoreSession, key: Key<NodeAlive>, value: NodeAlive, version: number): Promise<void> {
  const requests = [session.remove(key.path, version), session.create(key, value, 'ephemeral')]
  for (const result of await Promise.allSettled(requests)) if (result.status === 'rejected') throw result.reason
}
