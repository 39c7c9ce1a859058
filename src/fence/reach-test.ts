/**
 * The fence test of one coordinator, primary or not: asks everything that a fence would need from here, switches nothing, and
 * writes down what it found. Who cannot fence is found before it has become primary.
 */

import { type Clock, sleep, type Timer } from '../base/clock.ts'
import { withDeadline } from '../base/deadline.ts'
import { Limiter } from '../base/limiter.ts'
import { Reconciler } from '../base/reconciler.ts'
import type { Signal } from '../base/signal.ts'
import { errorChain, hasCode, PvcError } from '../model/errors.ts'
import { NodeName } from '../model/ids.ts'
import type { CoordinatorTest, FenceReach } from '../model/power.ts'
import type { Log } from '../ports/log.ts'
import type { Power, PowerVault } from '../ports/power.ts'
import type { Scheduler } from '../ports/schedule.ts'
import type { StorageFence } from '../ports/storage-fence.ts'
import type { StoreSession, Versioned } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { judgeReach, type PowerFinding } from './readiness.ts'

export type ReachTestDeps = {
  readonly self: NodeName
  /** All coordinators in the same order everywhere: each begins a little after the one before it. */
  readonly coordinators: readonly NodeName[]
  /** The session in which this node may write about itself; undefined: none now. */
  readonly session: () => StoreSession | undefined
  /** The daemon is in state run. */
  readonly isAble: Signal<boolean>
  readonly power: Power
  /** Undefined: this node has no usable cluster key. */
  readonly vault: PowerVault | undefined
  readonly storage: Pick<StorageFence, 'mayBlocklist' | 'osds' | 'osdEpochs'>
  /** Five fields of cron, in UTC. */
  readonly schedule: string
  readonly scheduler: Scheduler
  readonly clock: Clock
  readonly log: Log
}

export type ReachTest = {
  start(): void
  /** Kills what is in flight; when it resolves, nothing is. */
  stop(): Promise<void>
}

/** A status is one login; anything slower could not serve a fence. */
const STATUS_MS = 5000
const CEPH_MS = 5000
const PARALLEL = 4
const RESCAN_MS = 30_000
const RETRY_MS = 2000
/**
 * A power controller takes few sessions at a time, and Ceph's monitors change the map once a second: mostly a coordinator has done
 * with both after this time, so that the next one finds them free.
 */
const STAGGER_MS = 2000
/** What changed while the daemon was away is looked for after this time: at first it has other work. */
const FIRST_ROUND_MS = 60_000

type Round = { readonly session: StoreSession; readonly signal: AbortSignal }
type Target = { readonly node: NodeName; readonly wish: number }

/** Nothing happens before `start`. It tests a node that it never tested, one that somebody wishes for, and all by the clock. */
export function createReachTest(deps: ReachTestDeps): ReachTest {
  const { clock, log } = deps
  const ending = new AbortController()
  let isRoundDue = false
  let followed: StoreSession | undefined
  let unfollow: () => void = () => undefined

  const follow = (session: StoreSession): void => {
    if (session === followed) return
    unfollow()
    followed = session
    unfollow = session.onChange((path) => isOfInterest(path) && loop.trigger())
  }
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    async pass() {
      const session = deps.session()
      if (session === undefined || !deps.isAble.value) return { wakeInMs: RETRY_MS }
      follow(session)
      const isWholeRound = isRoundDue
      const targets = await dueTargets(session, deps, isWholeRound)
      if (targets.length > 0) await testAll({ session, signal: ending.signal }, deps, targets)
      // Only now: a round that failed is due still. One that came due meanwhile asks the same again, and has just been answered.
      if (isWholeRound) isRoundDue = false
      return {}
    },
    onError: (error) => log.warn({ error: errorChain(error) }, 'the fence test failed, trying again'),
  })
  const beginRound = (): void => {
    isRoundDue = true
    loop.trigger()
  }
  let stops: (() => void)[] = []
  return {
    start() {
      const timer: Timer = clock.setTimer(FIRST_ROUND_MS, beginRound)
      const task = deps.scheduler.at(deps.schedule, beginRound)
      const unsubscribe = deps.isAble.subscribe(() => loop.trigger())
      stops = [() => timer.cancel(), () => task.stop(), unsubscribe]
      loop.trigger()
    },
    async stop() {
      for (const stop of stops.splice(0)) stop()
      ending.abort()
      unfollow()
      await loop.stop()
    },
  }
}

/** A node came or went, or somebody wishes for a test. */
function isOfInterest(path: string): boolean {
  return path === tree.nodes.path || path.endsWith('/fence-test')
}

async function dueTargets(session: StoreSession, deps: ReachTestDeps, isWholeRound: boolean): Promise<Target[]> {
  const names = ((await session.childrenWatched(tree.nodes.path)) ?? []).map((name) => NodeName.parse(name))
  const tests = (await readOwn(session, deps.self))?.value.tests ?? []
  const targets = await Promise.all(
    names.map(async (node) => {
      const key = tree.node(node).fenceTest
      // Watched so that a new wish is seen at once; the value is read after that.
      await session.readWatched(key.path)
      return { node, wish: (await session.get(key))?.value.wish ?? 0 }
    }),
  )
  return targets.filter(({ node, wish }) => {
    const test = tests.find((each) => each.node === node)
    return isWholeRound || test === undefined || wish > test.wish
  })
}

async function testAll(round: Round, deps: ReachTestDeps, targets: readonly Target[]): Promise<void> {
  const rank = Math.max(0, deps.coordinators.indexOf(deps.self))
  await sleep(deps.clock, rank * STAGGER_MS, round.signal)
  let problem: Promise<string | undefined> | undefined
  /** The same for all nodes, so it is asked once a round. */
  const blocklistProblem = () => {
    problem ??= blocklistProblemOf(round, deps)
    return problem
  }
  const tests = new Limiter(PARALLEL)
  const writes = new Limiter(1)
  const outcomes = await Promise.allSettled(
    targets.map((target) =>
      tests.run(async () => {
        if (round.signal.aborted) return
        const test = await testNode(round, deps, target, blocklistProblem)
        // What was killed half-way says nothing about the node.
        if (!round.signal.aborted) await writes.run(() => record(round.session, deps.self, test))
      }),
    ),
  )
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

async function testNode(
  round: Round,
  deps: ReachTestDeps,
  { node, wish }: Target,
  blocklistProblem: () => Promise<string | undefined>,
): Promise<CoordinatorTest> {
  const { session } = round
  const keys = tree.node(node)
  const [alive, problem] = await Promise.all([session.get(keys.alive), blocklistProblem()])
  const power = await powerFinding(round, deps, node)
  const checks = judgeReach({ node, isAlive: alive !== undefined, power, blocklistProblem: problem })
  const failed = checks.filter((check) => !check.isOk).map(({ name }) => name)
  deps.log.info({ node, wish, failed }, 'tested whether the node could be fenced from here')
  return { node, at: deps.clock.wallMs(), wish, checks: [...checks] }
}

async function blocklistProblemOf({ signal }: Round, { storage, clock }: ReachTestDeps): Promise<string | undefined> {
  const mayBlocklist = () => withDeadline(clock, CEPH_MS, 'Ceph', storage.mayBlocklist(signal))
  try {
    try {
      await mayBlocklist()
    } catch (error) {
      // Once more: slow monitors must not raise an alarm for an hour.
      if (!hasCode(error, 'PVC_CEPH_TIMEOUT')) throw error
      await mayBlocklist()
    }
    await withDeadline(clock, CEPH_MS, 'Ceph', askOneOsd(storage, signal))
    return undefined
  } catch (error) {
    return errorChain(error)
  }
}

/** A fence waits until every OSD says which map it works with. Whether it may be asked at all, one OSD tells. @throws when not */
async function askOneOsd(storage: ReachTestDeps['storage'], signal: AbortSignal): Promise<void> {
  const { osds } = await storage.osds(signal)
  const up = osds.find(({ isUp }) => isUp)
  if (up !== undefined) await storage.osdEpochs([up.id], signal)
}

async function powerFinding(
  { session, signal }: Round,
  { self, power, vault }: ReachTestDeps,
  node: NodeName,
): Promise<PowerFinding> {
  try {
    const document = (await session.get(tree.node(node).power))?.value
    if (document === undefined) return { kind: 'unpublished' }
    if (document.method === 'none') return { kind: 'none' }
    if (vault === undefined)
      return { kind: 'unopened', reason: `Node ${self} has no usable cluster key: see its fault CLUSTER_KEY.` }
    const answer = await power.status(vault.open(node, document), { node, deadlineMs: STATUS_MS, signal })
    if (answer.kind === 'on' || answer.kind === 'off') return { kind: answer.kind }
    return { kind: 'problem', reason: 'reason' in answer ? answer.reason : 'it did not name a state' }
  } catch (error) {
    // What stands there will not get better by asking again; a store that does not answer will.
    if (error instanceof PvcError && hasCode(error, 'PVC_STATE_REFUSED', 'PVC_STORE_CORRUPT'))
      return { kind: 'unopened', reason: error.message }
    throw error
  }
}

async function readOwn(session: StoreSession, self: NodeName): Promise<Versioned<FenceReach> | undefined> {
  const key = tree.node(self).fenceReach
  try {
    return await session.get(key)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_CORRUPT')) throw error
    // Another release, or somebody's hand: nobody else writes it, so it is made anew.
    await session.remove(key.path)
    return undefined
  }
}

/** Only this coordinator writes the document, so a version that is not ours is somebody's hand, and the round is tried again. */
async function record(session: StoreSession, self: NodeName, test: CoordinatorTest): Promise<void> {
  const key = tree.node(self).fenceReach
  const [present, names] = await Promise.all([readOwn(session, self), session.children(tree.nodes.path)])
  const others = (present?.value.tests ?? []).filter(({ node }) => node !== test.node && names?.includes(node))
  const value: FenceReach = {
    coordinator: self,
    tests: [...others, test].sort((a, b) => a.node.localeCompare(b.node)),
  }
  if (present === undefined) await session.create(key, value)
  else await session.set(key, value, present.version)
}
