import type { FenceDecision, FenceMemory, FenceProblem, FenceView } from './view.ts'

/** Nothing to do: looked at again by watches and the slow rescan. */
const CALM_MS = 30_000
const STOPPED_LOOK_MS = 5000
const HELD_LOOK_MS = 2000

function calm(memory: FenceMemory, problems: readonly FenceProblem[] = [], wakeInMs = CALM_MS): FenceDecision {
  return { action: undefined, work: [], memory, problems, stuck: undefined, wakeInMs }
}

/** Decides about a node that is not being fenced: is it to be? (protocol P3 up to the opening) */
export function decideClosed(v: FenceView, memory: FenceMemory): FenceDecision {
  const order = orderToFence(v)
  if (order !== undefined) return decideOrdered(v, order, memory)
  if (memory.goneSinceMs === undefined || v.status === undefined || v.node === v.self) return calm(memory)
  if (!doesMatter(v)) return calm(memory)
  return v.status.daemon === 'stop' && v.status.selfFence === 'off'
    ? decideStopped(v, memory, v.nowMs - memory.goneSinceMs)
    : decideVanished(v, memory, 'its proof of life vanished')
}

/** A person's order about the life the node has now. */
function orderToFence({ order, journal, status }: FenceView): FenceView['order'] {
  return order?.kind === 'fence' && order.seq === journal.seq && order.life === status?.life ? order : undefined
}

/** A life that is known to be over matters only as long as records name it: those are for whoever comes back, or for us. */
function doesMatter({ status, journal, recordLives }: FenceView): boolean {
  if (recordLives.length > 0) return true
  return status?.daemon === 'run' && !journal.deadLives.includes(status.life)
}

function decideOrdered(v: FenceView, order: NonNullable<FenceView['order']>, memory: FenceMemory): FenceDecision {
  if (v.node === v.self) {
    const message = `Node ${v.node} is to be fenced by order, but is the primary and does not fence itself; as soon as another coordinator is primary, it will be fenced.`
    return calm(memory, [{ id: `FENCE_HELD:${v.node}`, severity: 'warning', message }], HELD_LOOK_MS)
  }
  const held = holdOf(v, true)
  if (held !== undefined) return hold(v, memory, held)
  return open(v, memory, order.by, `${order.by} ordered it`)
}

/**
 * A daemon that was stopped in order has ended nobody's guests, and nobody guards them: as long as the machine answers on
 * any network it is never fenced. When it answers on none it is a dead machine like any other.
 */
function decideStopped(v: FenceView, memory: FenceMemory, stoppedMs: number): FenceDecision {
  const base: FenceDecision = { ...calm(memory, [], STOPPED_LOOK_MS), work: ['probe'] }
  if (v.recordLives.length === 0) return calm(memory)
  if (v.probe?.kind === 'silent')
    return decideVanished(v, memory, 'its daemon was stopped and the machine answers on no network')
  if (stoppedMs < v.policy.stopGraceMs) return base
  const message = `pvcnoded of node ${v.node} has been stopped for ${Math.round(stoppedMs / 1000)} s; its VMs run on, but nobody would notice their end: start it again.`
  return { ...base, problems: [{ id: `NODE_UNPROTECTED:${v.node}`, severity: 'warning', message }] }
}

function decideVanished(v: FenceView, memory: FenceMemory, why: string): FenceDecision {
  const held = holdOf(v, false)
  return held === undefined ? open(v, memory, '', why) : hold(v, memory, held)
}

/** Why nothing may be opened now; undefined: it may. A person who ordered it has counted the nodes. */
function holdOf({ policy, isMaintenance, othersFenced }: FenceView, isOrdered: boolean): string | undefined {
  if (isMaintenance) return 'the cluster is in maintenance'
  if (isOrdered) return undefined
  if (!policy.isEnabled) return 'fencing is switched off in the configuration (fencing.enabled)'
  if (othersFenced.length < policy.maxNodes) return undefined
  return `${othersFenced.join(', ')} ${othersFenced.length === 1 ? 'is' : 'are'} fenced already, and no more than ${policy.maxNodes} may be at a time (fencing.maxNodes)`
}

function hold(v: FenceView, memory: FenceMemory, reason: string): FenceDecision {
  const remedy = v.isMaintenance
    ? '"pvc cluster maintenance off" lets it be fenced'
    : `"pvc node fence ${v.node}" fences it all the same`
  const message = `Node ${v.node} has vanished but is not fenced because ${reason}. Its VMs do not run elsewhere. Look at the machine; ${remedy}.`
  return calm(memory, [{ id: `FENCE_HELD:${v.node}`, severity: 'critical', message }], HELD_LOOK_MS)
}

function open(v: FenceView, memory: FenceMemory, by: string, why: string): FenceDecision {
  const { status } = v
  if (status === undefined) return calm(memory)
  const action = { kind: 'open' as const, life: status.life, bootId: status.bootId, by, why }
  return { action, work: ['probe'], memory, problems: [], stuck: undefined, wakeInMs: HELD_LOOK_MS }
}
