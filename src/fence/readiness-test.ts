/**
 * The primary's part of the fence test: takes what it found itself as a coordinator, adds what the node says of itself, and
 * writes down and reports whether the node could be fenced now. It also names coordinators that do not test.
 */

import type { Clock } from '../base/clock.ts'
import { Reconciler } from '../base/reconciler.ts'
import type { Signal } from '../base/signal.ts'
import { errorChain } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import {
  type CoordinatorTest,
  type FenceReach,
  type Readiness,
  type ReadinessCheck,
  reachChecks,
} from '../model/power.ts'
import type { Log } from '../ports/log.ts'
import type { PrimaryRole, Reign } from '../ports/primary.ts'
import { tree } from '../schema/tree.ts'
import { createDocuments, type Documents } from './readable.ts'
import { judgeNode, reachFault, readinessFault } from './readiness.ts'
import { isSilent, Silence } from './readiness-silence.ts'
import { nodeNames } from './recovery/read.ts'

export type FenceTestDeps = {
  readonly coordinators: readonly NodeName[]
  /** What is wrong with the fence hook; its fault is the primary's too. */
  readonly hookProblem: Signal<string | undefined>
  readonly clock: Clock
  readonly log: Log
}

/** What stays from one look of a reign to the next. */
type Look = {
  readonly reign: Reign
  readonly deps: FenceTestDeps
  readonly documents: Documents
  readonly silence: Silence
}

/** What a look finds of a coordinator that lives. */
type Living = { readonly name: NodeName; readonly isRunning: boolean; readonly reach: FenceReach | undefined }

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
      const look: Look = { reign, deps, documents: createDocuments(deps.log), silence: new Silence(deps.clock) }
      const running = new Reconciler({
        clock: deps.clock,
        rescanMs: RESCAN_MS,
        retryMs: RETRY_MS,
        async pass() {
          await judgeAll(look)
          return {}
        },
        onError: (error) => deps.log.warn({ error: errorChain(error) }, 'the fence test failed, trying again'),
      })
      loop = running
      const unsubscribes = [
        reign.session.onChange((path) => path.endsWith('/fence-reach') && running.trigger()),
        // Watches may be gone after an interruption.
        reign.session.state.subscribe(() => running.trigger()),
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

/** @throws PvcError of the store; the nodes that could be read are judged all the same */
async function judgeAll(look: Look): Promise<void> {
  const { reign, deps, documents, silence } = look
  const names = await nodeNames(reign.session)
  const [living, wishes] = await Promise.all([
    livingCoordinators(look),
    Promise.all(
      names.map(async (node) => ({
        node,
        wish: (await documents.get(reign.session, tree.node(node).fenceTest))?.value.wish ?? 0,
      })),
    ),
  ])
  const reaches = living.flatMap(({ reach }) => reach ?? [])
  const judged = await Promise.allSettled(names.map((node) => judge(look, node, reaches)))
  const tests = judged.flatMap((outcome) => (outcome.status === 'fulfilled' ? (outcome.value ?? []) : []))
  const unread = names.filter((_, index) => judged[index]?.status === 'rejected')
  const silent = living.filter(({ isRunning, reach }) => isRunning && isSilent(reach, wishes)).map(({ name }) => name)
  showFaults(reign, deps, { tests, unread, reaches, silent: silence.lasting(silent) })
  for (const outcome of judged) if (outcome.status === 'rejected') throw outcome.reason
}

/** Nobody else could become primary. */
async function livingCoordinators({ reign: { session }, deps, documents }: Look): Promise<readonly Living[]> {
  const found = await Promise.all(
    deps.coordinators.map(async (name) => {
      const { alive, status, fenceReach } = tree.node(name)
      // Watched so that a new result is seen at once; the value is read after that.
      await session.readWatched(fenceReach.path)
      const [proof, own, reach] = await Promise.all([
        documents.get(session, alive),
        documents.get(session, status),
        documents.get(session, fenceReach),
      ])
      return proof === undefined ? [] : [{ name, isRunning: own?.value.daemon === 'run', reach: reach?.value }]
    }),
  )
  return found.flat()
}

/** @returns what is known now, written anew when it is not what stands there */
async function judge(look: Look, node: NodeName, reaches: readonly FenceReach[]): Promise<Readiness | undefined> {
  const { node: self, session, maintenance, ended } = look.reign
  const { documents } = look
  const keys = tree.node(node)
  const test = reaches.find(({ coordinator }) => coordinator === self)?.tests.find((each) => each.node === node)
  if (test === undefined || ended.aborted) return (await documents.get(session, keys.readiness))?.value
  const [present, alive, status] = await Promise.all([
    documents.getOwn(session, keys.readiness),
    documents.get(session, keys.alive),
    documents.get(session, keys.status),
  ])
  const ofNode = judgeNode({
    isAlive: alive !== undefined,
    status: status?.value,
    isMaintenance: maintenance.isOn,
  })
  const checks = [...reachChecks(self, test, reaches), ...ofNode]
  const last = present?.value
  const value: Readiness = { node, at: test.at, run: runOf(last, test), checks, testedBy: self }
  if (ended.aborted || (last !== undefined && isSame(last, value))) return last
  if (present === undefined) await session.create(keys.readiness, value)
  else await session.set(keys.readiness, value, present.version)
  const failed = checks.filter((check) => !check.isOk).map(({ name }) => name)
  look.deps.log.info({ node, run: value.run, failed }, 'judged whether the node could be fenced')
  return value
}

/** Another number for another test only. */
function runOf(last: Readiness | undefined, test: CoordinatorTest): number {
  if (last !== undefined && last.at === test.at && last.run >= test.wish) return last.run
  return Math.max((last?.run ?? 0) + 1, test.wish)
}

function isSame(one: Readiness, other: Readiness): boolean {
  const text = (checks: readonly ReadinessCheck[]) =>
    checks.map(({ name, isOk, message }) => `${name} ${isOk} ${message}`)
  return (
    one.testedBy === other.testedBy &&
    one.at === other.at &&
    one.run === other.run &&
    text(one.checks).join('\n') === text(other.checks).join('\n')
  )
}

type Shown = {
  readonly tests: readonly Readiness[]
  /** Nodes that could not be judged at this look: what is known of them stays. */
  readonly unread: readonly NodeName[]
  readonly reaches: readonly FenceReach[]
  readonly silent: readonly NodeName[]
}

/** From what is written, so that a new primary shows the faults of the last test at once. */
function showFaults(
  { faults, maintenance }: Reign,
  { hookProblem }: FenceTestDeps,
  { tests, unread, reaches, silent }: Shown,
): void {
  const found = tests.flatMap((readiness) => readinessFault(readiness, reaches, maintenance.isOn) ?? [])
  const kept = faults.list().filter(({ id }) => unread.some((node) => id === `FENCE_NOT_READY:${node}`))
  faults.replace('FENCE_NOT_READY', [...found, ...kept])
  const gap = reachFault(tests, reaches, silent, maintenance.isOn)
  faults.replace('FENCE_COORDINATOR', gap === undefined ? [] : [gap])
  const problem = hookProblem.value
  if (problem === undefined) faults.clear('FENCE_HOOK')
  else faults.set('FENCE_HOOK', 'warning', `Nobody was told of the last step of a fence: ${problem}.`)
}
