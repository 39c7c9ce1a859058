/**
 * The guard against a store that lost acknowledged writes: a run record that went backwards would let two nodes believe
 * that they may run a VM. This node remembers the highest run.seq it wrote or saw of every VM, on its own disk and
 * published for the others, and refuses anything lower. Entries outlive their VM, because seq never repeats.
 */
import { VmUuid } from '../../model/ids.ts'
import type { NodeFiles } from '../../ports/files.ts'
import type { Log } from '../../ports/log.ts'
import type { FaultBoard } from '../faults.ts'
import { judgeSeq, mergeSeqs } from './seqs.ts'

/** The table of highest run sequences of this node. */
export type SeqKeeper = {
  /** Judges a seq read or about to be written; a higher one is remembered. @returns false when a higher one was seen before */
  check(uuid: VmUuid, seq: number): boolean
  /** Reads what earlier daemons kept. Nothing may be checked before. */
  load(): Promise<void>
  /** Takes over what this node published once, in case its disk lost it. */
  adopt(published: Readonly<Record<string, number>>): void
  /** Changes at every news; to know whether a publication is due. */
  readonly revision: number
  /** The table as it is published. */
  snapshot(): Record<string, number>
  /** Resolves when everything remembered so far is on disk, or could not be written. */
  flushed(): Promise<void>
}

type SeqKeeperOptions = { readonly files: NodeFiles; readonly faults: FaultBoard; readonly log: Log }

/** Creates the guard; call `load` before use. */
export function createSeqKeeper({ files, faults, log }: SeqKeeperOptions): SeqKeeper {
  let seqs = new Map<VmUuid, number>()
  let revision = 0
  let writtenRevision = 0
  let writing: Promise<void> | undefined

  const write = async (): Promise<void> => {
    // One write at a time; what changes meanwhile goes into the next.
    while (writtenRevision !== revision) {
      const current = revision
      try {
        await files.writeSeqs(new Map(seqs))
        faults.clear('SEQS_NOT_KEPT')
      } catch (error) {
        log.error({ error }, 'the highest run sequences could not be written to disk')
        faults.set('SEQS_NOT_KEPT', 'error', 'The state directory of this node cannot be written; look at its disk.')
        return
      }
      writtenRevision = current
    }
  }
  const flush = (): Promise<void> => {
    writing ??= write().finally(() => {
      writing = undefined
    })
    return writing
  }
  const remember = (uuid: VmUuid, seq: number): void => {
    seqs.set(uuid, seq)
    revision += 1
    void flush()
  }
  return {
    check(uuid, seq) {
      const verdict = judgeSeq(seqs.get(uuid), seq)
      if (verdict === 'news') remember(uuid, seq)
      return verdict !== 'rollback'
    },
    async load() {
      seqs = mergeSeqs(seqs, await files.readSeqs())
      revision += 1
      writtenRevision = revision
    },
    adopt(published) {
      const known = new Map(Object.entries(published).map(([uuid, seq]) => [VmUuid.parse(uuid), seq]))
      const merged = mergeSeqs(seqs, known)
      if ([...merged].every(([uuid, seq]) => seqs.get(uuid) === seq)) return
      seqs = merged
      revision += 1
      void flush()
    },
    get revision() {
      return revision
    },
    snapshot: () => Object.fromEntries(seqs),
    flushed: async () => {
      if (writtenRevision !== revision) await flush()
    },
  }
}
