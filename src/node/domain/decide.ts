import { isFailedStill, isVmSpec, type VmSpec, type VmStatus } from '../../model/domain.ts'
import type { StatusPatch } from './action.ts'
import { decision, type VmDecision, type VmProblem } from './decision.ts'
import { countStart, forgetStarts, nextStartAtMs, recentStarts, START_LIMIT, type VmMemory, wishKey } from './memory.ts'
import { decideSource, decideSourceGone, departure } from './move-source.ts'
import { decideCopyHere, decideExpect, decideNoCopy, isToBeAdopted, migrationHere } from './move-target.ts'
import type { HigherSeq, LocalDomain, VmObservation } from './observation.ts'

/** An ACPI press may be lost while the guest boots, so it is repeated. */
const PRESS_AGAIN_MS = 5000
const LOOK_AGAIN_MS = 1000
const HELD_LOOK_MS = 5000
/** So long may a QEMU exist that libvirt does not know: libvirtd may be reconnecting to it. */
const ORPHAN_MS = 30_000

/**
 * Decides the next step for one VM on this node (protocol N3 to N6, N9). Total and deterministic; the caller has already
 * made sure that the node is certified in the present session.
 */
export function decideVm(o: VmObservation): VmDecision {
  const memory = freshenMemory(o)
  if (!o.isSeqTrusted) return decision(memory)
  if (o.higherSeq !== undefined) return decideHeld(o, o.higherSeq, memory)
  const record = o.status?.run ?? null
  const isMine = record !== null && record.node === o.self && record.life === o.life && record.holder === null
  if (o.domain !== undefined) return decideHere(o, o.domain, isMine, memory)
  if (o.status === undefined) return decideIdle(o, memory)
  if (isMine) return decideGone(o, o.status, memory)
  if (o.isCreateOutstanding || o.qemuPid !== undefined) return decideDrain(o, memory)
  if (o.permit !== undefined) return decision(memory, { kind: 'revoke-permit' })
  const migration = migrationHere(o, o.status)
  if (migration !== undefined) return decideExpect(o, migration, memory)
  if (o.move.incoming !== undefined) return decideNoCopy(o, o.move.incoming, memory)
  if (record === null) return decideFree(o, o.status, memory)
  if (record.node === o.self && record.holder === null) return decideTake(o, o.status, memory)
  return decision(memory)
}

/** The store lost a change of the record that another node knows of (C14): starting by it could make a second copy. */
function decideHeld(o: VmObservation, higher: HigherSeq, memory: VmMemory): VmDecision {
  const message = `Node ${higher.node} knows of change ${higher.seq} of the run record of VM ${o.uuid}, ZooKeeper only of ${o.status?.seq ?? 0}; it is not started. Check the ensemble for a diverged member.`
  return decision(memory, undefined, HELD_LOOK_MS, [{ id: 'VM_SEQ_HELD', message }])
}

/** libvirt lists a domain of this VM here. */
function decideHere(o: VmObservation, domain: LocalDomain, isMine: boolean, memory: VmMemory): VmDecision {
  if (!domain.isActive) return decideLeftover(o, domain, memory)
  const { status } = o
  if (status === undefined) return decideForeign(o, domain, memory)
  if (isMine && isToBeAdopted(o, domain, status)) {
    return decision(memory, { kind: 'adopt', mark: { life: o.life, seq: status.seq } })
  }
  if (!isMine || !isMarked(domain, o.life, status.seq)) {
    return decideCopyHere(o, domain, status, memory) ?? decideForeign(o, domain, memory)
  }
  if (domain.isStarting) return decideBooting(o, memory)
  return decideSource(o, domain, status, memory) ?? decideRunning(o, domain, status, memory)
}

function isMarked(domain: LocalDomain, life: string, seq: number): boolean {
  return domain.mark !== undefined && domain.mark.life === life && domain.mark.seq === seq
}

/** A new wish clears the crash counter and the last failure. */
function freshenMemory(o: VmObservation): VmMemory {
  const key = isVmSpec(o.spec) ? wishKey(o.spec) : ''
  const memory = key === o.memory.wishKey ? o.memory : { ...forgetStarts(o.memory), wishKey: key }
  return { ...memory, createSinceMs: o.isCreateOutstanding ? (memory.createSinceMs ?? o.nowMs) : undefined }
}

function wantsOn(o: VmObservation): o is VmObservation & { spec: VmSpec } {
  return isVmSpec(o.spec) && o.spec.power === 'on' && o.spec.hold === null
}

/** libvirt lists an inactive domain: a start in flight, or a persistent definition somebody left. */
function decideLeftover(o: VmObservation, domain: LocalDomain, memory: VmMemory): VmDecision {
  if (o.isCreateOutstanding) return decideDrain(o, memory)
  if (domain.mark === undefined && o.spec === undefined) return decision(memory)
  if (o.permit !== undefined) return decision(memory, { kind: 'revoke-permit' })
  return decision(memory, { kind: 'undefine' }, LOOK_AGAIN_MS)
}

function decideForeign(o: VmObservation, domain: LocalDomain, memory: VmMemory): VmDecision {
  if (domain.mark === undefined && o.spec === undefined && o.status === undefined) {
    const message = `A domain with UUID ${o.uuid} runs on this node but is not a VM of this cluster; shut it down, then define it or keep it elsewhere.`
    return decision(memory, undefined, undefined, [{ id: 'ALIEN_DOMAIN', message }])
  }
  // A guest that left by migration: its QEMU is gone, libvirt will notice.
  if (domain.isSwitched && o.qemuPid === undefined) return decision(memory, undefined, LOOK_AGAIN_MS)
  return decision(memory, { kind: 'destroy-foreign', why: 'the run record does not name this domain' })
}

/** Our domain is listed but its start has not come to an end: wait for it, or end it when it is no longer wanted. */
function decideBooting(o: VmObservation, memory: VmMemory): VmDecision {
  if (wantsOn(o) && o.spec.node === o.self) return decideDrain(o, memory)
  return destroy(memory, 'its start is no longer wanted')
}

/** Our domain runs. */
function decideRunning(o: VmObservation, domain: LocalDomain, status: VmStatus, memory: VmMemory): VmDecision {
  const spec = isVmSpec(o.spec) ? o.spec : undefined
  const isStopNow = spec === undefined || spec.wishes.stopNow > status.done.stopNow
  const isRestart = spec !== undefined && spec.wishes.restart > status.done.restart
  if (isStopNow) return destroy(memory, 'an immediate stop was asked for')
  if (isRestart || spec.power !== 'on' || departure(o, status) === 'shutdown') return decideStopping(o, status, memory)
  const settled: VmMemory = { ...countStart(memory), shutdown: undefined, isDestroyed: false, orphanSinceMs: undefined }
  const problems: VmProblem[] = []
  if (domain.isPaused && domain.reason === 'ioerror') {
    const message = `VM ${spec.name} is paused by a storage error; when Ceph is well again, let it go on with "virsh resume ${spec.name}" on its node, or restart it.`
    problems.push({ id: 'VM_IO_ERROR', message })
  }
  const patch = newsOf(status, {
    phase: 'running',
    observedGeneration: spec.generation,
    failedReason: '',
    handedOver: null,
    done: { ...status.done, start: spec.wishes.start },
    ...(status.startedGeneration === 0 ? { startedGeneration: memory.startedGeneration ?? spec.generation } : {}),
  })
  return decision(settled, patch && { kind: 'write', why: 'running', patch }, undefined, problems)
}

function decideStopping(o: VmObservation, status: VmStatus, memory: VmMemory): VmDecision {
  if (status.phase !== 'stopping') {
    return decision(memory, { kind: 'write', why: 'stopping', patch: { phase: 'stopping' } })
  }
  const asked = memory.shutdown
  if (asked === undefined) {
    const shutdown = { askedAtMs: o.nowMs, pressedAtMs: o.nowMs }
    return decision({ ...memory, shutdown }, { kind: 'shutdown' }, PRESS_AGAIN_MS)
  }
  const leftMs = asked.askedAtMs + o.shutdownTimeoutMs - o.nowMs
  if (leftMs <= 0) return destroy(memory, `the guest did not shut down within ${o.shutdownTimeoutMs} ms`)
  const pressInMs = asked.pressedAtMs + PRESS_AGAIN_MS - o.nowMs
  if (pressInMs > 0) return decision(memory, undefined, Math.min(pressInMs, leftMs))
  const shutdown = { ...asked, pressedAtMs: o.nowMs }
  return decision({ ...memory, shutdown }, { kind: 'shutdown' }, Math.min(PRESS_AGAIN_MS, leftMs))
}

function destroy(memory: VmMemory, why: string): VmDecision {
  return decision({ ...memory, isDestroyed: true }, { kind: 'destroy', why })
}

/** We hold the record and there is no domain: it ended, or was not started yet. */
function decideGone(o: VmObservation, status: VmStatus, memory: VmMemory): VmDecision {
  if (o.isCreateOutstanding || o.qemuPid !== undefined) return decideDrain(o, memory)
  if (status.migration !== null) return decideSourceGone(o, status.migration, memory)
  // A guest that we asked to shut down and that is gone closed its disks in an orderly way.
  const isExitUnclean = memory.isDestroyed || (memory.shutdown === undefined && memory.isExitUnclean)
  const calm: VmMemory = { ...memory, orphanSinceMs: undefined, shutdown: undefined, isDestroyed: false, isExitUnclean }
  if (!wantsOn(o) || o.spec.node !== o.self) return decideRelease(o, calm)
  const done = { ...status.done, restart: o.spec.wishes.restart, stopNow: o.spec.wishes.stopNow }
  const isRestartWished = status.done.restart !== done.restart
  if (isRestartWished || status.done.stopNow !== done.stopNow || status.phase !== 'starting') {
    const restarts = status.phase === 'running' && !isRestartWished ? status.restarts + 1 : status.restarts
    const patch: StatusPatch = { phase: 'starting', done, restarts, startedGeneration: 0, vnc: null, handedOver: null }
    return decision(calm, { kind: 'write', why: 'starting again', patch })
  }
  return decideStart(o, o.spec, status, calm)
}

function decideStart(o: VmObservation, spec: VmSpec, status: VmStatus, memory: VmMemory): VmDecision {
  const starts = recentStarts(memory, o.nowMs)
  const reason = memory.failure?.reason
  if (memory.failure?.isFinal || starts.length >= START_LIMIT) {
    const failedReason =
      reason ?? `The guest ended ${starts.length} times within 10 minutes; see its console and the QEMU log.`
    return decideFail(o, spec, status, memory, failedReason)
  }
  const problems = startProblems(spec, memory)
  if (reason !== undefined && status.failedReason !== reason) {
    const patch = { failedReason: reason }
    return decision(memory, { kind: 'write', why: 'a start failed', patch }, undefined, problems)
  }
  const waitMs = nextStartAtMs(starts, memory.tries) - o.nowMs
  if (waitMs > 0) return decision(memory, undefined, waitMs, problems)
  const mark = { life: o.life, seq: status.seq }
  const tries = { times: memory.tries.times + 1, latestAtMs: o.nowMs }
  return decision(
    { ...memory, startsAtMs: starts, tries, startedGeneration: spec.generation, createSinceMs: o.nowMs },
    { kind: 'start', mark, spec, isExitUnclean: memory.isExitUnclean },
    undefined,
    problems,
  )
}

/** A start that does not come about is tried without end, for it may be Ceph that is away: so it must be said. */
function startProblems(spec: VmSpec, { failure, tries }: VmMemory): readonly VmProblem[] {
  if (failure === undefined || tries.times < 2) return []
  const message = `VM ${spec.name} could not be started and is tried again until it can be: ${failure.reason}`
  return [{ id: 'VM_START_WAITS', message }]
}

function decideFail(o: VmObservation, spec: VmSpec, status: VmStatus, memory: VmMemory, reason: string): VmDecision {
  if (o.permit !== undefined) return decision(memory, { kind: 'revoke-permit' })
  const patch: StatusPatch = {
    run: null,
    phase: 'failed',
    failedReason: reason,
    observedGeneration: spec.generation,
    done: { ...status.done, start: spec.wishes.start },
    startedGeneration: 0,
    vnc: null,
  }
  return decision(memory, { kind: 'write', why: 'failed', patch })
}

function decideRelease(o: VmObservation, memory: VmMemory): VmDecision {
  if (o.permit !== undefined) return decision(memory, { kind: 'revoke-permit' })
  if (memory.isExitUnclean && isVmSpec(o.spec) && o.spec.rbdList.length > 0) {
    // Tried once only: a Ceph that does not answer must not keep the VM from being released.
    return decision({ ...memory, isExitUnclean: false }, { kind: 'clean-volumes', spec: o.spec })
  }
  const patch: StatusPatch = { ...idlePatch(o), run: null, phase: 'off' }
  return decision(memory, { kind: 'write', why: 'released', patch })
}

/** Something of the VM may still be starting or ending here: close the door, then wait until nothing is left (N5). */
function decideDrain(o: VmObservation, memory: VmMemory): VmDecision {
  const orphanSinceMs = o.qemuPid === undefined ? undefined : (memory.orphanSinceMs ?? o.nowMs)
  const next: VmMemory = { ...memory, orphanSinceMs }
  const isWanted = wantsOn(o) && o.spec.node === o.self && o.status?.run?.life === o.life
  if (o.permit !== undefined && !isWanted) return decision(next, { kind: 'revoke-permit' })
  if (o.qemuPid !== undefined && !o.isCreateOutstanding && o.nowMs - (orphanSinceMs ?? o.nowMs) >= ORPHAN_MS) {
    return decision(next, { kind: 'kill-orphan', pid: o.qemuPid })
  }
  const slowMs = o.nowMs - (next.createSinceMs ?? o.nowMs)
  const problems =
    slowMs < o.createTimeoutMs
      ? []
      : [
          {
            id: 'VM_START_SLOW',
            message: `libvirt has been starting VM ${o.uuid} for ${Math.round(slowMs / 1000)} s; look at Ceph.`,
          },
        ]
  return decision(next, undefined, LOOK_AGAIN_MS, problems)
}

/** Nobody holds the record. */
function decideFree(o: VmObservation, status: VmStatus, memory: VmMemory): VmDecision {
  if (!isVmSpec(o.spec) || o.spec.node !== o.self) return decision(memory)
  const isFailed = isFailedStill(o.spec, status)
  if (wantsOn(o) && !isFailed) return decideTake(o, status, { ...memory, isExitUnclean: false })
  if (isFailed && o.spec.power === 'on') return decision(memory)
  const patch = newsOf(status, { ...idlePatch(o), phase: 'off' })
  return decision(memory, patch && { kind: 'write', why: 'off', patch })
}

/** Also from an earlier life of this very machine, which is over: then to run the VM, or to release it in the next step. */
function decideTake(o: VmObservation, status: VmStatus, memory: VmMemory): VmDecision {
  const run = { node: o.self, life: o.life, holder: null }
  const wishes = isVmSpec(o.spec) ? o.spec.wishes : status.done
  const done = { ...status.done, restart: wishes.restart, stopNow: wishes.stopNow }
  const patch: StatusPatch = { run, phase: 'starting', done, failedReason: '', startedGeneration: 0, vnc: null }
  return decision(memory, { kind: 'write', why: 'taken', patch })
}

/** No status document: nothing may run, and a permit must not be left. */
function decideIdle(o: VmObservation, memory: VmMemory): VmDecision {
  if (o.isCreateOutstanding || o.qemuPid !== undefined) return decideDrain(o, memory)
  return o.permit === undefined ? decision(memory) : decision(memory, { kind: 'revoke-permit' })
}

/** What an off VM's status says: every wish of the present spec is done. */
function idlePatch(o: VmObservation): StatusPatch {
  const base = {
    startedGeneration: 0,
    vnc: null,
    migration: null,
    handedOver: null,
    moveFailure: null,
    failedReason: '',
    restarts: 0,
  }
  return isVmSpec(o.spec) ? { ...base, observedGeneration: o.spec.generation, done: o.spec.wishes } : base
}

/** The patch when it changes anything, otherwise undefined: a status is written only when it is news. */
function newsOf(status: VmStatus, patch: StatusPatch): StatusPatch | undefined {
  const before = JSON.stringify(status)
  return JSON.stringify({ ...status, ...patch }) === before ? undefined : patch
}
