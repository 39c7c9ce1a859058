/**
 * Decides what a node does to be emptied or filled. It looks at what is, publishes what it means to do before it does it,
 * and does it when it is its turn; so a daemon that was restarted goes on, and a changed wish takes effect at once.
 */
import type { Decision } from '../../model/decision.ts'
import { type FlushRun, type FlushStep, isOver } from '../../model/flush.ts'
import {
  compareTasks,
  type FlushContext,
  type PlannedStep,
  planFlush,
  planReady,
  stayed,
} from '../../model/flush-plan.ts'
import type { NodeName, VmUuid } from '../../model/ids.ts'
import { whereabouts } from '../../model/move.ts'
import type { DomainState } from '../../model/node.ts'
import type { VmFacts } from '../../model/placement.ts'
import { fitRun } from './fit.ts'
import { judgeLeaving, judgeRemoved, judgeReturning, stepOf } from './judge.ts'
import type { FlushDecision, FlushMemory, FlushSnapshot, Judged, Look, SpecWrite } from './snapshot.ts'

/** A node that does not run for so long is not waited for: a daemon that is restarted is back before. */
const AWAY_MS = 10_000
/** When every target has failed, all of them are tried again after this time. */
const RETRY_MS = 60_000
/** Nodes that come and go make no event here. */
const LOOK_MS = 1000
/** A domain may take so long to vanish after its VM has left. */
const LINGER_MS = 5000

type Todo = Extract<Judged, { is: 'todo' }>
type Settled = Exclude<Judged, Todo>

/** Decides the next things to do. Total and deterministic; the caller has made sure that the node is certified. */
export function decideFlush(s: FlushSnapshot): FlushDecision {
  const run = runOf(s)
  if (run === undefined || (run.kind === 'ready' && run.endedAt !== null)) return idle(s, run)
  const memory = refresh(s)
  const judged = judgeAll(s, run, memory)
  const plan = planTodos(s, run, judged)
  const settled = judged.map((each) => (each.is === 'todo' ? settle(s.self, run, each, plan) : each))
  const isWork =
    settled.some(({ is }) => is === 'moving' || is === 'revert') || [...plan.values()].some(({ next }) => next)
  const isOurTurn = s.turn.is === 'ours'
  // Nothing is done before the plan is published.
  const isPublished = s.run?.id === run.id
  const writes = isOurTurn && isPublished ? writesOf(s, run, settled, plan) : []
  const isEmpty = run.kind === 'ready' || isEmptied(s, settled)
  const isAllOver = settled.every(({ is }) => is === 'over')
  const isOverNow = isEmpty && isAllOver
  const lingerSinceMs = isAllOver && !isEmpty ? (s.memory.lingerSinceMs ?? s.nowMs) : undefined
  const next: FlushRun = fitRun({
    ...run,
    endedAt: isOverNow ? (run.endedAt ?? s.wallMs) : null,
    waitsFor: isWork && s.turn.is === 'waiting' ? s.turn.behind : null,
    problem: problemOf(s, lingerSinceMs),
    parallel: s.parallel,
    steps: settled.map(({ step }) => step),
  })
  return {
    domainState: stateOf(run, isEmpty, isOverNow),
    run: next,
    turn: isWork ? (s.turn.is === 'none' ? 'take' : 'keep') : s.turn.is === 'none' ? 'keep' : 'drop',
    writes,
    memory: { ...rememberFailures(memory, settled, s.nowMs), lingerSinceMs },
    wakeInMs: isOverNow ? undefined : LOOK_MS,
  }
}

/** The run that answers the present wish; undefined: there was never one, and none is needed. */
function runOf({ self, wanted: { wanted, wish }, run, wallMs, parallel }: FlushSnapshot): FlushRun | undefined {
  if (run !== undefined && run.kind === wanted && run.wish === wish) return run
  if (run === undefined && wanted === 'ready' && wish === 0) return undefined
  const id = `${wanted}-${self}-${wish}`
  const blank = { endedAt: null, waitsFor: null, problem: '', parallel, steps: [], hidden: 0, later: 0 }
  return { id, kind: wanted, wish, startedAt: wallMs, ...blank }
}

function idle(s: FlushSnapshot, run: FlushRun | undefined): FlushDecision {
  const turn = s.turn.is === 'none' ? 'keep' : 'drop'
  return { domainState: 'ready', run, turn, writes: [], memory: s.memory, wakeInMs: undefined }
}

function stateOf({ kind }: FlushRun, isEmpty: boolean, isOverNow: boolean): DomainState {
  if (kind === 'ready') return isOverNow ? 'ready' : 'unflush'
  return isEmpty ? 'flushed' : 'flush'
}

/** Notes which nodes are away, and forgets those that are back. */
function refresh({ nodes, memory, nowMs }: FlushSnapshot): FlushMemory {
  const away = nodes.filter(({ daemon }) => daemon !== 'run').map(({ name }) => name)
  return { ...memory, awaySinceMs: new Map(away.map((name) => [name, memory.awaySinceMs.get(name) ?? nowMs])) }
}

function lookOf(s: FlushSnapshot, memory: FlushMemory): Look {
  const states = new Map(s.nodes.map(({ name, daemon }) => [name, daemon]))
  const isAway = (node: NodeName): boolean => {
    const daemon = states.get(node)
    if (daemon === undefined || daemon === 'dead' || daemon === 'fenced') return true
    return s.nowMs - (memory.awaySinceMs.get(node) ?? s.nowMs) >= AWAY_MS
  }
  const isRetryDue = (vm: VmUuid): boolean => s.nowMs - (memory.failedAtMs.get(vm) ?? s.nowMs) >= RETRY_MS
  return { self: s.self, isAway, isRetryDue }
}

/** Every VM that this run is about: those of the plan first and in its order, then those that came to it since. */
function judgeAll(s: FlushSnapshot, run: FlushRun, memory: FlushMemory): readonly Judged[] {
  const look = lookOf(s, memory)
  const judge = run.kind === 'flush' ? judgeLeaving : judgeReturning
  const vms = new Map(s.vms.map((vm) => [vm.spec.uuid, vm]))
  const known = run.steps.flatMap((step) => {
    const vm = vms.get(step.vm)
    vms.delete(step.vm)
    return (vm === undefined ? judgeRemoved(step) : judge(vm, step, look)) ?? []
  })
  const others = [...vms.values()].sort(compareTasks).flatMap((vm) => judge(vm, undefined, look) ?? [])
  return [...known, ...others]
}

function planTodos(s: FlushSnapshot, run: FlushRun, judged: readonly Judged[]): ReadonlyMap<VmUuid, PlannedStep> {
  const tasks = judged.flatMap((each) => (each.is === 'todo' ? [each.task] : []))
  const { self, nodes, defaultSelector, factsOf } = s
  const context: FlushContext = { self, nodes, defaultSelector, factsOf, runId: run.id }
  const plan = run.kind === 'flush' ? planFlush(tasks, context) : planReady(tasks, context)
  return new Map(plan.map((step) => [step.vm, step]))
}

/** How a VM that was planned stands. */
function settle(self: NodeName, run: FlushRun, todo: Todo, plan: ReadonlyMap<VmUuid, PlannedStep>): Settled {
  const { task, was, failure } = todo
  const planned = plan.get(task.spec.uuid)
  const { tried } = task
  if (planned === undefined || planned.next === null) {
    const reason = failure === '' ? (planned?.reason ?? '') : failure
    const step = stepOf(task, was, { target: null, state: 'failed', reason, orderId: null, tried: [...tried] })
    // A ready leaves the VM where it is, a flush tries again later; until then nothing is said to be on its way.
    if (run.kind === 'ready') return { is: 'over', step }
    return task.spec.node !== self ? { is: 'revert', step, vm: task, next: stayed(task) } : { is: 'blocked', step }
  }
  const { method } = planned
  const target = keptTarget(was, planned) ?? planned.target
  const isSame = was?.state === 'waiting' && was.target === target && was.method === method
  // Figures in the reason change all the time; while the choice stays, so does what is published.
  const reason = isSame ? was.reason : failure === '' ? planned.reason : `${failure}; now: ${planned.reason}`
  const step = stepOf(task, was, { target, method, state: 'waiting', reason, orderId: null, tried: [...tried] })
  return { is: 'blocked', step }
}

/** A target once published is kept while it can take the VM; the last word is said when the VM goes. */
function keptTarget(was: FlushStep | undefined, { placement, target }: PlannedStep): NodeName | undefined {
  if (was?.state !== 'waiting' || was.target === null || target === null) return undefined
  const isStillPossible = placement?.candidates.some(({ node, eligible }) => eligible && node === was.target) === true
  return isStillPossible ? was.target : undefined
}

/** What is written now: placements that cost nothing at once, so many moves, and shutdowns when nothing else is left. */
function writesOf(
  s: FlushSnapshot,
  run: FlushRun,
  settled: readonly Settled[],
  plan: ReadonlyMap<VmUuid, PlannedStep>,
): readonly SpecWrite[] {
  const writes: SpecWrite[] = []
  const vms = new Map(s.vms.map((vm) => [vm.spec.uuid, vm]))
  let moves = settled.filter((each) => each.is === 'moving' && each.isLoad).length
  const isMoveLeft = moves > 0 || [...plan.values()].some(({ method, next }) => next !== null && isMove(method))
  for (const each of settled) if (each.is === 'revert') writes.push(writeOf(run, each.vm, 'put back', each.next))
  for (const { vm: uuid, method, next, placement } of plan.values()) {
    const vm = vms.get(uuid)
    if (vm === undefined || next === null) continue
    if (isMove(method) && moves >= s.parallel) continue
    // What can be saved by moving is saved first, and makes no difference to what cannot.
    if (method === 'shutdown' && isMoveLeft) continue
    if (isMove(method)) moves += 1
    writes.push({ ...writeOf(run, vm, method, next), decision: decisionOf(s, run, vm, placement) })
  }
  return writes
}

function isMove(method: FlushStep['method']): boolean {
  return method === 'live' || method === 'shutdown-move'
}

function writeOf(run: FlushRun, vm: VmFacts, why: string, next: SpecWrite['next']): SpecWrite {
  const { spec, status } = vm
  const seen = { generation: spec.generation, seq: status.seq }
  return { vm: spec.uuid, why: `${run.kind}: ${why}`, seen, next, decision: undefined }
}

function decisionOf(
  s: FlushSnapshot,
  run: FlushRun,
  vm: VmFacts,
  placement: PlannedStep['placement'],
): Decision | undefined {
  if (placement === undefined) return undefined
  const { choice, reason, candidates } = placement
  return { at: s.wallMs, kind: run.kind, from: whereabouts(vm).node, choice, reason, candidates: [...candidates] }
}

/** Nothing runs here, and no record gives anybody the right to. */
function isEmptied(s: FlushSnapshot, settled: readonly Settled[]): boolean {
  if (s.activeDomains !== 0 || s.vms.some(({ status }) => status.run?.node === s.self)) return false
  return settled.every(({ is, step }) => is !== 'blocked' || isOver(step))
}

/** Why a node is not empty although no VM is left to be dealt with. */
function problemOf({ activeDomains, nowMs }: FlushSnapshot, lingerSinceMs: number | undefined): string {
  if (lingerSinceMs === undefined || nowMs - lingerSinceMs < LINGER_MS) return ''
  if (activeDomains === undefined) return 'libvirt on this node does not answer'
  if (activeDomains === 0) return 'a VM that is off still belongs to this node by its run record'
  return activeDomains === 1 ? 'one domain still runs here' : `${activeDomains} domains still run here`
}

function rememberFailures(memory: FlushMemory, settled: readonly Settled[], nowMs: number): FlushMemory {
  const failed = settled.filter(({ is, step }) => is === 'blocked' && step.state === 'failed')
  const failedAtMs = new Map(failed.map(({ step }) => [step.vm, memory.failedAtMs.get(step.vm) ?? nowMs]))
  return { ...memory, failedAtMs }
}
