/** What a coordinator reads before it decides: always over the lease's session, with watches, so that news trigger a look. */
import type { PrimaryStatus, PrimaryWanted } from '../model/coordinator.ts'
import { hasCode } from '../model/errors.ts'
import type { NodeName } from '../model/ids.ts'
import type { StoreSession } from '../ports/store.ts'
import type { Key } from '../schema/key.ts'
import { tree } from '../schema/tree.ts'
import type { Candidate } from './decide.ts'

export type SeenLease = { readonly node: NodeName; readonly owner: string; readonly version: number }

/** The documents of an election as they were at one look. */
export type SeenElection = {
  readonly lease: SeenLease | undefined
  readonly wanted: PrimaryWanted | undefined
  readonly status: PrimaryStatus | undefined
  /** The proof of life of this node stands, as this session sees it (protocol P2). */
  readonly isSelfAlive: boolean
  readonly others: readonly Candidate[]
}

/** Reads everything at once. @throws PvcError of the store; PVC_STORE_CORRUPT when the lease cannot be read */
export async function observeElection(
  session: StoreSession,
  self: NodeName,
  coordinators: readonly NodeName[],
): Promise<SeenElection> {
  const { primary } = tree
  // The lease before the status: a holder writes its last word before it removes the lease, so whoever sees no lease sees it.
  const [lease, wanted, status, alive, ...others] = await Promise.all([
    readWatched(session, primary.lease),
    readable(readWatched(session, primary.wanted)),
    readable(readWatched(session, primary.status)),
    session.readWatched(tree.node(self).alive.path),
    ...coordinators.filter((node) => node !== self).map((node) => observeCandidate(session, node)),
  ])
  return {
    lease: lease && { node: lease.value.node, owner: lease.ephemeralOwner, version: lease.version },
    wanted: wanted?.value,
    status: status?.value,
    isSelfAlive: alive !== undefined,
    others,
  }
}

async function observeCandidate(session: StoreSession, node: NodeName): Promise<Candidate> {
  const keys = tree.node(node)
  const [alive, status] = await Promise.all([
    session.readWatched(keys.alive.path),
    readable(readWatched(session, keys.status)),
  ])
  const isAble = alive !== undefined && status?.value.daemon === 'run' && status.value.certified
  return { node, isAble, isPrepared: status?.value.coordinator === 'takeover' }
}

async function readWatched<T>(session: StoreSession, key: Key<T>) {
  const node = await session.readWatched(key.path)
  return node && { ...node, value: key.codec.decode(node.text, key.path) }
}

/** A document of another release must not keep the cluster without a primary: it counts as absent. */
async function readable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (hasCode(error, 'PVC_STORE_CORRUPT')) return undefined
    throw error
  }
}
