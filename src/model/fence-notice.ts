/** What a hook is told, and when. Pure. */
import type { FenceJournal } from './fence.ts'
import type { NodeName } from './ids.ts'

/** What the journal of a node tells. */
type JournalEvent = FenceJournal['state'] | 'stuck'

/** A step of a fence, as a hook gets it (JSON). Times are milliseconds since 1970, for display. */
export type FenceNotice = {
  readonly cluster: string
  readonly node: string
  /** open: the fence begins. evidence: the node is proven off. recovered: its VMs are placed. closed: it is back. stuck, held (it may not be fenced): see text. */
  readonly event: JournalEvent | 'held'
  /** Number of this fence of the node; of a node that is held, of the one before. */
  readonly seq: number
  readonly at: number
  readonly text: string
  readonly evidence: readonly string[]
  readonly victims: readonly { readonly name: string; readonly state: string; readonly target: string | null }[]
}

/** What was told of a node last. */
export type Told = { readonly seq: number; readonly state: FenceJournal['state']; readonly stuck: string }

/** What a journal that was just written is news of, if any: its state first, then a reason for being stuck that is new. */
export function noticeEvent(told: Told | undefined, journal: FenceJournal): JournalEvent | undefined {
  const isNews = told?.seq !== journal.seq || told.state !== journal.state
  // Of a fence that an earlier primary began, the first thing to tell may be that it is stuck.
  if (isNews && (told !== undefined || journal.stuck === '')) return journal.state
  return journal.stuck !== '' && journal.stuck !== told?.stuck ? 'stuck' : undefined
}

const TEXTS: Readonly<Record<FenceJournal['state'], string>> = {
  open: 'is being fenced: it vanished without a word',
  evidence: 'is proven unable to run or write its VMs; they are being recovered',
  recovered: 'was fenced and its VMs were recovered',
  closed: 'is back in the cluster',
}

/** The notice of an event. */
export function fenceNotice(
  cluster: string,
  node: NodeName,
  event: JournalEvent,
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

/** The notice of a node that has vanished and may not be fenced; nothing of an earlier fence is told with it. */
export function heldNotice(
  cluster: string,
  node: NodeName,
  reason: string,
  { seq }: FenceJournal,
  at: number,
): FenceNotice {
  return { cluster, node, event: 'held', seq, at, text: reason, evidence: [], victims: [] }
}
