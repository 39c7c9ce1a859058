/**
 * Decides how a fenced node comes back (protocol N7). Nothing is remembered that cannot be looked up again, so a daemon
 * that was killed at any step goes on where it was.
 */
import type { QuarantineAction, QuarantineDecision, QuarantineMemory, QuarantineSnapshot, Remains } from './snapshot.ts'

/**
 * A primary that sees our proof of life takes back what it has just opened (protocol P3). So long nothing is destroyed;
 * until then this is a node without contact, and the guard's bound goes on.
 */
export const TAKE_BACK_MS = 2000
/** libvirt has so long to end a domain before its process is killed. */
export const KILL_AFTER_MS = 5000
/** What has not ended by then does not end without a reboot. */
export const PURGE_BOUND_MS = 45_000
const PURGE_LOOK_MS = 250
const WAIT_LOOK_MS = 1000
const CEPH_LOOK_MS = 2000

/** Decides the next step. Total and deterministic. */
export function decideQuarantine(s: QuarantineSnapshot): QuarantineDecision {
  const { journal } = s
  const isOpen = journal.state !== 'closed'
  const memory: QuarantineMemory = isOpen ? { ...s.memory, seenSeq: journal.seq } : s.memory
  if (!s.isHeld) return enter(s, memory)
  // One new life is enough: what is seen here may still be from before it.
  if (s.newLife !== undefined && s.newLife !== s.life) return wait('its new life is being announced', memory)
  if (s.newLife === s.life && !isOpen && !journal.deadLives.includes(s.life)) {
    return s.publishedLife === s.life
      ? act({ kind: 'leave' }, 'the purge is done, it is taken into service', memory)
      : wait('its new life is being published', memory)
  }
  if (!isClean(s.remains)) return purge(s, memory)
  const calm: QuarantineMemory = { ...memory, purgeSinceMs: undefined, rebootAtMs: undefined }
  if (journal.state === 'open') {
    return wait('nothing runs here any more, and the primary is gathering the proof of that', calm)
  }
  return giveBack(s, calm)
}

function act(action: QuarantineAction, step: string, memory: QuarantineMemory): QuarantineDecision {
  return { action, step, memory, wakeInMs: 0 }
}

function wait(step: string, memory: QuarantineMemory, wakeInMs = WAIT_LOOK_MS): QuarantineDecision {
  return { action: undefined, step, memory, wakeInMs }
}

function enter(s: QuarantineSnapshot, memory: QuarantineMemory): QuarantineDecision {
  const { journal, nowMs, life } = s
  // A quarantine that was just left, or a fence that was taken back: membership is about to say so.
  if (journal.state === 'closed' && !journal.deadLives.includes(life)) return wait('its fence is over', memory)
  // Once addresses are named, Ceph is being told to shut them out.
  const isUndone = journal.orderedBy === '' && journal.addresses.length === 0
  const mayBeTakenBack = journal.state === 'open' && isUndone && !journal.deadLives.includes(life)
  if (mayBeTakenBack) {
    const opened = memory.opened?.seq === journal.seq ? memory.opened : { seq: journal.seq, sinceMs: nowMs }
    const leftMs = opened.sinceMs + TAKE_BACK_MS - nowMs
    if (leftMs > 0) {
      return wait('the primary took it for dead, and may take that back', { ...memory, opened }, leftMs)
    }
  }
  return act({ kind: 'begin' }, 'its guests are being ended', { ...memory, opened: undefined })
}

/** Nothing of this cluster's VMs runs here or can start, and that was seen, not assumed. */
export function isClean(remains: Remains): boolean {
  const { permits, incomings, domains, creates, processes, libvirtProblem } = remains
  return libvirtProblem === '' && [permits, incomings, domains, creates, processes].every((list) => list.length === 0)
}

function purge(s: QuarantineSnapshot, memory: QuarantineMemory): QuarantineDecision {
  const sinceMs = memory.purgeSinceMs ?? s.nowMs
  const ageMs = s.nowMs - sinceMs
  const next: QuarantineMemory = { ...memory, purgeSinceMs: sinceMs }
  const what = describe(s.remains)
  if (ageMs >= PURGE_BOUND_MS && doesRebootHelp(s)) {
    const wasAskedMs = s.nowMs - (memory.rebootAtMs ?? Number.NEGATIVE_INFINITY)
    const step = `it must be rebooted: ${what} after ${Math.round(ageMs / 1000)} s`
    if (wasAskedMs < PURGE_BOUND_MS) return wait(step, next)
    return act({ kind: 'reboot', reason: what }, step, { ...next, rebootAtMs: s.nowMs })
  }
  const action: QuarantineAction = { kind: 'purge', isKill: ageMs >= KILL_AFTER_MS }
  return { action, step: `its guests are being ended: ${what}`, memory: next, wakeInMs: PURGE_LOOK_MS }
}

/**
 * Nothing of an earlier boot can run here. So a libvirt that does not answer is a reason to reboot only when the fenced
 * life ran under this very boot; otherwise a machine with a broken libvirt would reboot for ever.
 */
function doesRebootHelp({ remains, journal, bootId, isByBlocklist }: QuarantineSnapshot): boolean {
  if (remains.processes.length > 0 || remains.creates.length > 0 || remains.domains.length > 0) return true
  return remains.libvirtProblem !== '' && (isByBlocklist || journal.bootId === bootId)
}

function describe({ permits, incomings, domains, creates, processes, libvirtProblem }: Remains): string {
  if (libvirtProblem !== '') return `libvirt cannot be asked what runs here (${libvirtProblem})`
  const parts = [
    count(domains.length, 'domain is', 'domains are'),
    count(processes.length, 'QEMU process is', 'QEMU processes are'),
    count(creates.length, 'start is', 'starts are'),
    count(permits.length + incomings.length, 'permit is', 'permits are'),
  ]
  return `${parts.filter((part) => part !== '').join(', ')} left`
}

function count(number: number, one: string, many: string): string {
  return number === 0 ? '' : `${number} ${number === 1 ? one : many}`
}

/** Nothing runs here and nothing can start: the storage is opened again, then the primary is told, then it is over. */
function giveBack(s: QuarantineSnapshot, memory: QuarantineMemory): QuarantineDecision {
  const { journal, blocklist } = s
  if (blocklist.kind === 'unknown') {
    return wait(`it cannot be seen whether Ceph still shuts it out: ${blocklist.reason}`, memory, CEPH_LOOK_MS)
  }
  if (blocklist.kind === 'listed') {
    return act({ kind: 'lift' }, 'its storage addresses are being taken out of the blocklist', memory)
  }
  const wanted = wantedAfter(s, memory)
  if (wanted !== undefined) {
    return act({ kind: 'settle', wanted }, 'its VMs were moved away', { ...memory, settledSeq: journal.seq })
  }
  if (journal.state === 'closed') return act({ kind: 'new-life' }, 'a new life begins', memory)
  if (s.ack !== journal.seq) {
    return act({ kind: 'acknowledge', seq: journal.seq }, 'the primary is being told that nothing runs here', memory)
  }
  // Also to see a blocklist entry that came back.
  return wait('nothing runs here any more, and the primary has to close its fence journal', memory, CEPH_LOOK_MS)
}

/** What is wanted of a node whose VMs were moved away; undefined: what was wanted before, or it was written already. */
function wantedAfter(s: QuarantineSnapshot, memory: QuarantineMemory) {
  const { journal, wanted, isAutoReady } = s
  const isOurs = memory.seenSeq === journal.seq && memory.settledSeq !== journal.seq
  const isMoved = journal.victims.some(({ state }) => state === 'moved' || state === 'off')
  if (!isOurs || !isMoved || wanted !== 'ready') return undefined
  return isAutoReady ? 'ready' : 'flush'
}
