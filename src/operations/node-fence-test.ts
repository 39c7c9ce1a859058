import { daemonState } from '../model/compat-node.ts'
import { hasCode, PvcError } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import { type CoordinatorTest, FENCE_TEST_TIMES, type FenceReach, type Readiness, reachChecks } from '../model/power.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { connectedSession, type OperationsDeps, watchIndex } from './deps.ts'
import type { DocumentIndex } from './document-index.ts'
import { readNodes, requireNode } from './view.ts'

const PASS_MS = Math.max(FENCE_TEST_TIMES.statusMs, 2 * FENCE_TEST_TIMES.cephMs)
const MOST_COORDINATORS = 5
/** What a coordinator has begun comes first, then its turn, then its test. A new primary may have to be found meanwhile. */
export const FENCE_TEST_WAIT_MS = 2 * PASS_MS + (MOST_COORDINATORS - 1) * FENCE_TEST_TIMES.staggerMs
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
    const result = look()
    const isMissing = ({ isRunning, test }: CoordinatorFinding) => isRunning && (test?.wish ?? 0) < wish
    return isAnswered(result) && !result.coordinators.some(isMissing) && isOfAll(result, runningReaches(deps.index))
  })
  const result = look()
  if (isAnswered(result)) return result
  throw new PvcError(
    'PVC_WAIT_TIMEOUT',
    `Node '${node}' was not tested within ${FENCE_TEST_WAIT_MS / 1000} s: is there a primary, and does its fence test work (log of pvcnoded)? The test stays wished for`,
  )
}

function primaryTest({ readiness, coordinators }: FenceTestResult): CoordinatorTest | undefined {
  return coordinators.find(({ coordinator }) => coordinator === readiness?.testedBy)?.test
}

/** The primary's judgement rests on a test that was made for this wish. */
function isAnswered(result: FenceTestResult): boolean {
  const { readiness, wish } = result
  if (readiness === undefined) return false
  // An older release does not say whose test it was.
  if (readiness.testedBy === undefined) return readiness.run >= wish
  const test = primaryTest(result)
  return test !== undefined && test.wish >= wish && test.at === readiness.at
}

/** What the primary says of its own node it takes from the others, so that it may have to judge again after their last answer. */
function isOfAll(result: FenceTestResult, reaches: readonly FenceReach[]): boolean {
  const { node, readiness } = result
  const test = primaryTest(result)
  if (test === undefined || readiness?.testedBy !== node) return true
  const isSaid = (message: string) => readiness.checks.some((check) => check.message === message)
  return reachChecks(node, test, reaches).every(({ message }) => isSaid(message))
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
  const [present, readiness] = await Promise.all([
    orAbsent(session.get(keys.fenceTest), () => session.remove(keys.fenceTest.path)),
    orAbsent(session.get(keys.readiness), () => undefined),
  ])
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

/** A document that cannot be decoded, of another release or by somebody's hand, keeps nobody from asking for a test. */
async function orAbsent<T>(reading: Promise<T>, clear: () => Promise<void> | undefined): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_CORRUPT')) throw error
    await clear()
    return undefined
  }
}
