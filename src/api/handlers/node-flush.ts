import type { NodeFlush, nodeFlushRoutes } from '../../contract/node-flush.ts'
import { daemonState, domainState } from '../../model/compat-node.ts'
import type { FlushStep } from '../../model/flush.ts'
import type { OperationsDeps } from '../../operations/deps.ts'
import {
  copyProgress,
  type DomainWish,
  planDomainWish,
  readFlush,
  setDomainWish,
  waitForDomainWish,
} from '../../operations/node-flush.ts'
import type { Handlers } from '../handler.ts'

/** What is answered when a wish was accepted, when it came true, and when it is true already. */
const MESSAGES = {
  flush: ['Removing node', 'from active service', 'Removed node', 'is already flushed'],
  ready: ['Restoring node', 'to active service', 'Restored node', 'is already ready'],
} as const satisfies Record<DomainWish, readonly string[]>

function shownStep(deps: OperationsDeps, step: FlushStep) {
  const { vm, name, target, method, state, reason } = step
  const progress = state === 'moving' ? copyProgress(deps, vm) : undefined
  return {
    uuid: vm as string,
    name,
    target: target ?? '',
    method,
    state,
    reason,
    percent: progress?.percent ?? null,
    remaining_mib: progress?.remainingMiB ?? null,
    expected_s: progress?.expectedS ?? null,
  }
}

function shownFlush(deps: OperationsDeps, name: string): NodeFlush {
  const { node, run, isCurrent } = readFlush(deps.index, name)
  return {
    node: name,
    daemon_state: daemonState(node),
    domain_state: domainState(node),
    kind: run?.kind ?? '',
    wish: node.spec.wish,
    current: isCurrent,
    started_at: run?.startedAt ?? null,
    ended_at: run?.endedAt ?? null,
    waits_for: run?.waitsFor ?? '',
    problem: run?.problem ?? '',
    parallel: run?.parallel ?? 0,
    steps: (run?.steps ?? []).map((step) => shownStep(deps, step)),
    hidden: run?.hidden ?? 0,
    later: run?.later ?? 0,
  }
}

function plural(count: number, one: string, many: string): string {
  return count === 1 ? `1 VM ${one}` : `${count} VMs ${many}`
}

/** What a plan would do, in a sentence. */
function planText(name: string, wanted: DomainWish, steps: readonly FlushStep[]): string {
  const count = (...methods: readonly string[]) =>
    steps.filter(({ method, state }) => state !== 'failed' && methods.includes(method)).length
  const [moving, stopping, starting] = [count('live', 'shutdown-move', 'place'), count('shutdown'), count('start')]
  const staying = steps.length - moving - stopping - starting
  const parts = [
    ...(moving > 0 ? [plural(moving, 'would move', 'would move')] : []),
    ...(starting > 0 ? [plural(starting, 'would start', 'would start')] : []),
    ...(stopping > 0 ? [plural(stopping, 'would be shut down', 'would be shut down')] : []),
    ...(staying > 0 ? [plural(staying, 'would stay where it is', 'would stay where they are')] : []),
  ]
  const what = wanted === 'flush' ? 'emptied' : 'taken back into service'
  return `Node ${name} would be ${what}: ${parts.length === 0 ? 'nothing has to be done' : parts.join(', ')}.`
}

function answerPlan(deps: OperationsDeps, name: string, wanted: DomainWish) {
  const steps = planDomainWish(deps, name, wanted)
  const shown = shownFlush(deps, name)
  const plan: NodeFlush = {
    ...shown,
    kind: wanted,
    current: false,
    started_at: null,
    ended_at: null,
    waits_for: '',
    problem: '',
    steps: steps.map((step) => shownStep(deps, step)),
    hidden: 0,
    later: 0,
  }
  return { message: planText(name, wanted, steps), wish: shown.wish, plan }
}

export const nodeFlushHandlers = {
  nodeFlush: ({ deps }, { node }) => shownFlush(deps, node),
  nodeSetDomainState: async ({ deps, signal }, { node, state, wait, dry_run }) => {
    if (dry_run) return answerPlan(deps, node, state)
    const [doing, where, did, already] = MESSAGES[state]
    const { spec, isThere } = await setDomainWish(deps, node, state)
    const { wish } = spec
    if (isThere) return { message: `Node ${node} ${already}.`, wish }
    if (!wait) return { message: `${doing} ${node} ${where}.`, wish }
    await waitForDomainWish(deps, spec, signal)
    return { message: `${did} ${node} ${where}.`, wish }
  },
} satisfies Pick<Handlers, keyof typeof nodeFlushRoutes>
