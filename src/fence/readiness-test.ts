/** The fence test: asks everything a fence would need, switches nothing, and writes down what was found. */

import type { Clock } from '../base/clock.ts'
import { withDeadline } from '../base/deadline.ts'
import { Limiter } from '../base/limiter.ts'
import { Reconciler } from '../base/reconciler.ts'
import type { Signal } from '../base/signal.ts'
import { errorChain, PvcError } from '../model/errors.ts'
import { NodeName } from '../model/ids.ts'
import type { FenceTestWish, Readiness } from '../model/power.ts'
import type { Log } from '../ports/log.ts'
import type { Power, PowerVault } from '../ports/power.ts'
import type { PrimaryRole, Reign, TimetableJob } from '../ports/primary.ts'
import type { StorageFence } from '../ports/storage-fence.ts'
import { tree } from '../schema/tree.ts'
import { judgeReadiness, type PowerFinding, readinessFault } from './readiness.ts'

export type FenceTestDeps = {
  readonly power: Power
  /** Undefined: this node has no usable cluster key. */
  readonly vault: PowerVault | undefined
  readonly storage: Pick<StorageFence, 'mayBlocklist' | 'osds' | 'osdEpochs'>
  /** Five fields of cron, in UTC. */
  readonly schedule: string
  /** What is wrong with the fence hook; its fault is the primary's too. */
  readonly hookProblem: Signal<string | undefined>
  readonly clock: Clock
  readonly log: Log
}

/** A status is one login; anything slower could not serve a fence. */
const STATUS_MS = 5000
const CEPH_MS = 5000
const PARALLEL = 4
const RESCAN_MS = 30_000
const RETRY_MS = 2000

/** The test as a duty of the primary: `role` answers the wishes of operators, `job` tests every node by the clock. */
export function createFenceTest(deps: FenceTestDeps): { readonly role: PrimaryRole; readonly job: TimetableJob } {
  let loop: Reconciler | undefined
  let unsubscribe: () => void = () => undefined
  return {
    job: {
      name: 'fence-test',
      schedule: deps.schedule,
      run: (reign) => testNodes(reign, deps, () => true),
    },
    role: {
      name: 'fence-test',
      async start(reign) {
        await this.stop()
        const running = new Reconciler({
          clock: deps.clock,
          rescanMs: RESCAN_MS,
          retryMs: RETRY_MS,
          async pass() {
            await testNodes(
              reign,
              deps,
              (wish, readiness) => readiness === undefined || (wish?.wish ?? 0) > readiness.run,
            )
            await showFaults(reign, deps)
            return {}
          },
          onError: (error) => deps.log.warn({ error: errorChain(error) }, 'the fence test failed, trying again'),
        })
        loop = running
        const unsubscribes = [
          reign.session.onChange((path) => isOfInterest(path) && running.trigger()),
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
    },
  }
}

/** A node came or went, or somebody wishes for a test. */
function isOfInterest(path: string): boolean {
  return path === tree.nodes.path || path.endsWith('/fence-test')
}

type IsDue = (wish: FenceTestWish | undefined, readiness: Readiness | undefined) => boolean

async function nodeNames({ session }: Reign): Promise<readonly NodeName[]> {
  return ((await session.childrenWatched(tree.nodes.path)) ?? []).map((name) => NodeName.parse(name))
}

async function testNodes(reign: Reign, deps: FenceTestDeps, isDue: IsDue): Promise<void> {
  const limiter = new Limiter(PARALLEL)
  const names = await nodeNames(reign)
  let problem: Promise<string | undefined> | undefined
  /** The same for all nodes, so it is asked once a round. */
  const blocklistProblem = () => {
    problem ??= blocklistProblemOf(reign, deps)
    return problem
  }
  const outcomes = await Promise.allSettled(
    names.map((node) => limiter.run(() => testNode(reign, deps, node, isDue, blocklistProblem))),
  )
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

async function testNode(
  reign: Reign,
  deps: FenceTestDeps,
  node: NodeName,
  isDue: IsDue,
  blocklistProblem: () => Promise<string | undefined>,
): Promise<void> {
  const { session } = reign
  const keys = tree.node(node)
  // Watched so that a new wish is seen at once; the values are read after that.
  await session.readWatched(keys.fenceTest.path)
  const [wish, readiness] = await Promise.all([session.get(keys.fenceTest), session.get(keys.readiness)])
  if (!isDue(wish?.value, readiness?.value) || reign.ended.aborted) return
  const [alive, status, document, problem] = await Promise.all([
    session.get(keys.alive),
    session.get(keys.status),
    session.get(keys.power),
    blocklistProblem(),
  ])
  const power = await powerFinding(reign, deps, node, document?.value)
  const findings = {
    node,
    isAlive: alive !== undefined,
    status: status?.value,
    power,
    blocklistProblem: problem,
    isMaintenance: reign.maintenance.isOn,
  }
  if (reign.ended.aborted) return
  const run = Math.max((readiness?.value.run ?? 0) + 1, wish?.value.wish ?? 0)
  const value: Readiness = { node, at: deps.clock.wallMs(), run, checks: [...judgeReadiness(findings)] }
  if (readiness === undefined) await session.create(keys.readiness, value)
  else await session.set(keys.readiness, value, readiness.version)
  const failed = value.checks.filter((check) => !check.isOk).map(({ name }) => name)
  deps.log.info({ node, run, failed }, 'tested whether the node could be fenced')
}

async function blocklistProblemOf({ ended }: Reign, { storage, clock }: FenceTestDeps): Promise<string | undefined> {
  try {
    await withDeadline(clock, CEPH_MS, 'Ceph', storage.mayBlocklist(ended))
    await withDeadline(clock, CEPH_MS, 'Ceph', askOneOsd(storage, ended))
    return undefined
  } catch (error) {
    return errorChain(error)
  }
}

/** A fence waits until every OSD says which map it works with. Whether it may be asked at all, one OSD tells. @throws when not */
async function askOneOsd(storage: FenceTestDeps['storage'], signal: AbortSignal): Promise<void> {
  const { osds } = await storage.osds(signal)
  const up = osds.find(({ isUp }) => isUp)
  if (up !== undefined) await storage.osdEpochs([up.id], signal)
}

async function powerFinding(
  { ended }: Reign,
  { power, vault }: FenceTestDeps,
  node: NodeName,
  document: Parameters<PowerVault['open']>[1] | undefined,
): Promise<PowerFinding> {
  if (document === undefined) return { kind: 'unpublished' }
  if (document.method === 'none') return { kind: 'none' }
  if (vault === undefined)
    return { kind: 'unopened', reason: 'The primary has no usable cluster key: see its fault CLUSTER_KEY.' }
  try {
    const answer = await power.status(vault.open(node, document), { node, deadlineMs: STATUS_MS, signal: ended })
    if (answer.kind === 'on' || answer.kind === 'off') return { kind: answer.kind }
    return { kind: 'problem', reason: 'reason' in answer ? answer.reason : 'it did not name a state' }
  } catch (error) {
    if (error instanceof PvcError) return { kind: 'unopened', reason: error.message }
    throw error
  }
}

/** From what is written, so that a new primary shows the faults of the last test at once. */
async function showFaults(reign: Reign, { hookProblem }: FenceTestDeps): Promise<void> {
  const names = await nodeNames(reign)
  const found = await Promise.all(names.map((node) => reign.session.get(tree.node(node).readiness)))
  const faults = found.flatMap((readiness) => {
    const fault = readiness && readinessFault(readiness.value, reign.maintenance.isOn)
    return fault === undefined ? [] : [fault]
  })
  reign.faults.replace('FENCE_NOT_READY', faults)
  const problem = hookProblem.value
  if (problem === undefined) reign.faults.clear('FENCE_HOOK')
  else reign.faults.set('FENCE_HOOK', 'warning', `Nobody was told of the last step of a fence: ${problem}.`)
}
