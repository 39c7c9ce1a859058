/** How a VM stands in a flush, or in a ready. Pure; it looks at what is, so that a restarted daemon judges the same. */
import type { VmStatus } from '../../model/domain.ts'
import { type FlushMethod, type FlushStep, isOver } from '../../model/flush.ts'
import { hindranceOf, isToLeave, isToReturn, stayed } from '../../model/flush-plan.ts'
import type { NodeName } from '../../model/ids.ts'
import { orderOf } from '../../model/move.ts'
import type { VmFacts } from '../../model/placement.ts'
import type { Judged, Look } from './snapshot.ts'

/** The step of a VM: what was known of it, changed. */
export function stepOf({ spec }: VmFacts, was: FlushStep | undefined, change: Partial<FlushStep>): FlushStep {
  const first: FlushStep = {
    vm: spec.uuid,
    name: spec.name,
    target: null,
    method: 'wait',
    state: 'waiting',
    reason: '',
    orderId: null,
    tried: [],
  }
  return { ...first, ...was, name: spec.name, ...change }
}

function over(vm: VmFacts, was: FlushStep | undefined, state: FlushStep['state'], reason: string): Judged {
  return { is: 'over', step: stepOf(vm, was, { state, reason }) }
}

/** What is left of a step whose VM no longer exists. */
export function judgeRemoved(was: FlushStep): Judged {
  return { is: 'over', step: isOver(was) ? was : { ...was, state: 'done', reason: 'it was removed' } }
}

/** A VM in a flush. @returns undefined when it is no concern of it */
export function judgeLeaving(vm: VmFacts, was: FlushStep | undefined, look: Look): Judged | undefined {
  const { spec, status } = vm
  if (status.run?.node === look.self) return judgeHere(vm, was, look)
  if (isToLeave(vm, look.self)) return todo(vm, was, look)
  if (was === undefined) return undefined
  if (isOver(was)) return { is: 'over', step: was }
  if (spec.node === look.self) {
    return was.method === 'shutdown' && spec.meta.autostart
      ? over(vm, was, 'stopped', was.reason)
      : over(vm, was, 'done', 'it is off')
  }
  return judgeGone(vm, was, look)
}

function judgeHere(vm: VmFacts, was: FlushStep | undefined, look: Look): Judged {
  const { spec, status } = vm
  const hindrance = hindranceOf(vm)
  if (status.run?.holder !== null || (hindrance !== '' && spec.power === 'on'))
    return { is: 'blocked', step: stepOf(vm, was, { method: 'wait', state: 'waiting', reason: hindrance }) }
  if (spec.power !== 'on') {
    const change = { target: null, method: 'shutdown', state: 'moving', orderId: null } as const
    return { is: 'moving', isLoad: false, step: stepOf(vm, was, { ...change, reason: was?.reason ?? 'it shuts down' }) }
  }
  if (spec.node !== look.self) return judgeUnderWay(vm, was, look)
  // What was under way has been called off: that target is not asked again at once.
  if (was?.state === 'moving' && was.target !== null) return tryAnother(vm, was, was.target, 'the move was called off')
  return todo(vm, was, look)
}

function judgeUnderWay(vm: VmFacts, was: FlushStep | undefined, look: Look): Judged {
  const { spec, status } = vm
  const order = orderOf(spec)
  const failure = status.moveFailure?.orderId === order.id ? status.moveFailure : undefined
  if (failure?.isFinal) return tryAnother(vm, was, spec.node, failure.reason)
  if (look.isAway(spec.node)) return tryAnother(vm, was, spec.node, `node ${spec.node} went away`)
  const isShutdown = failure !== undefined || (spec.meta.migrationMethod === 'shutdown' && !order.isLiveOnly)
  // Why it goes there now, after others have failed, is worth knowing.
  const reason = was !== undefined && was.tried.length > 0 ? was.reason : ''
  return moving(vm, was, isShutdown ? 'shutdown-move' : 'live', failure?.reason ?? reason)
}

function moving(vm: VmFacts, was: FlushStep | undefined, method: FlushMethod, reason: string): Judged {
  const { spec } = vm
  const change = { target: spec.node, method, state: 'moving', reason, orderId: orderOf(spec).id } as const
  return { is: 'moving', isLoad: true, step: stepOf(vm, was, change) }
}

function todo(vm: VmFacts, was: FlushStep | undefined, look: Look): Judged {
  const isFresh = was?.state === 'failed' && look.isRetryDue(vm.spec.uuid)
  const failure = was?.state === 'failed' ? was.reason : ''
  return { is: 'todo', was, failure, task: { ...vm, tried: isFresh ? [] : (was?.tried ?? []) } }
}

function tryAnother(vm: VmFacts, was: FlushStep | undefined, failed: NodeName, failure: string): Judged {
  const tried = [...new Set([...(was?.tried ?? []), failed])]
  return { is: 'todo', was, failure, task: { ...vm, tried } }
}

/** It has left this node, and is followed until it runs where it went. */
function judgeGone(vm: VmFacts, was: FlushStep, look: Look): Judged {
  const { spec, status } = vm
  if (spec.power !== 'on' || spec.hold !== null) return over(vm, was, 'done', 'it is off')
  if (runs(status)) return over(vm, { ...was, target: spec.node }, 'done', '')
  // It was only left where it is.
  if (was.method === 'place' && status.run?.node === spec.node) return over(vm, was, 'done', was.reason)
  if (status.run !== null && look.isAway(status.run.node))
    return over(vm, was, 'failed', `node ${status.run.node}, where it went, does not run`)
  if (hasFailed(vm)) return over(vm, was, 'failed', `it does not start: ${status.failedReason}`)
  // Nobody else would see to it: no record names the node that went away.
  const isLost = status.run === null && spec.move?.id === was.orderId && look.isAway(spec.node)
  if (isLost) return tryAnother(vm, was, spec.node, `node ${spec.node} went away`)
  return moving(vm, was, was.method, was.reason)
}

function runs({ run, phase }: VmStatus): boolean {
  return run !== null && phase === 'running'
}

/** Its node gave it up, knowing of what is wanted now. */
function hasFailed({ spec, status }: VmFacts): boolean {
  return status.phase === 'failed' && status.observedGeneration >= spec.generation
}

/** A VM in a ready. @returns undefined when it is no concern of it */
export function judgeReturning(vm: VmFacts, was: FlushStep | undefined, look: Look): Judged | undefined {
  if (was !== undefined && (isOver(was) || was.state === 'failed')) return { is: 'over', step: was }
  if (isToReturn(vm, look.self)) return judgeAway(vm, was, look)
  return was === undefined ? undefined : judgeComing(vm, was, look)
}

function judgeAway(vm: VmFacts, was: FlushStep | undefined, look: Look): Judged {
  const { run } = vm.status
  if (was?.state === 'moving') return over(vm, was, 'failed', 'the move was called off')
  const hindrance = hindranceOf(vm)
  if (hindrance !== '') return over(vm, was, 'failed', hindrance)
  if (run !== null && run.node !== look.self && look.isAway(run.node))
    return over(vm, was, 'failed', `node ${run.node}, where it is, does not run`)
  return todo(vm, was, look)
}

/** Asked to come or to start. */
function judgeComing(vm: VmFacts, was: FlushStep, look: Look): Judged {
  const { spec, status } = vm
  if (spec.node !== look.self) return over(vm, was, 'failed', `it was sent to node ${spec.node}`)
  if (spec.power !== 'on' || spec.hold !== null) return over(vm, was, 'done', 'it is off')
  if (status.run === null && hasFailed(vm)) return over(vm, was, 'failed', `it does not start: ${status.failedReason}`)
  if (status.run === null || status.run.node === look.self) {
    if (runs(status)) return over(vm, was, 'done', '')
    const step = stepOf(vm, was, { state: 'moving', target: look.self, orderId: spec.move?.id ?? null })
    return { is: 'moving', isLoad: false, step }
  }
  const failure = status.moveFailure?.orderId === orderOf(spec).id ? status.moveFailure : undefined
  if (failure?.isFinal) {
    // Or it would count as at home, and nobody would ever bring it.
    const step = stepOf(vm, was, { target: null, state: 'failed', reason: failure.reason })
    return { is: 'revert', step, vm, next: stayed(vm) }
  }
  if (look.isAway(status.run.node))
    return over(vm, was, 'failed', `node ${status.run.node}, where it was, does not run`)
  return moving(vm, was, failure === undefined ? was.method : 'shutdown-move', failure?.reason ?? '')
}
