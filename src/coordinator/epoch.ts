/** Taking the lease and raising the epoch (protocol P1). */
import { errorChain, hasCode, PvcError } from '../model/errors.ts'
import { type BootId, NodeName } from '../model/ids.ts'
import type { Log } from '../ports/log.ts'
import type { StoreSession } from '../ports/store.ts'
import { tree } from '../schema/tree.ts'

/** The lease stands and the epoch is raised; nothing has been begun. */
export type Taken = { readonly epoch: number }

/** Tries for one journal: only its node creates it and only primaries write it. */
const MAX_TOUCHES = 3

/** Creates the lease and raises the epoch, below parents that every registered node has made sure of. @returns undefined when another coordinator was quicker */
export async function takeLease(session: StoreSession, node: NodeName, bootId: BootId): Promise<Taken | undefined> {
  const { lease, epoch: key } = tree.primary
  const before = await session.get(key)
  const epoch = (before?.value.epoch ?? 0) + 1
  try {
    await session.create(lease, { node, bootId, epoch }, 'ephemeral')
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_EXISTS')) return undefined
    throw error
  }
  // Only the holder of the lease raises the epoch. If it moved since it was read, somebody reigned in between.
  try {
    if (before === undefined) await session.create(key, { epoch })
    else await session.set(key, { epoch }, before.version)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_VERSION', 'PVC_STORE_EXISTS')) throw error
    await session.remove(lease.path)
    return undefined
  }
  return { epoch }
}

/**
 * Writes the epoch into every fence journal, so that no write of an earlier primary is applied any more (I4).
 * @returns the nodes whose journal cannot be read: nobody can change it either, so it does not keep the others waiting
 * @throws PvcError of the store, or PVC_STORE_VERSION when a newer epoch stands in a journal
 */
export async function touchJournals(session: StoreSession, epoch: number, log: Log): Promise<readonly NodeName[]> {
  const names = (await session.children(tree.nodes.path)) ?? []
  const unreadable: NodeName[] = []
  await Promise.all(
    names.map(async (name) => {
      const node = NodeName.parse(name)
      try {
        await touchJournal(session, node, epoch)
      } catch (error) {
        if (!hasCode(error, 'PVC_STORE_CORRUPT')) throw error
        log.error({ node, error: errorChain(error) }, 'a fence journal cannot be read')
        unreadable.push(node)
      }
    }),
  )
  return unreadable.sort()
}

async function touchJournal(session: StoreSession, node: NodeName, epoch: number): Promise<void> {
  const key = tree.node(node).fence
  for (let attempt = 1; ; attempt += 1) {
    const journal = await session.get(key)
    // Its node is just registering: it creates it closed.
    if (journal === undefined) return
    if (journal.value.epoch > epoch)
      throw new PvcError(
        'PVC_STORE_VERSION',
        `the fence journal of ${node} has epoch ${journal.value.epoch}, this is ${epoch}`,
      )
    try {
      await session.set(key, { ...journal.value, epoch }, journal.version)
      return
    } catch (error) {
      if (!hasCode(error, 'PVC_STORE_VERSION') || attempt >= MAX_TOUCHES) throw error
    }
  }
}
