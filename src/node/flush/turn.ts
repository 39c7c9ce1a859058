/**
 * Whose turn it is: nodes that are emptied or filled queue up in ZooKeeper, so that two of them do not send their VMs to
 * each other. A place in the queue is ephemeral: it goes with the session of its holder, so nobody waits for the dead.
 */
import { hasCode } from '../../model/errors.ts'
import { NodeName } from '../../model/ids.ts'
import type { StoreSession } from '../../ports/store.ts'
import { tree } from '../../schema/tree.ts'
import type { Turn } from './snapshot.ts'

type Entry = { readonly name: string; readonly node: NodeName; readonly number: number }

/** `hv1-0000000007`: the node, and the number ZooKeeper gave. */
function parseEntry(name: string): Entry | undefined {
  const match = /^(.+)-(\d{10,})$/.exec(name)
  const node = NodeName.safeParse(match?.[1])
  return node.success ? { name, node: node.data, number: Number(match?.[2]) } : undefined
}

/** The queue as it is now, first come first. */
async function readQueue(session: StoreSession): Promise<readonly Entry[]> {
  const names = (await session.children(tree.flushTurns.path)) ?? []
  return names.flatMap((name) => parseEntry(name) ?? []).sort((a, b) => a.number - b.number)
}

async function removeEntry(session: StoreSession, { name }: Entry): Promise<void> {
  try {
    await session.remove(tree.flushTurns.child(name).path)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_MISSING')) throw error
  }
}

/**
 * Where `self` stands. A place that an earlier session of this node left is given up: its daemon is gone, or this one
 * would not be certified.
 */
export async function observeTurn(session: StoreSession, self: NodeName): Promise<Turn> {
  const queue = await readQueue(session)
  const own: Entry[] = []
  const left: Entry[] = []
  for (const entry of queue.filter(({ node }) => node === self)) {
    const owner = (await session.get(tree.flushTurns.child(entry.name)))?.ephemeralOwner
    // A second one of ours is the fruit of a reply that was lost.
    if (owner === session.id && own.length === 0) own.push(entry)
    else left.push(entry)
  }
  for (const entry of left) await removeEntry(session, entry)
  const mine = own[0]
  if (mine === undefined) return { is: 'none' }
  const before = queue.find((entry) => entry.node !== self && entry.number < mine.number)
  return before === undefined ? { is: 'ours' } : { is: 'waiting', behind: before.node }
}

/** Takes a place at the end of the queue. */
export async function takeTurn(session: StoreSession, self: NodeName): Promise<void> {
  await session.create(tree.flushTurns.child(`${self}-`), { node: self }, 'ephemeral-sequential')
}

/** Gives up the place in the queue. */
export async function dropTurn(session: StoreSession, self: NodeName): Promise<void> {
  const queue = await readQueue(session)
  for (const entry of queue.filter(({ node }) => node === self)) await removeEntry(session, entry)
}
