import { hasCode, PvcError } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import type { Readiness } from '../model/power.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps, watchIndex } from './deps.ts'
import type { DocumentIndex } from './document-index.ts'
import { requireNode } from './view.ts'

/** The primary bounds each question by 5 s; a new primary may have to come first. */
export const FENCE_TEST_WAIT_MS = 20_000
const MAX_ATTEMPTS = 5

/** What the last fence test of a node found; undefined: none was made. @throws PVC_OBJECT_NOT_FOUND */
export function readReadiness(index: DocumentIndex, name: string): Readiness | undefined {
  return index.get(tree.node(requireNode(index, name).spec.name).readiness)?.value
}

/**
 * Has the primary test a node: only it holds the right to Ceph's blocklist and talks to controllers. Writes a wish and waits
 * for a test that is at least as new.
 * @throws PVC_OBJECT_NOT_FOUND, PVC_OBJECT_CONFLICT, PVC_WAIT_TIMEOUT when no primary takes it up
 */
export async function runFenceTest(
  deps: OperationsDeps,
  name: string,
  by: string,
  signal?: AbortSignal,
): Promise<Readiness> {
  const node = requireNode(deps.index, name).spec.name
  const wish = await raiseWish(deps, node, by)
  const answer = (): Readiness | undefined => {
    const readiness = readReadiness(deps.index, node)
    return readiness !== undefined && readiness.run >= wish ? readiness : undefined
  }
  await watchIndex(deps, FENCE_TEST_WAIT_MS, signal, () => answer() !== undefined)
  const readiness = answer()
  if (readiness !== undefined) return readiness
  throw new PvcError(
    'PVC_WAIT_TIMEOUT',
    `Node '${node}' was not tested within ${FENCE_TEST_WAIT_MS / 1000} s: is there a primary? The test stays wished for`,
  )
}

/** @returns the number of the test that will answer it */
async function raiseWish(deps: OperationsDeps, node: NodeName, by: string): Promise<number> {
  const session = connectedSession(deps)
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const wish = await tryRaise(session, node, { by, at: deps.clock.wallMs() })
    if (wish !== undefined) return wish
  }
  throw new PvcError(
    'PVC_OBJECT_CONFLICT',
    `The fence test of node '${node}' is wished for by others all the time; try again`,
  )
}

/** Undefined: somebody else was quicker. */
async function tryRaise(session: StoreSession, node: NodeName, facts: { readonly by: string; readonly at: number }) {
  const keys = tree.node(node)
  const [present, readiness] = await Promise.all([session.get(keys.fenceTest), session.get(keys.readiness)])
  const wish = Math.max(present?.value.wish ?? 0, readiness?.value.run ?? 0) + 1
  try {
    if (present === undefined) await session.create(keys.fenceTest, { wish, ...facts })
    else await session.set(keys.fenceTest, { wish, ...facts }, present.version)
    return wish
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_EXISTS')) return undefined
    throw error
  }
}
