/** Judges what fence tests found: could this node be fenced now, and by which coordinator? Pure. */
import { selfFenceWaitMs } from '../model/fence-timing.ts'
import type { NodeName } from '../model/ids.ts'
import type { NodeStatus } from '../model/node.ts'
import { type FenceReach, type Readiness, type ReadinessCheck, reachGaps, readinessGrade } from '../model/power.ts'

/** What the power controller of a node said when it was asked for the status. */
export type PowerFinding =
  | { readonly kind: 'unpublished' }
  | { readonly kind: 'none' }
  | { readonly kind: 'unopened'; readonly reason: string }
  | { readonly kind: 'on' | 'off' }
  | { readonly kind: 'problem'; readonly reason: string }

/** What a coordinator looks at from its own place. */
export type ReachFindings = {
  readonly node: string
  /** The node's proof of life is there. */
  readonly isAlive: boolean
  readonly power: PowerFinding
  /** Why this coordinator may not add to Ceph's blocklist; undefined: it may. */
  readonly blocklistProblem: string | undefined
}

/** What the node says of itself, the same for whoever asks. */
export type NodeFindings = {
  readonly isAlive: boolean
  readonly status: NodeStatus | undefined
  readonly isMaintenance: boolean
}

type Verdict = readonly [isOk: boolean, message: string]

function check(name: ReadinessCheck['name'], [isOk, message]: Verdict): ReadinessCheck {
  return { name, isOk, message }
}

/** The checks that depend on the coordinator, always the same two in the same order. */
export function judgeReach(findings: ReachFindings): readonly ReadinessCheck[] {
  return [check('power', powerVerdict(findings)), check('blocklist', blocklistVerdict(findings))]
}

/** The checks that only the node decides, always the same two in the same order. */
export function judgeNode(findings: NodeFindings): readonly ReadinessCheck[] {
  return [check('self-fence', selfFenceVerdict(findings)), check('timing', timingVerdict(findings))]
}

function powerVerdict({ node, isAlive, power }: ReachFindings): Verdict {
  switch (power.kind) {
    case 'unpublished':
      return [false, 'The node has not said how its power is switched: does it have a cluster key?']
    case 'none':
      return [false, 'No power control is configured (power.method is none).']
    case 'unopened':
      return [false, power.reason]
    case 'problem':
      return [false, `Its power cannot be read: ${power.reason}.`]
    case 'on':
      return [true, 'Its power controller answers and reads on.']
    case 'off':
      if (!isAlive) return [true, 'Its power controller answers and reads off, as the node is down.']
      return [false, `Node ${node} lives, but its power reads off: the controller is another machine's, or lies.`]
  }
}

function blocklistVerdict({ blocklistProblem }: ReachFindings): Verdict {
  if (blocklistProblem === undefined) return [true, 'Its addresses can be kept from writing to Ceph.']
  return [false, `Its addresses cannot be kept from writing to Ceph: ${blocklistProblem}.`]
}

function selfFenceVerdict({ isAlive, status, isMaintenance }: NodeFindings): Verdict {
  if (status === undefined || !isAlive) return [false, 'The node is not there to ask.']
  if (status.selfFence === 'armed') {
    if (status.watchdog === 'present') return [true, 'Its guard is armed and feeds a watchdog.']
    return [false, 'Its guard is armed, but there is no watchdog to end the machine if the guard fails.']
  }
  if (isMaintenance) return [false, 'Its guard is disarmed because of maintenance.']
  return [false, 'Its guard is not armed: is pvc-guard running, and selfFence.enabled?']
}

function timingVerdict({ status }: NodeFindings): Verdict {
  if (status?.selfFenceBoundS === undefined) {
    return [
      false,
      'The node names no time by which its guests have ended when it is cut off; only its power proves that.',
    ]
  }
  const waitS = selfFenceWaitMs(status.selfFenceBoundS, status.sessionTimeoutMs) / 1000
  return [true, `Its guests have ended ${status.selfFenceBoundS} s after it was cut off; the primary waits ${waitS} s.`]
}

/** The fault of a node that the primary could not fence, or only in one way; undefined: all is well, or it is meant to be so. */
export function readinessFault(readiness: Readiness, reaches: readonly FenceReach[], isMaintenance: boolean) {
  const { node, checks } = readiness
  const grade = readinessGrade(checks)
  if (grade === 'ready' || isMaintenance) return undefined
  const reasons = checks.filter(({ isOk }) => !isOk).map(({ message }) => message)
  const others = judgesOfPrimary(readiness, reaches)
  if (others.length > 0)
    reasons.push(`It is the primary now, so power and Ceph are what ${others.join(' and ')} found.`)
  const able = ableOthers(readiness, reaches)
  if (able.length > 0) reasons.push(`What the primary cannot do for it, ${able.join(' and ')} can.`)
  const severity = grade === 'unready' ? ('error' as const) : ('warning' as const)
  const what = grade === 'unready' ? 'could not be fenced now' : 'can be fenced in one way only'
  return { id: `FENCE_NOT_READY:${node}`, severity, message: `Node ${node} ${what}. ${reasons.join(' ')}` }
}

/** Of the primary's own node: who tested power and Ceph for it. When these are well, that is of no interest. */
function judgesOfPrimary({ node, checks, testedBy }: Readiness, reaches: readonly FenceReach[]): readonly NodeName[] {
  if (node !== testedBy || isReachWell(checks)) return []
  return reaches.flatMap(({ coordinator, tests }) =>
    coordinator !== node && tests.some((test) => test.node === node) ? [coordinator] : [],
  )
}

function isReachWell(checks: readonly ReadinessCheck[]): boolean {
  return checks.every(({ name, isOk }) => isOk || name === 'self-fence' || name === 'timing')
}

/** Coordinators for which all goes well that goes wrong for the primary: another primary would help. */
function ableOthers({ node, checks, testedBy }: Readiness, reaches: readonly FenceReach[]): readonly NodeName[] {
  if (isReachWell(checks)) return []
  return reaches.flatMap(({ coordinator, tests }) => {
    const own = tests.find((test) => test.node === node)?.checks ?? []
    return coordinator !== testedBy && coordinator !== node && own.length > 0 && own.every(({ isOk }) => isOk)
      ? [coordinator]
      : []
  })
}

/**
 * One fault for everything that the primary can do and other coordinators could not in its place, and for those that do not
 * test; undefined: there is nothing, or nothing is fenced now anyway. `reaches` are those of coordinators that live.
 */
export function reachFault(
  tests: readonly Readiness[],
  reaches: readonly FenceReach[],
  silent: readonly NodeName[],
  isMaintenance: boolean,
) {
  const gaps = tests.flatMap((readiness) => reachGaps(readiness, reaches))
  if ((gaps.length === 0 && silent.length === 0) || isMaintenance) return undefined
  const parts = reaches.flatMap(({ coordinator }) => {
    const own = gaps.filter((gap) => gap.coordinator === coordinator)
    const problems = [...new Set(own.flatMap((gap) => gap.problems))]
    return problems.map((problem) => {
      const nodes = own.filter((gap) => gap.problems.includes(problem)).map(({ node }) => node)
      return `${coordinator} about ${nodes.join(', ')}: ${problem}`
    })
  })
  for (const name of silent)
    parts.push(
      `${name} has not tested every node, or not when asked: an older release, or see the log of pvcnoded there.`,
    )
  const message = `Not every coordinator could fence every node if it were primary. ${parts.join(' ')}`
  return { id: 'FENCE_COORDINATOR', severity: 'warning' as const, message }
}
