import { domainState, type NodeFacts } from '../model/compat-node.ts'
import type { VmSpec } from '../model/domain.ts'
import { PvcError } from '../model/errors.ts'
import type { FlushRun, FlushStep } from '../model/flush.ts'
import {
  compareTasks,
  type FlushContext,
  flushFacts,
  hindranceOf,
  isToLeave,
  isToReturn,
  type PlannedStep,
  planFlush,
  planReady,
} from '../model/flush-plan.ts'
import type { NodeSpec } from '../model/node.ts'
import type { VmFacts } from '../model/placement.ts'
import { tree } from '../schema/tree.ts'
import { type OperationsDeps, watchIndex } from './deps.ts'
import type { DocumentIndex } from './document-index.ts'
import { editDocument } from './edit.ts'
import { indexedPlacement } from './node-choice.ts'
import { eachVm, readCluster, requireNode } from './view.ts'

/** What a node can be asked to be. */
export type DomainWish = NodeSpec['wanted']

/** Longest time a request waits; the node goes on after it. */
export const FLUSH_WAIT_MS = 600_000

/** How far a node is. */
export type FlushFacts = {
  readonly node: NodeFacts
  /** Undefined: it was never asked. */
  readonly run: FlushRun | undefined
  /** The run answers what is wanted now. */
  readonly isCurrent: boolean
}

/** The plan of a node and how far it is. @throws PVC_OBJECT_NOT_FOUND */
export function readFlush(index: DocumentIndex, name: string): FlushFacts {
  const node = requireNode(index, name)
  const run = index.get(tree.node(node.spec.name).flush)?.value
  return { node, run, isCurrent: run?.kind === node.spec.wanted && run.wish === node.spec.wish }
}

/**
 * Writes what a node is to be. Asking again for what it is already changes nothing, unless something failed: then it is
 * tried again at once.
 * @returns what is wanted now; `isThere` when nothing has to be done
 */
export async function setDomainWish(
  deps: OperationsDeps,
  name: string,
  wanted: DomainWish,
): Promise<{ readonly spec: NodeSpec; readonly isThere: boolean }> {
  const before = readFlush(deps.index, name)
  const key = tree.node(before.node.spec.name).spec
  const hasFailed = before.isCurrent && before.run?.steps.some(({ state }) => state === 'failed') === true
  const isSettled = domainState(before.node) === (wanted === 'flush' ? 'flushed' : 'ready')
  let isNews = false
  const spec = await editDocument(deps, key, `Node '${name}'`, (spec) => {
    isNews = spec.wanted !== wanted || hasFailed
    return isNews ? { ...spec, generation: spec.generation + 1, wanted, wish: spec.wish + 1 } : spec
  })
  return { spec, isThere: isSettled && !isNews }
}

/** What the node would do if it were asked now, from what the index knows. */
export function planDomainWish(deps: OperationsDeps, name: string, wanted: DomainWish): readonly FlushStep[] {
  const { node } = readFlush(deps.index, name)
  const self = node.spec.name
  const isConcerned = wanted === 'flush' ? isToLeave : isToReturn
  const vms = [...eachVm(deps.index)]
    .map(({ spec, status }): VmFacts => ({ spec: spec.value, status }))
    .filter((vm) => isConcerned(vm, self))
  const context: FlushContext = {
    self,
    nodes: indexedPlacement(deps.index),
    defaultSelector: readCluster(deps.index).defaults.selector,
    factsOf: (spec) => flushFacts(spec.xml),
    runId: 'plan',
  }
  const tasks = vms.filter((vm) => obstacleOf(vm, self) === '').map((vm) => ({ ...vm, tried: [] }))
  const plan = wanted === 'flush' ? planFlush(tasks, context) : planReady(tasks, context)
  const steps = new Map(plan.map((step) => [step.vm, step]))
  return vms.sort(compareTasks).map((vm) => shownStep(vm, steps.get(vm.spec.uuid), obstacleOf(vm, self)))
}

/** What keeps a VM out of the plan; empty: nothing. */
function obstacleOf(vm: VmFacts, self: string): string {
  const isEnding = vm.status.run?.node === self && vm.status.run.holder === null && vm.spec.power !== 'on'
  return isEnding ? 'it is shutting down' : hindranceOf(vm)
}

function shownStep({ spec }: VmFacts, planned: PlannedStep | undefined, obstacle: string): FlushStep {
  const { target, method, reason } = planned ?? { target: null, method: 'wait' as const, reason: obstacle }
  const state = planned?.next === null ? 'failed' : 'waiting'
  return { vm: spec.uuid, name: spec.name, target, method, state, reason, orderId: null, tried: [] }
}

/** Judges whether a node has become what was asked. Pure. */
export function judgeDomainWish({ node, run, isCurrent }: FlushFacts, wish: Pick<NodeSpec, 'wanted' | 'wish'>) {
  const { spec } = node
  if (spec.wish !== wish.wish) return { is: 'superseded' } as const
  if (run === undefined || !isCurrent) return { is: 'pending' } as const
  // The node's own state comes with its heartbeat, a moment later than the end of its plan.
  const isEmpty = wish.wanted === 'flush' && domainState(node) === 'flushed'
  if (isEmpty || run.endedAt !== null) return { is: 'done' } as const
  const failed = run.steps.filter(({ state }) => state === 'failed')
  const isStuck = failed.length > 0 && run.steps.every(({ state }) => state !== 'moving' && state !== 'waiting')
  return isStuck && wish.wanted === 'flush' ? ({ is: 'stuck', failed } as const) : ({ is: 'pending' } as const)
}

/**
 * Waits until the node is what was asked.
 * @throws PVC_VM_FAILED when a VM cannot leave, PVC_OBJECT_CONFLICT when something else was asked meanwhile,
 * PVC_WAIT_TIMEOUT with what is missing; the node goes on in each case
 */
export async function waitForDomainWish(deps: OperationsDeps, wish: NodeSpec, signal?: AbortSignal): Promise<void> {
  const { name } = wish
  const outcome = await watchIndex(deps, FLUSH_WAIT_MS, signal, () => {
    const verdict = judgeDomainWish(readFlush(deps.index, name), wish)
    if (verdict.is === 'superseded')
      throw new PvcError('PVC_OBJECT_CONFLICT', `Another request changed what is wanted of node '${name}'`)
    if (verdict.is === 'stuck') throw stuck(name, verdict.failed)
    return verdict.is === 'done'
  })
  if (outcome === 'done') return
  throw new PvcError('PVC_WAIT_TIMEOUT', waitText(readFlush(deps.index, name), outcome))
}

function stuck(name: string, failed: readonly FlushStep[]): PvcError {
  const names = failed.map((step) => `VM '${step.name}': ${step.reason}`).join('; ')
  return new PvcError('PVC_VM_FAILED', `Node '${name}' is not empty, it is tried again in a while. ${names}`)
}

function waitText({ node, run, isCurrent }: FlushFacts, outcome: 'timeout' | 'aborted'): string {
  if (outcome === 'aborted') return 'The client went away; what was asked stays wanted'
  const { name } = node.spec
  const within = `This was not finished within ${FLUSH_WAIT_MS / 1000} s; it stays wanted and goes on`
  if (run === undefined || !isCurrent) return `${within}. Node '${name}' has not taken it up yet`
  if (run.waitsFor !== null) return `${within}. Node '${name}' waits for node '${run.waitsFor}'`
  const left = run.steps.filter(({ state }) => state === 'moving' || state === 'waiting').length
  return run.problem === '' ? `${within}. ${left} VMs are left` : `${within}. So far: ${run.problem}`
}

/** Progress of a VM's copy, as its status says. */
export function copyProgress(deps: OperationsDeps, vm: VmSpec['uuid']) {
  return deps.index.get(tree.vm(vm).status)?.value.migration?.progress ?? undefined
}
