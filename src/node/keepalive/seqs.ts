import type { VmUuid } from '../../model/ids.ts'

/** How a run.seq stands to what is known: the same, higher than ever seen, or lower, which a healthy store never shows. */
export type SeqVerdict = 'known' | 'news' | 'rollback'

/** Compares the seq of a status document with the highest one this node wrote or saw for the VM. Pure. */
export function judgeSeq(known: number | undefined, seen: number): SeqVerdict {
  if (known === undefined || seen > known) return 'news'
  return seen === known ? 'known' : 'rollback'
}

/** The highest of both tables for each VM: what was kept on disk and what was published may each be behind the other. */
export function mergeSeqs(one: ReadonlyMap<VmUuid, number>, other: ReadonlyMap<VmUuid, number>): Map<VmUuid, number> {
  const merged = new Map(one)
  for (const [uuid, seq] of other) {
    if (judgeSeq(merged.get(uuid), seq) === 'news') merged.set(uuid, seq)
  }
  return merged
}
