import { daemonState } from '../model/compat-node.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import type { CoordinatorTest, FenceReach, Readiness } from '../model/power.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps, watchIndex } from './deps.ts'
import type { DocumentIndex } from './document-index.ts'
import { readNodes, requireNode } from './view.ts'

/** A coordinator bounds each of its questions by 5 s, and the fifth begins 8 s late; a new primary may have to come first. */
export const FENCE_TEST_WAIT_MS = 25_000
const MAX_ATTEMPTS = 5

/** What one coordinator says of one node. */
export type CoordinatorFinding = {
  readonly coordinator: NodeName
  /** Only these are asked. */
  readonly isRunning: boolean
  /** Its last test; undefined: it never made one, or its release does not. */
  readonly test: CoordinatorTest | undefined
}

/** What is known of whether a node could be fenced. */
export type FenceTestResult = {
  readonly node: NodeName
  /** As the primary judged it; undefined: none ever did. */
  readonly readiness: Readiness | undefined
  /** Of every registered coordinator, by name. */
  readonly coordinators: readonly CoordinatorFinding[]
  /** The wish that was made now; a test with a lower number is an older one. 0: none was made. */
  readonly wish: number
}

/** What the coordinators that run now found that they could fence. */
export function runningReaches(index: DocumentIndex): readonly FenceReach[] {
  return coordinatorsOf(index).flatMap(({ isRunning, reach }) => (isRunning && reach !== undefined ? [reach] : []))
}

function coordinatorsOf(index: DocumentIndex) {
  return readNodes(index)
    .filter(({ spec }) => spec.mode === 'coordinator')
    .map((node) => ({
      name: node.spec.name,
      isRunning: daemonState(node) === 'run',
      reach: index.get(tree.node(node.spec.name).fenceReach)?.value,
    }))
}

/** What the last fence tests of a node found. @throws PVC_OBJECT_NOT_FOUND */
export function readFenceTest(index: DocumentIndex, name: string, wish = 0): FenceTestResult {
  const { name: node } = requireNode(index, name).spec
  const coordinators = coordinatorsOf(index).map(({ name: coordinator, isRunning, reach }) => ({
    coordinator,
    isRunning,
    test: reach?.tests.find((test) => test.node === node),
  }))
  return { node, readiness: index.get(tree.node(node).readiness)?.value, coordinators, wish }
}

/**
 * Has every running coordinator test a node: each has a way of its own to its power controller and to Ceph. Writes a wish and waits
 * for tests that are at least as new. A coordinator that does not answer in time is left with its older test, or none.
 * @throws PVC_OBJECT_NOT_FOUND, PVC_OBJECT_CONFLICT, PVC_WAIT_TIMEOUT when no primary takes it up
 */
export async function runFenceTest(
  deps: OperationsDeps,
  name: string,
  by: string,
  signal?: AbortSignal,
): Promise<FenceTestResult> {
  const node = requireNode(deps.index, name).spec.name
  const answered = readFenceTest(deps.index, node).coordinators.map(({ test }) => test?.wish ?? 0)
  const wish = await raiseWish(deps, node, by, Math.max(0, ...answered))
  const look = () => readFenceTest(deps.index, node, wish)
  await watchIndex(deps, FENCE_TEST_WAIT_MS, signal, () => {
    const { readiness, coordinators } = look()
    const isMissing = ({ coordinator, isRunning, test }: CoordinatorFinding) =>
      (isRunning && (test?.wish ?? 0) < wish) || (coordinator === readiness?.testedBy && test?.at !== readiness.at)
    return (readiness?.run ?? 0) >= wish && !coordinators.some(isMissing)
  })
  const result = look()
  if ((result.readiness?.run ?? 0) >= wish) return result
  throw new PvcError(
    'PVC_WAIT_TIMEOUT',
    `Node '${node}' was not tested within ${FENCE_TEST_WAIT_MS / 1000} s: is there a primary? The test stays wished for`,
  )
}

/** @returns the number of the test that will answer it, above `floor` */
async function raiseWish(deps: OperationsDeps, node: NodeName, by: string, floor: number): Promise<number> {
  const session = connectedSession(deps)
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const wish = await tryRaise(session, node, floor, { by, at: deps.clock.wallMs() })
    if (wish !== undefined) return wish
  }
  throw new PvcError(
    'PVC_OBJECT_CONFLICT',
    `The fence test of node '${node}' is wished for by others all the time; try again`,
  )
}

/** Undefined: somebody else was quicker. */
async function tryRaise(
  session: StoreSession,
  node: NodeName,
  floor: number,
  facts: { readonly by: string; readonly at: number },
) {
  const keys = tree.node(node)
  const [present, readiness] = await Promise.all([session.get(keys.fenceTest), session.get(keys.readiness)])
  const wish = Math.max(floor, present?.value.wish ?? 0, readiness?.value.run ?? 0) + 1
  try {
    if (present === undefined) await session.create(keys.fenceTest, { wish, ...facts })
    else await session.set(keys.fenceTest, { wish, ...facts }, present.version)
    return wish
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_EXISTS')) return undefined
    throw error
  }
}
