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
    else if (decision.kind === 'replace') await session.replaceEphemeral(key, value, decision.version)
    else if (decision.kind === 'update') await session.set(key, value, decision.version)
  } catch (error) {
    // E.g. the old session expired meanwhile.
    if (!hasCode(error, 'PVC_STORE_EXISTS', 'PVC_STORE_MISSING', 'PVC_STORE_VERSION')) throw error
  }
}
