/**
 * The fence test of one coordinator, primary or not: asks everything that a fence would need from here, switches nothing, and
 * writes down what it found. Who cannot fence is found before it has become primary.
 */

import { type Clock, sleep, type Timer } from '../base/clock.ts'
import { Limiter } from '../base/limiter.ts'
import { Reconciler } from '../base/reconciler.ts'
import type { Signal } from '../base/signal.ts'
import { errorChain } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import { type CoordinatorTest, FENCE_TEST_TIMES, type FenceReach } from '../model/power.ts'
import type { Log } from '../ports/log.ts'
import type { Scheduler } from '../ports/schedule.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'
import { askAbout, askCeph, type ReachAskDeps, type Round } from './reach-ask.ts'
import { createDocuments } from './readable.ts'
import { nodeNames } from './recovery/read.ts'

export type ReachTestDeps = ReachAskDeps & {
  /** All coordinators in the same order everywhere: each begins a little after the one before it. */
  readonly coordinators: readonly NodeName[]
  /** The session in which this node may write about itself; undefined: none now. */
  readonly session: () => StoreSession | undefined
  /** The daemon is in state run. */
  readonly isAble: Signal<boolean>
  /** Five fields of cron, in UTC. */
  readonly schedule: string
  readonly scheduler: Scheduler
  readonly log: Log
}

export type ReachTest = {
  start(): void
  /** Kills what is in flight; when it resolves, nothing is. */
  stop(): Promise<void>
}

const PARALLEL = 4
const RESCAN_MS = 30_000
const RETRY_MS = 2000
/** A test that failed is not made again before: it may have logged in at a power controller. */
const FAILED_MS = 60_000
/** What changed while the daemon was away is looked for after this time: at first it has other work. */
const FIRST_ROUND_MS = 60_000

type Target = { readonly node: NodeName; readonly wish: number }

/** Nothing happens before `start`. It tests a node that it never tested, one that somebody wishes for, and all by the clock. */
export function createReachTest(deps: ReachTestDeps): ReachTest {
  const { clock, log } = deps
  const ending = new AbortController()
  const documents = createDocuments(log)
  const due = new Due(clock)
  let followed: StoreSession | undefined
  let unfollow: () => void = () => undefined

  const follow = (session: StoreSession): void => {
    if (session === followed) return
    unfollow()
    followed = session
    due.retryNow()
    const stops = [
      session.onChange((path) => isOfInterest(path) && loop.trigger()),
      // Watches may be gone after an interruption.
      session.state.subscribe((state) => {
        if (state !== 'connected') return
        due.retryNow()
        loop.trigger()
      }),
    ]
    unfollow = () => {
      for (const stop of stops) stop()
    }
  }
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    async pass() {
      const session = deps.session()
      if (session === undefined || !deps.isAble.value) return { wakeInMs: RETRY_MS }
      follow(session)
      if (session.state.value !== 'connected') return { wakeInMs: RETRY_MS }
      const round = { session, documents, signal: ending.signal }
      if ((await dueTargets(round, deps, due)).length > 0) {
        const rank = Math.max(0, deps.coordinators.indexOf(deps.self))
        await sleep(clock, rank * FENCE_TEST_TIMES.staggerMs, ending.signal)
        const isRound = due.isRound
        // Again: what was wished for in the meantime need not wait for another turn.
        await testAll(round, deps, due, await dueTargets(round, deps, due))
        // Only now: one that came due meanwhile asks the same again, and has just been answered.
        if (isRound) due.isRound = false
      }
      return { wakeInMs: due.wakeInMs() }
    },
    onError: (error) => log.warn({ error: errorChain(error) }, 'the fence test failed, trying again'),
  })
  const beginRound = (): void => {
    due.isRound = true
    loop.trigger()
  }
  let stops: (() => void)[] = []
  return {
    start() {
      const timer: Timer = clock.setTimer(FIRST_ROUND_MS, beginRound)
      const unsubscribe = deps.isAble.subscribe(() => loop.trigger())
      stops = [() => timer.cancel(), byTheClock(deps, beginRound), unsubscribe]
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

/** Which nodes are to be tested. */
class Due {
  /** All of them. */
  isRound = false
  readonly #clock: Clock
  readonly #failed = new Map<NodeName, { readonly wish: number; readonly retryAtMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  has({ node, wish }: Target, last: CoordinatorTest | undefined): boolean {
    const failed = this.#failed.get(node)
    if (failed !== undefined) return wish > failed.wish || this.#clock.nowMs() >= failed.retryAtMs
    return this.isRound || last === undefined || wish > last.wish
  }

  succeeded(node: NodeName): void {
    this.#failed.delete(node)
  }

  failed({ node, wish }: Target): void {
    this.#failed.set(node, { wish, retryAtMs: this.#clock.nowMs() + FAILED_MS })
  }

  /** The store was away, and is back: mostly that was it. */
  retryNow(): void {
    for (const [node, { wish }] of this.#failed) this.#failed.set(node, { wish, retryAtMs: 0 })
  }

  /** Nodes that are gone. */
  keep(names: readonly NodeName[]): void {
    for (const node of this.#failed.keys()) if (!names.includes(node)) this.#failed.delete(node)
  }

  wakeInMs(): number {
    const waits = [...this.#failed.values()].map(({ retryAtMs }) => retryAtMs - this.#clock.nowMs())
    return Math.max(RETRY_MS, Math.min(RESCAN_MS, ...waits))
  }
}

/** @returns what ends it */
function byTheClock({ schedule, scheduler, log }: ReachTestDeps, beginRound: () => void): () => void {
  try {
    const task = scheduler.at(schedule, beginRound)
    return () => task.stop()
  } catch (error) {
    // The daemon is in service by now: its end would take guests along. All other tests are made.
    log.error(
      { schedule, error: errorChain(error) },
      'no fence tests by the clock: fencing.testSchedule cannot be used',
    )
    return () => undefined
  }
}

/** A node came or went, or somebody wishes for a test. */
function isOfInterest(path: string): boolean {
  return path === tree.nodes.path || path.endsWith('/fence-test')
}

async function dueTargets({ session, documents }: Round, deps: ReachTestDeps, due: Due): Promise<readonly Target[]> {
  // Watched so that a change is seen at once; the values are read after that.
  await session.childrenWatched(tree.nodes.path)
  const names = await nodeNames(session)
  due.keep(names)
  const tests = (await documents.getOwn(session, tree.node(deps.self).fenceReach))?.value.tests ?? []
  const targets = await Promise.all(
    names.map(async (node) => {
      const key = tree.node(node).fenceTest
      await session.readWatched(key.path)
      return { node, wish: (await documents.get(session, key))?.value.wish ?? 0 }
    }),
  )
  return targets.filter((target) =>
    due.has(
      target,
      tests.find(({ node }) => node === target.node),
    ),
  )
}

/** A node whose test fails is noted in `due` and in the log, and keeps no other from its test. */
async function testAll(round: Round, deps: ReachTestDeps, due: Due, targets: readonly Target[]): Promise<void> {
  let problem: Promise<string | undefined> | undefined
  /** The same for all nodes, so it is asked once a round. */
  const ceph = () => {
    problem ??= askCeph(round, deps)
    return problem
  }
  const tests = new Limiter(PARALLEL)
  const writes = new Limiter(1)
  const testOne = async (target: Target) => {
    if (round.signal.aborted) return
    const { node, wish } = target
    try {
      const checks = await askAbout(round, deps, node, ceph)
      // What was killed half-way says nothing about the node.
      if (round.signal.aborted) return
      const failed = checks.filter((check) => !check.isOk).map(({ name }) => name)
      deps.log.info({ node, wish, failed }, 'tested whether the node could be fenced from here')
      const test = { node, at: deps.clock.wallMs(), wish, checks: [...checks] }
      await writes.run(() => record(round, deps.self, test))
      due.succeeded(node)
    } catch (error) {
      if (round.signal.aborted) return
      due.failed(target)
      deps.log.warn({ node, error: errorChain(error) }, 'the fence test of a node failed, trying again in a minute')
    }
  }
  await Promise.all(targets.map((target) => tests.run(() => testOne(target))))
  await problem
}

/** Only this coordinator writes the document, so a version that is not ours is somebody's hand, and the test is made again. */
async function record({ session, documents }: Round, self: NodeName, test: CoordinatorTest): Promise<void> {
  const key = tree.node(self).fenceReach
  const [present, names] = await Promise.all([documents.getOwn(session, key), nodeNames(session)])
  const others = (present?.value.tests ?? []).filter(({ node }) => node !== test.node && names.includes(node))
  const value: FenceReach = {
    coordinator: self,
    tests: [...others, test].sort((a, b) => a.node.localeCompare(b.node)),
  }
  if (present === undefined) await session.create(key, value)
  else await session.set(key, value, present.version)
}
