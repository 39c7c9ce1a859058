/**
 * The primary's part of the fence test: takes what it found itself as a coordinator, adds what the node says of itself, and
 * writes down and reports whether the node could be fenced now.
 */

import type { Clock } from '../base/clock.ts'
import { Reconciler } from '../base/reconciler.ts'
import type { Signal } from '../base/signal.ts'
import { errorChain } from '../model/errors.ts'
import { NodeName } from '../model/ids.ts'
import type { CoordinatorTest, FenceReach, Readiness } from '../model/power.ts'
import type { Log } from '../ports/log.ts'
import type { PrimaryRole, Reign } from '../ports/primary.ts'
import { tree } from '../schema/tree.ts'
import { judgeNode, reachFault, readinessFault } from './readiness.ts'

export type FenceTestDeps = {
  readonly coordinators: readonly NodeName[]
  /** What is wrong with the fence hook; its fault is the primary's too. */
  readonly hookProblem: Signal<string | undefined>
  readonly clock: Clock
  readonly log: Log
}

const RESCAN_MS = 30_000
const RETRY_MS = 2000

/** The duty of the primary. What it judges, the test of its own node as a coordinator has found. */
export function createFenceTest(deps: FenceTestDeps): PrimaryRole {
  let loop: Reconciler | undefined
  let unsubscribe: () => void = () => undefined
  return {
    name: 'fence-test',
    async start(reign) {
      await this.stop()
      const running = new Reconciler({
        clock: deps.clock,
        rescanMs: RESCAN_MS,
        retryMs: RETRY_MS,
        async pass() {
          await judgeAll(reign, deps)
          return {}
        },
        onError: (error) => deps.log.warn({ error: errorChain(error) }, 'the fence test failed, trying again'),
      })
      loop = running
      const unsubscribes = [
        reign.session.onChange((path) => path.endsWith('/fence-reach') && running.trigger()),
        deps.hookProblem.subscribe(() => running.trigger()),
      ]
      unsubscribe = () => {
        for (const each of unsubscribes) each()
      }
      running.trigger()
    },
    async stop() {
      unsubscribe()
      unsubscribe = () => undefined
      await loop?.stop()
      loop = undefined
    },
  }
}

async function judgeAll(reign: Reign, deps: FenceTestDeps): Promise<void> {
  const reaches = await livingReaches(reign, deps.coordinators)
  const own = reaches.find(({ coordinator }) => coordinator === reign.node)?.tests ?? []
  const names = [...((await reign.session.children(tree.nodes.path)) ?? [])].sort().map((name) => NodeName.parse(name))
  const judged = await Promise.all(
    names.map((node) =>
      judge(
        reign,
        deps,
        node,
        own.find((test) => test.node === node),
      ),
    ),
  )
  const tests = judged.filter((readiness) => readiness !== undefined)
  showFaults(reign, deps, tests, reaches)
}

/** What the coordinators found that live now: nobody else could become primary. */
async function livingReaches({ session }: Reign, coordinators: readonly NodeName[]): Promise<readonly FenceReach[]> {
  const found = await Promise.all(
    coordinators.map(async (name) => {
      const { alive, fenceReach } = tree.node(name)
      // Watched so that a new result is seen at once; the value is read after that.
      await session.readWatched(fenceReach.path)
      const [proof, reach] = await Promise.all([session.get(alive), session.get(fenceReach)])
      return proof === undefined || reach === undefined ? [] : [reach.value]
    }),
  )
  return found.flat()
}

/** @returns the last result, written anew when this primary has a newer one or another one wrote it */
async function judge(
  { node: self, session, maintenance, ended }: Reign,
  { log }: FenceTestDeps,
  node: NodeName,
  test: CoordinatorTest | undefined,
): Promise<Readiness | undefined> {
  const keys = tree.node(node)
  const present = await session.get(keys.readiness)
  const last = present?.value
  const isKnown = last?.testedBy === self && last.at === test?.at && last.run >= test.wish
  if (test === undefined || isKnown || ended.aborted) return last
  const [alive, status] = await Promise.all([session.get(keys.alive), session.get(keys.status)])
  const ofNode = judgeNode({
    isAlive: alive !== undefined,
    status: status?.value,
    isMaintenance: maintenance.isOn,
  })
  const run = Math.max((last?.run ?? 0) + 1, test.wish)
  const value: Readiness = { node, at: test.at, run, checks: [...test.checks, ...ofNode], testedBy: self }
  if (ended.aborted) return last
  if (present === undefined) await session.create(keys.readiness, value)
  else await session.set(keys.readiness, value, present.version)
  const failed = value.checks.filter((check) => !check.isOk).map(({ name }) => name)
  log.info({ node, run, failed }, 'tested whether the node could be fenced')
  return value
}

/** From what is written, so that a new primary shows the faults of the last test at once. */
function showFaults(
  { faults, maintenance }: Reign,
  { hookProblem }: FenceTestDeps,
  tests: readonly Readiness[],
  reaches: readonly FenceReach[],
): void {
  const found = tests.flatMap((readiness) => readinessFault(readiness, reaches, maintenance.isOn) ?? [])
  faults.replace('FENCE_NOT_READY', found)
  const gap = reachFault(tests, reaches, maintenance.isOn)
  faults.replace('FENCE_COORDINATOR', gap === undefined ? [] : [gap])
  const problem = hookProblem.value
  if (problem === undefined) faults.clear('FENCE_HOOK')
  else faults.set('FENCE_HOOK', 'warning', `Nobody was told of the last step of a fence: ${problem}.`)
}
