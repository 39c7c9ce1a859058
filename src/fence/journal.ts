import {
  type Evidence,
  type FenceEvent,
  type FenceJournal,
  MAX_DEAD_LIVES,
  MAX_FENCE_EVENTS,
  type Victim,
} from '../model/fence.ts'
import type { BootId, LifeId } from '../model/ids.ts'

/** Edits of a fence journal. Pure; each is written by compare-and-set. */

/** When something happened: by this primary's clock since the node vanished, and by the clock on the wall for people. */
export type Moment = { readonly afterMs: number; readonly at: number }

/** The first events tell how it began, so the oldest after them go. */
const FIRST_EVENTS = 20

export function withEvent(journal: FenceJournal, moment: Moment, step: FenceEvent['step'], text: string): FenceJournal {
  const all = [...journal.events, { ...moment, step, text }]
  const events =
    all.length <= MAX_FENCE_EVENTS
      ? all
      : [...all.slice(0, FIRST_EVENTS), ...all.slice(all.length - MAX_FENCE_EVENTS + FIRST_EVENTS)]
  return { ...journal, events }
}

/** Opened for a life. A journal that was not closed keeps its history and its shut-out addresses (protocol P7b). */
export function opened(
  journal: FenceJournal,
  about: { readonly life: LifeId; readonly bootId: BootId | null; readonly by: string; readonly at: number },
): FenceJournal {
  const isFirst = journal.state === 'closed'
  return {
    ...journal,
    state: 'open',
    life: about.life,
    bootId: about.bootId,
    seq: journal.seq + 1,
    openedAt: about.at,
    orderedBy: about.by,
    evidence: [],
    isPowerOnAsked: false,
    stuck: '',
    ...(isFirst ? { victims: [], addresses: [], events: [] } : {}),
  }
}

/** Nothing irreversible had been done, and the node is not to be fenced. */
export function takenBack(journal: FenceJournal): FenceJournal {
  return { ...journal, state: 'closed', stuck: '' }
}

/** The life is over for ever. */
export function proven(journal: FenceJournal, evidence: readonly Evidence[], lives: readonly LifeId[]): FenceJournal {
  const deadLives = [...journal.deadLives.filter((life) => !lives.includes(life)), ...lives].slice(-MAX_DEAD_LIVES)
  return { ...journal, state: 'evidence', evidence: [...journal.evidence, ...evidence], deadLives, stuck: '' }
}

/** The victims with what became of some of them; those that were not known yet come last. */
export function withVictims(journal: FenceJournal, changed: readonly Victim[]): FenceJournal {
  const news = new Map(changed.map((victim) => [victim.uuid, victim]))
  const kept = journal.victims.map((victim) => news.get(victim.uuid) ?? victim)
  const known = new Set(kept.map(({ uuid }) => uuid))
  return { ...journal, victims: [...kept, ...changed.filter(({ uuid }) => !known.has(uuid))] }
}

/** The node has purged itself and may start again under a new life. Who asked for the fence stays, for people who look later. */
export function closed(journal: FenceJournal): FenceJournal {
  return { ...journal, state: 'closed', addresses: [], stuck: '' }
}

/** `12.3 s`. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
