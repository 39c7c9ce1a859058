import { unreachable } from '../base/assert.ts'
import { isCephLostHereOnly, isLifeOver, newEvidence, provenDead, selfFenceDue, sufficientSet } from './evidence.ts'
import { decideClosed } from './suspect.ts'
import type { FenceAction, FenceDecision, FenceMemory, FenceProblem, FenceView, FenceWork } from './view.ts'

const GATHER_LOOK_MS = 500
const RECOVER_LOOK_MS = 2000
const RETURN_LOOK_MS = 1000
const CALM_MS = 30_000
/** VMs that only wait for room are looked at again. */
const AWAITED_LOOK_MS = 5000
/** An operator should hear of a fence that takes longer than the longest one that goes well. */
const STUCK_AFTER_MS = 45_000
/** A recovery that waits longer than this for a target is worth a fault. */
const RECOVERY_STUCK_MS = 30_000

/** Decides the next step about one node (protocol P2 to P9). Total and deterministic. */
export function decideFence(view: FenceView): FenceDecision {
  const memory = remember(view)
  const v: FenceView = { ...view, memory }
  switch (v.journal.state) {
    case 'closed':
      return decideClosed(v, memory)
    case 'open':
      return v.journal.addresses.length === 0 ? decideOpened(v, memory) : decideGathering(v, memory)
    case 'evidence':
      return decideRecovering(v, memory)
    case 'recovered':
      return decideReturning(v, memory)
    default:
      return unreachable(v.journal.state)
  }
}

/**
 * The last certified contact of a node lies before the moment at which an opening without a way back is first seen here, less
 * a session: its proof of life was missing when that was written, and no session is certified since. For a node that was
 * fenced by order this only holds once it has vanished.
 */
function remember({ alive, nowMs, journal, memory, isAwaited }: FenceView): FenceMemory {
  const goneSinceMs = alive === undefined ? (memory.goneSinceMs ?? nowMs) : undefined
  const since = { goneSinceMs, awaitedSinceMs: isAwaited ? (memory.awaitedSinceMs ?? nowMs) : undefined }
  const isCommitted = journal.state !== 'closed' && journal.addresses.length > 0
  if (!isCommitted) return { ...since, cutOff: undefined }
  if (memory.cutOff?.seq === journal.seq) return { ...since, cutOff: memory.cutOff }
  const isCutOff = journal.orderedBy === '' || alive === undefined
  return { ...since, cutOff: isCutOff ? { seq: journal.seq, sinceMs: nowMs } : undefined }
}

type Rest = Partial<Pick<FenceDecision, 'problems' | 'stuck'>> & { readonly work?: readonly FenceWork[] }

function act(memory: FenceMemory, action: FenceAction, rest: Rest = {}): FenceDecision {
  return { action, work: [], memory, problems: [], stuck: undefined, wakeInMs: GATHER_LOOK_MS, ...rest }
}

function wait(memory: FenceMemory, wakeInMs: number, rest: Rest = {}): FenceDecision {
  return { action: undefined, work: [], memory, problems: [], stuck: undefined, wakeInMs, ...rest }
}

/** Opened, and nothing irreversible was done: the proof of life is looked at once more (protocol P3). */
function decideOpened(v: FenceView, memory: FenceMemory): FenceDecision {
  if (v.alive !== undefined && v.journal.orderedBy === '')
    return act(memory, { kind: 'take-back', why: 'the node showed its proof of life again' })
  if (v.isMaintenance) return act(memory, { kind: 'take-back', why: 'maintenance was switched on' })
  const addresses = v.status?.storageAddrs ?? []
  if (addresses.length > 0) return act(memory, { kind: 'commit', addresses }, { work: ['probe'] })
  const stuck = `Node ${v.node} never said from which addresses it uses Ceph, so it cannot be shut out. Start pvcnoded there once, or remove the node.`
  return wait(memory, RECOVER_LOOK_MS, { stuck, problems: [stuckProblem(v, stuck)] })
}

/** Evidence is gathered, everything in parallel (protocol P4). */
function decideGathering(v: FenceView, memory: FenceMemory): FenceDecision {
  const evidence = newEvidence(v)
  if (evidence !== undefined) return act(memory, { kind: 'note', evidence })
  const set = sufficientSet(v)
  if (set !== undefined)
    return act(memory, { kind: 'prove', isWithoutCeph: set === 'no-ceph', deadLives: provenDead(v) })
  if (isCephLostHereOnly(v))
    return act(memory, { kind: 'resign', why: `this node cannot write to Ceph: ${v.storage.problem}` })
  const isOver = isLifeOver(v)
  const work: readonly FenceWork[] = isOver ? ['probe', 'storage', 'osd-down'] : ['probe', 'storage', 'power']
  const sinceMs = v.nowMs - (memory.cutOff?.sinceMs ?? v.nowMs)
  const due = selfFenceDue(v)
  const isHopeless = due.kind === 'never' && v.power.kind === 'no-proof'
  if (!isHopeless && sinceMs < STUCK_AFTER_MS) return wait(memory, GATHER_LOOK_MS, { work, stuck: '' })
  const stuck = stuckSentence(v, isOver)
  return wait(memory, GATHER_LOOK_MS, { work, stuck, problems: [stuckProblem(v, stuck)] })
}

/** What was tried, and what a person can do. */
function stuckSentence(v: FenceView, isOver: boolean): string {
  if (v.isMaintenance)
    return `The fencing of node ${v.node} waits because the cluster is in maintenance; "pvc cluster maintenance off" lets it go on.`
  if (isOver) {
    const reason = v.storage.problem === '' ? 'an OSD still works with an older map' : v.storage.problem
    return `Node ${v.node} is off, but Ceph does not shut it out yet: ${reason}. Look at "ceph -s".`
  }
  const due = selfFenceDue(v)
  const power = v.power.kind === 'no-proof' ? v.power.reason : 'its power controller has not answered yet'
  const selfFence = due.kind === 'never' ? due.reason : `its self-fence is due in ${Math.ceil(due.leftMs / 1000)} s`
  return `It is not proven that node ${v.node} is off: ${power}; ${selfFence}. Look at the machine; only when it is off, or all its network cables are out, also those of the guests, and it stays so until its VMs run elsewhere, run "pvc node fence-confirm ${v.node}".`
}

function stuckProblem({ node }: FenceView, message: string): FenceProblem {
  return { id: `FENCE_STUCK:${node}`, severity: 'critical', message }
}

/** Proven over: its VMs are recovered, and it stays shut out until it has purged itself (protocol P6, P7). */
function decideRecovering(v: FenceView, memory: FenceMemory): FenceDecision {
  const isAcknowledged = isBack(v)
  const left = unsettled(v)
  if (isAcknowledged && left.length > 0 && !v.hasTarget) return closeWhenFree(v, memory)
  // Its own removal of the entries must not be undone; everybody else's is.
  const work: readonly FenceWork[] = isAcknowledged ? [] : ['storage']
  const sinceMs = v.nowMs - (memory.cutOff?.sinceMs ?? v.nowMs)
  return { ...act(memory, { kind: 'recover' }, { work, ...sayLeft(v, sinceMs) }), wakeInMs: RETURN_LOOK_MS }
}

function unsettled({ journal }: FenceView): FenceView['journal']['victims'] {
  return journal.victims.filter(({ state }) => state === 'waiting' || state === 'failed')
}

/** Which VMs wait, and what for. */
function sayLeft(v: FenceView, sinceMs: number): Rest {
  const [first, ...others] = unsettled(v)
  if (first === undefined || sinceMs <= RECOVERY_STUCK_MS) return { stuck: '' }
  const stuck = `${others.length + 1} VMs of node ${v.node} wait for recovery: ${first.name}: ${first.reason}.`
  return { stuck, problems: [{ ...stuckProblem(v, stuck), id: `RECOVERY_STUCK:${v.node}` }] }
}

function isBack({ status, journal, alive }: FenceView): boolean {
  return alive !== undefined && status?.ack === journal.seq
}

/** Nothing of it is left to recover: it may come back, or be fenced again under a later life (protocol P7, P7b, P9). */
function decideReturning(v: FenceView, memory: FenceMemory): FenceDecision {
  const { journal, alive, recordLives } = v
  const later = recordLives.find((life) => !journal.deadLives.includes(life))
  if (recordLives.some((life) => journal.deadLives.includes(life))) return act(memory, { kind: 'recover' })
  if (alive === undefined && later !== undefined && !v.isMaintenance) {
    const bootId = v.status?.life === later ? v.status.bootId : null
    return act(memory, { kind: 'open', life: later, bootId, by: '', why: 'records name a later life of it' })
  }
  const wasSwitchedOff = journal.evidence.some(({ kind }) => kind === 'power-off')
  // Other evidence was enough before the order to switch off had its effect: it is off by our doing all the same.
  if (!wasSwitchedOff && v.power.kind === 'off' && alive === undefined)
    return act(memory, { kind: 'note', evidence: { kind: 'power-off', method: v.power.method } })
  if (wasSwitchedOff && !journal.isPowerOnAsked && alive === undefined && !v.isMaintenance)
    return act(memory, { kind: 'power-on' })
  // They were moved there just before it died, or started since. It may come back meanwhile: they keep nobody out.
  if ((v.isAwaited || unsettled(v).length > 0) && !v.isMaintenance) {
    const said = sayLeft(v, v.nowMs - (memory.awaitedSinceMs ?? v.nowMs))
    return { ...act(memory, { kind: 'recover' }, said), wakeInMs: AWAITED_LOOK_MS }
  }
  return isBack(v)
    ? closeWhenFree(v, memory)
    : wait(memory, alive === undefined ? CALM_MS : RETURN_LOOK_MS, { stuck: '' })
}

function closeWhenFree(v: FenceView, memory: FenceMemory): FenceDecision {
  if (v.listed === undefined) return wait(memory, RETURN_LOOK_MS, { work: ['entries'] })
  if (v.listed.length === 0) return act(memory, { kind: 'close' })
  const stuck = `Node ${v.node} has purged itself, but ${v.listed.join(', ')} is still in Ceph's blocklist.`
  return wait(memory, RETURN_LOOK_MS, { work: ['entries'], stuck })
}
