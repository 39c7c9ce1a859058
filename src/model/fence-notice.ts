/** What a hook is told, and when. Pure. */
import type { FenceJournal } from './fence.ts'
import type { NodeName } from './ids.ts'

/** A step of a fence, as a hook gets it (JSON). Times are milliseconds since 1970, for display. */
export type FenceNotice = {
  readonly cluster: string
  readonly node: string
  /** open: the fence begins. evidence: the node is proven off. recovered: its VMs are placed. closed: it is back. stuck: see text. */
  readonly event: 'open' | 'evidence' | 'recovered' | 'closed' | 'stuck'
  /** Number of this fence of the node. */
  readonly seq: number
  readonly at: number
  readonly text: string
  readonly evidence: readonly string[]
  readonly victims: readonly { readonly name: string; readonly state: string; readonly target: string | null }[]
}

/** What was told of a node last. */
export type Told = { readonly seq: number; readonly state: FenceJournal['state']; readonly stuck: string }

/** What a journal that was just written is news of, if any: its state first, then a reason for being stuck that is new. */
export function noticeEvent(told: Told | undefined, journal: FenceJournal): FenceNotice['event'] | undefined {
  const isNews = told?.seq !== journal.seq || told.state !== journal.state
  // Of a fence that an earlier primary began, the first thing to tell may be that it is stuck.
  if (isNews && (told !== undefined || journal.stuck === '')) return journal.state
  return journal.stuck !== '' && journal.stuck !== told?.stuck ? 'stuck' : undefined
}

const TEXTS: Readonly<Record<Exclude<FenceNotice['event'], 'stuck'>, string>> = {
  open: 'is being fenced: it vanished without a word',
  evidence: 'is proven unable to run or write its VMs; they are being recovered',
  recovered: 'was fenced and its VMs were recovered',
  closed: 'is back in the cluster',
}

/** The notice of an event. */
export function fenceNotice(
  cluster: string,
  node: NodeName,
  event: FenceNotice['event'],
  journal: FenceJournal,
  at: number,
): FenceNotice {
  const what = event === 'stuck' ? `cannot be fenced further: ${journal.stuck}` : TEXTS[event]
  const ordered =
    event === 'open' && journal.orderedBy !== '' ? `is being fenced: ordered by ${journal.orderedBy}` : what
  return {
    cluster,
    node,
    event,
    seq: journal.seq,
    at,
    text: `Node ${node} ${ordered}.`,
    evidence: [...new Set(journal.evidence.map(({ kind }) => kind))],
    victims: journal.victims.map(({ name, state, target }) => ({ name, state, target })),
  }
}
