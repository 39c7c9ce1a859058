/** Judges what a fence test found: could this node be fenced now? Pure. */
import { selfFenceWaitMs } from '../model/fence-timing.ts'
import type { NodeStatus } from '../model/node.ts'
import { type Readiness, type ReadinessCheck, readinessGrade } from '../model/power.ts'

/** What the power controller of a node said when it was asked for the status. */
export type PowerFinding =
  | { readonly kind: 'unpublished' }
  | { readonly kind: 'none' }
  | { readonly kind: 'unopened'; readonly reason: string }
  | { readonly kind: 'on' | 'off' }
  | { readonly kind: 'problem'; readonly reason: string }

/** Everything a test looks at. */
export type Findings = {
  readonly node: string
  /** The node's proof of life is there. */
  readonly isAlive: boolean
  readonly status: NodeStatus | undefined
  readonly power: PowerFinding
  /** Why this primary may not add to Ceph's blocklist; undefined: it may. */
  readonly blocklistProblem: string | undefined
  readonly isMaintenance: boolean
}

type Verdict = readonly [isOk: boolean, message: string]

/** The checks of one node, always the same four in the same order. */
export function judgeReadiness(findings: Findings): readonly ReadinessCheck[] {
  const verdicts: Readonly<Record<ReadinessCheck['name'], Verdict>> = {
    power: powerVerdict(findings),
    blocklist: blocklistVerdict(findings),
    'self-fence': selfFenceVerdict(findings),
    timing: timingVerdict(findings),
  }
  const names = ['power', 'blocklist', 'self-fence', 'timing'] as const
  return names.map((name) => ({ name, isOk: verdicts[name][0], message: verdicts[name][1] }))
}

function powerVerdict({ node, isAlive, power }: Findings): Verdict {
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

function blocklistVerdict({ blocklistProblem }: Findings): Verdict {
  if (blocklistProblem === undefined) return [true, 'The primary may keep its addresses from writing to Ceph.']
  return [false, `The primary cannot keep its addresses from writing to Ceph: ${blocklistProblem}.`]
}

function selfFenceVerdict({ isAlive, status, isMaintenance }: Findings): Verdict {
  if (status === undefined || !isAlive) return [false, 'The node is not there to ask.']
  if (status.selfFence === 'armed') {
    if (status.watchdog === 'present') return [true, 'Its guard is armed and feeds a watchdog.']
    return [false, 'Its guard is armed, but there is no watchdog to end the machine if the guard fails.']
  }
  if (isMaintenance) return [false, 'Its guard is disarmed because of maintenance.']
  return [false, 'Its guard is not armed: is pvc-guard running, and selfFence.enabled?']
}

function timingVerdict({ status }: Findings): Verdict {
  if (status?.selfFenceBoundS === undefined) {
    return [
      false,
      'The node names no time by which its guests have ended when it is cut off; only its power proves that.',
    ]
  }
  const waitS = selfFenceWaitMs(status.selfFenceBoundS, status.sessionTimeoutMs) / 1000
  return [true, `Its guests have ended ${status.selfFenceBoundS} s after it was cut off; the primary waits ${waitS} s.`]
}

/** The fault of a node that could not be fenced, or only in one way; undefined: all is well, or it is meant to be so. */
export function readinessFault({ node, checks }: Readiness, isMaintenance: boolean) {
  const grade = readinessGrade(checks)
  if (grade === 'ready' || isMaintenance) return undefined
  const reasons = checks.filter((check) => !check.isOk).map(({ message }) => message)
  const severity = grade === 'unready' ? ('error' as const) : ('warning' as const)
  const what = grade === 'unready' ? 'could not be fenced now' : 'can be fenced in one way only'
  return { id: `FENCE_NOT_READY:${node}`, severity, message: `Node ${node} ${what}. ${reasons.join(' ')}` }
}
