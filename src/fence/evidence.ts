import { selfFenceWaitMs } from '../model/fence-timing.ts'
import type { LifeId } from '../model/ids.ts'
import type { FenceView, NewEvidence } from './view.ts'

/** Which evidence there is, and what it is enough for (protocol P4). Pure. */

/** Ceph counts as lost for everybody only after this time: a new quorum of its monitors takes eight to ten seconds. */
const NO_CEPH_MS = 20_000
/** Evidence that the machine itself was seen to be off: it covers every life it ever had. */
const WHOLE_MACHINE: ReadonlySet<string> = new Set(['power-off', 'operator'])
const ABOUT_LIFE: ReadonlySet<string> = new Set(['power-off', 'self-fence', 'reboot', 'operator'])

/** The next piece of evidence about the life that the journal does not hold yet. */
export function newEvidence(v: FenceView): NewEvidence | undefined {
  const has = (kind: string) => v.journal.evidence.some((each) => each.kind === kind)
  const { power, order, journal, status } = v
  if (power.kind === 'off' && !has('power-off')) return { kind: 'power-off', method: power.method }
  const isConfirmed = order?.kind === 'confirm' && order.life === journal.life && order.seq === journal.seq
  if (isConfirmed && !has('operator')) return { kind: 'operator', by: order.by }
  const isRebooted = status !== undefined && journal.bootId !== null && status.bootId !== journal.bootId
  if (isRebooted && !has('reboot')) return { kind: 'reboot', bootId: status.bootId }
  const due = selfFenceDue(v)
  if (due.kind === 'in' && due.leftMs <= 0 && !has('self-fence')) return { kind: 'self-fence', waitedMs: due.waitMs }
  return undefined
}

/** When the self-fence must have ended every guest, or why that cannot be counted on. */
export type SelfFenceDue =
  | { readonly kind: 'in'; readonly leftMs: number; readonly waitMs: number }
  | { readonly kind: 'never'; readonly reason: string }

/** The wait runs by this primary's clock alone; see where the decision remembers `cutOff`. */
export function selfFenceDue({ status, journal, memory, nowMs }: FenceView): SelfFenceDue {
  if (status === undefined || status.life !== journal.life) {
    return { kind: 'never', reason: 'the node has another life by now' }
  }
  if (status.selfFence !== 'armed') return { kind: 'never', reason: 'its self-fence was not armed' }
  if (status.watchdog !== 'present' || status.selfFenceBoundS === undefined) {
    return { kind: 'never', reason: 'it has no watchdog, so its self-fence has no certain end' }
  }
  const sinceMs = memory.cutOff?.sinceMs
  const waitMs = selfFenceWaitMs(status.selfFenceBoundS, status.sessionTimeoutMs)
  return { kind: 'in', leftMs: sinceMs === undefined ? waitMs : sinceMs + waitMs - nowMs, waitMs }
}

/** True when the life is proven over, whatever the storage says. */
export function isLifeOver({ journal }: FenceView): boolean {
  return journal.evidence.some(({ kind }) => ABOUT_LIFE.has(kind))
}

/** full: with Ceph. no-ceph: nobody can write to Ceph, and the life is over by power, reboot or a person's word. */
export function sufficientSet(v: FenceView): 'full' | 'no-ceph' | undefined {
  if (!isLifeOver(v)) return undefined
  if (v.storage.osdEpoch !== undefined) return v.storage.areOsdsCurrent && v.storage.areOwnOsdsDown ? 'full' : undefined
  const isStrong = v.journal.evidence.some(({ kind }) => ABOUT_LIFE.has(kind) && kind !== 'self-fence')
  return isStrong && isCephLost(v) ? 'no-ceph' : undefined
}

/** Ceph cannot be written from here for long enough, and every living coordinator reports the same. */
export function isCephLost({ storage, coordinators, self }: FenceView): boolean {
  const others = coordinators.filter(({ node }) => node !== self)
  return storage.failingForMs >= NO_CEPH_MS && others.every(({ isCephAway }) => isCephAway)
}

/** Only this node cannot write to Ceph: another coordinator could do better. */
export function isCephLostHereOnly({ storage, coordinators, self }: FenceView): boolean {
  return storage.failingForMs >= NO_CEPH_MS && coordinators.some(({ node, isCephAway }) => node !== self && !isCephAway)
}

/**
 * Lives that this evidence ends. No life of the machine can have been certified since the opening, so every life its records
 * name was one that ran before; but only a machine seen to be off has surely ended all of them.
 */
export function provenDead({ journal, recordLives }: FenceView): readonly LifeId[] {
  const isWhole = journal.evidence.some(({ kind }) => WHOLE_MACHINE.has(kind))
  const lives = [...(journal.life === null ? [] : [journal.life]), ...(isWhole ? recordLives : [])]
  return [...new Set(lives)].filter((life) => !journal.deadLives.includes(life))
}
