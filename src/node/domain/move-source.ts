import { isVmSpec, type Migration, type VmSpec, type VmStatus } from '../../model/domain.ts'
import { orderOf } from '../../model/move.ts'
import type { StatusPatch } from './action.ts'
import { decision, type VmDecision } from './decision.ts'
import type { VmMemory } from './memory.ts'
import type { LocalDomain, MoveTarget, VmObservation } from './observation.ts'

/** The target makes ready within this time, or the move has failed. */
const PREPARE_MS = 15_000
/** After libvirt's call has returned, what it left behind shows itself within this time. */
const OUTCOME_MS = 10_000
const PROGRESS_MS = 1000
/** The guest stands still from the switch to the hand-over. The target tells when it has the copy; this is for a word that is lost. */
const SWITCHED_LOOK_MS = 50
const PREPARE_LOOK_MS = 20
const ABORT_LOOK_MS = 500

/** How a VM that runs here is to leave: copied live, shut down so that it starts there, or not at all. */
export function departure(o: VmObservation, status: VmStatus): 'live' | 'shutdown' | 'none' {
  if (!isVmSpec(o.spec) || o.spec.power !== 'on' || o.spec.hold !== null || o.spec.node === o.self) return 'none'
  const order = orderOf(o.spec)
  const failure = status.moveFailure?.orderId === order.id ? status.moveFailure : undefined
  if (failure !== undefined) return failure.isFinal ? 'none' : 'shutdown'
  return o.spec.meta.migrationMethod === 'shutdown' && !order.isLiveOnly ? 'shutdown' : 'live'
}

/**
 * The source's side of a live migration (protocol L1 to L4), while its domain is here.
 * @returns undefined when no migration concerns this domain: then it is an ordinary running one.
 */
export function decideSource(
  o: VmObservation,
  domain: LocalDomain,
  status: VmStatus,
  memory: VmMemory,
): VmDecision | undefined {
  const { migration } = status
  const way = departure(o, status)
  const spec = isVmSpec(o.spec) ? o.spec : undefined
  if (migration === null) {
    if (spec === undefined || way === 'none') return undefined
    if (o.move.target?.isUp !== true) return fail(o, spec, `node ${spec.node} does not run or is not certified`, memory)
    return way === 'live' ? begin(o, spec, o.move.target, memory) : undefined
  }
  if (spec === undefined || way !== 'live' || migration.id !== orderOf(spec).id) return abort(o, domain, memory)
  return migration.step === 'prepare'
    ? prepare(o, spec, migration, memory)
    : copy(o, spec, domain, { status, migration }, memory)
}

function begin(o: VmObservation, spec: VmSpec, target: MoveTarget, memory: VmMemory): VmDecision {
  const order = orderOf(spec)
  const migration: Migration = {
    id: order.id,
    from: { node: o.self, life: o.life },
    to: { node: spec.node, life: target.life },
    step: 'prepare',
    ...(o.move.cpu === undefined ? {} : { cpu: o.move.cpu }),
    startedAt: o.wallMs,
    progress: null,
  }
  return decision(memory, { kind: 'write', why: 'a move begins', patch: { migration, phase: 'migrating' } })
}

/** How long this step has been waiting. */
function waited(o: VmObservation, memory: VmMemory, key: string): { readonly memory: VmMemory; readonly ms: number } {
  const moveWait = memory.moveWait?.key === key ? memory.moveWait : { key, sinceMs: o.nowMs }
  return { memory: { ...memory, moveWait }, ms: o.nowMs - moveWait.sinceMs }
}

function prepare(o: VmObservation, spec: VmSpec, migration: Migration, memory: VmMemory): VmDecision {
  const { target, arrival } = o.move
  if (target?.life !== migration.to.life || !target.isUp) {
    return fail(o, spec, `node ${migration.to.node} went away while it made ready for the copy`, memory)
  }
  // What was said about an earlier try of the same order is not an answer to this one.
  if (arrival?.migrationId === migration.id && arrival.state !== 'gone') {
    // What is refused could not start there either: it is better off where it runs.
    if (arrival.state === 'refused') return stay(spec, arrival.reason, memory)
    const { cpu: _said, ...kept } = migration
    const patch = { migration: { ...kept, step: 'copy' as const } }
    return decision(memory, { kind: 'write', why: 'the target is ready', patch })
  }
  const wait = waited(o, memory, `prepare ${migration.id}`)
  if (wait.ms >= PREPARE_MS)
    return fail(o, spec, `node ${migration.to.node} did not make ready for the copy`, wait.memory)
  return decision(wait.memory, undefined, PREPARE_LOOK_MS)
}

type Copy = { readonly status: VmStatus; readonly migration: Migration }

function copy(
  o: VmObservation,
  spec: VmSpec,
  domain: LocalDomain,
  { status, migration }: Copy,
  memory: VmMemory,
): VmDecision {
  const { copyCall, job } = o.move
  const call = copyCall?.id === migration.id ? copyCall : undefined
  if (domain.isSwitched) return switched(o, migration, call?.state === 'returned', memory)
  if (call?.state === 'returned')
    return fail(o, spec, call.error ?? 'libvirt ended the copy and kept the guest here', memory)
  if (call === undefined && job === undefined) {
    if (isComplete(o, migration)) return fail(o, spec, 'libvirt let the guest run on here after it was copied', memory)
    const maxDowntimeMs = spec.meta.migrationMaxDowntimeMs
    return decision(memory, { kind: 'copy', migration, policy: orderOf(spec).policy, maxDowntimeMs })
  }
  // libvirt's first figures are zeros, before it knows how much there is to copy.
  const isTold = job !== undefined && job.totalMiB > 0 && o.nowMs - memory.progressAtMs >= PROGRESS_MS
  if (!isTold) return decision(memory, undefined, PROGRESS_MS)
  const isNews = JSON.stringify(status.migration?.progress) !== JSON.stringify(job)
  const next: VmMemory = { ...memory, progressAtMs: o.nowMs }
  if (!isNews) return decision(next, undefined, PROGRESS_MS)
  const patch = { migration: { ...migration, progress: job } }
  return decision(next, { kind: 'write', why: 'progress', patch }, PROGRESS_MS)
}

/** The target has reported the whole copy of this migration. */
export function isComplete(o: VmObservation, migration: Migration): boolean {
  return o.move.arrival?.migrationId === migration.id && o.move.arrival.state === 'complete'
}

/** The guest stands still here; as soon as the copy is complete there, our QEMU ends and can never run again (L3). */
function switched(o: VmObservation, migration: Migration, isReturned: boolean, memory: VmMemory): VmDecision {
  if (isComplete(o, migration) && !o.move.isResumedSinceSwitch) {
    return o.qemuPid === undefined
      ? handOver(o, migration, memory)
      : decision(memory, { kind: 'end-source', patch: handOverPatch(migration) })
  }
  const wait = waited(o, memory, `switched ${migration.id}`)
  // Safe because the record is still ours: the copy there is never resumed without it.
  if (isReturned && wait.ms >= OUTCOME_MS) return decision(wait.memory, { kind: 'resume' })
  return decision(wait.memory, undefined, SWITCHED_LOOK_MS)
}

/** The order was withdrawn or replaced. */
function abort(o: VmObservation, domain: LocalDomain, memory: VmMemory): VmDecision {
  if (domain.isSwitched) return decision(memory, undefined, SWITCHED_LOOK_MS)
  const isCopying = o.move.job !== undefined || o.move.copyCall?.state === 'running'
  if (isCopying) return decision(memory, { kind: 'abort-copy' }, ABORT_LOOK_MS)
  return decision(memory, {
    kind: 'write',
    why: 'the move was called off',
    patch: { migration: null, phase: 'running' },
  })
}

function fail(o: VmObservation, spec: VmSpec, reason: string, memory: VmMemory): VmDecision {
  // Shut down only for a place where it can start again.
  const mayShutDown = !orderOf(spec).isLiveOnly && spec.meta.migrationMethod !== 'live' && o.move.target?.isUp === true
  return mayShutDown ? failed(spec, { reason, isFinal: false }, memory) : stay(spec, reason, memory)
}

/** The move has failed for good, and the guest runs on here. */
function stay(spec: VmSpec, reason: string, memory: VmMemory): VmDecision {
  return failed(spec, { reason, isFinal: true }, memory)
}

type Failure = { readonly reason: string; readonly isFinal: boolean }

function failed(spec: VmSpec, failure: Failure, memory: VmMemory): VmDecision {
  const moveFailure = { orderId: orderOf(spec).id, ...failure }
  const patch = { migration: null, moveFailure, phase: 'running' as const, observedGeneration: spec.generation }
  return decision(memory, { kind: 'write', why: 'the move failed', patch })
}

/**
 * The source's domain is gone in the middle of a migration (protocol L4): hand the record over when the copy is complete
 * and cannot be older than the disk, otherwise the migration is over and the VM starts cold. libvirt may have ended the
 * migration by itself, while this daemon or the target's was away; so the target is given time to say what it has. A daemon
 * that did not see the copy believes libvirt's log only: the guest may have been let run on, and have ended, without it.
 */
export function decideSourceGone(o: VmObservation, migration: Migration, memory: VmMemory): VmDecision {
  const { copyCall, isResumedSinceSwitch, isMigratedAway } = o.move
  const call = copyCall?.id === migration.id ? copyCall : undefined
  const hasFailed = call?.error !== undefined
  if (migration.step === 'copy' && !isResumedSinceSwitch && (call !== undefined || isMigratedAway)) {
    if (isComplete(o, migration)) return handOver(o, migration, memory)
    const wait = waited(o, memory, `gone ${migration.id}`)
    if (!hasFailed && wait.ms < OUTCOME_MS) return decision(wait.memory, undefined, SWITCHED_LOOK_MS)
  }
  return decision(memory, { kind: 'write', why: 'the guest ended while it was moved', patch: { migration: null } })
}

function handOverPatch(migration: Migration): StatusPatch {
  const run = { ...migration.to, holder: null }
  return { run, migration: null, handedOver: migration.id, moveFailure: null, phase: 'migrating' }
}

/** No QEMU of this VM can run here any more, whatever libvirt still lists: the record goes to the target. */
function handOver(o: VmObservation, migration: Migration, memory: VmMemory): VmDecision {
  if (o.permit !== undefined) return decision(memory, { kind: 'revoke-permit' })
  return decision(memory, { kind: 'write', why: 'handed over', patch: handOverPatch(migration) })
}
