/**
 * What other nodes published about run sequences (nodes/N/seqs). A store that lost acknowledged writes may show a record
 * that is older than what another node has written or seen: then nobody may start the VM.
 */
import type { Clock } from '../../base/clock.ts'
import { shareNext } from '../../base/share-next.ts'
import { errorChain, hasCode } from '../../model/errors.ts'
import { type NodeName, NodeName as NodeNameSchema, type VmUuid } from '../../model/ids.ts'
import type { Log } from '../../ports/log.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { HigherSeq } from '../domain/observation.ts'

/** Asks what other nodes published. */
export type ForeignSeqs = {
  /** Who reports a higher sequence of the VM than `seq`; undefined: nobody. What was read within the last second counts. */
  higher(session: StoreSession, uuid: VmUuid, seq: number): Promise<HigherSeq | undefined>
}

type Tables = ReadonlyMap<NodeName, Readonly<Record<string, number>>>

/** Starts of many VMs at once share one reading of all nodes. */
const FRESH_MS = 1000

export function createForeignSeqs(self: NodeName, clock: Clock, log: Log): ForeignSeqs {
  let read: { readonly session: StoreSession; readonly atMs: number; readonly tables: Tables } | undefined
  let wanted: StoreSession | undefined
  const readAll = shareNext(async () => {
    const session = wanted
    if (session === undefined) return
    const atMs = clock.nowMs()
    const names = ((await session.children(tree.nodes.path)) ?? []).map((name) => NodeNameSchema.parse(name))
    const others = names.filter((name) => name !== self)
    const tables = await Promise.all(others.map(async (name) => [name, await readTable(session, name)] as const))
    read = { session, atMs, tables: new Map(tables) }
  })

  async function readTable(session: StoreSession, name: NodeName): Promise<Readonly<Record<string, number>>> {
    try {
      return (await session.get(tree.node(name).seqs))?.value.seqs ?? {}
    } catch (error) {
      if (!hasCode(error, 'PVC_STORE_CORRUPT')) throw error
      log.warn({ node: name, error: errorChain(error) }, 'the run sequences of another node are unreadable')
      return {}
    }
  }

  return {
    async higher(session, uuid, seq) {
      wanted = session
      if (read?.session !== session || clock.nowMs() - read.atMs > FRESH_MS) await readAll()
      const reports = [...(read?.tables ?? [])].map(([node, seqs]) => ({ node, seq: seqs[uuid] ?? 0 }))
      return reports.sort((a, b) => b.seq - a.seq).find((report) => report.seq > seq)
    },
  }
}
