/** A fake ensemble with an index on one client, and another client that writes. */
import { ManualClock, settle } from '../../../src/adapters/fake/clock.ts'
import { FakeEnsemble, type FakeStore } from '../../../src/adapters/fake/store.ts'
import type { PvcError } from '../../../src/model/errors.ts'
import type { VmUuid } from '../../../src/model/ids.ts'
import type { StoreSession } from '../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../src/schema/tree.ts'
import { createIndex, type Index } from '../../../src/view/index.ts'
import {
  clusterCollection,
  nodesCollection,
  storageCollections,
  vmsCollection,
} from '../../../src/view/tree-collections.ts'
import { silentLog, status, tombstone } from './documents.ts'

export type IndexWorld = {
  readonly clock: ManualClock
  readonly ensemble: FakeEnsemble
  /** The client of the index. */
  readonly store: FakeStore
  /** A session of another client. */
  readonly writer: StoreSession
  /** What the index has reported. */
  readonly problems: PvcError[]
  start(): Index
  /** Creates a VM: its tombstone and its status. */
  define(n: number): Promise<void>
}

/** UUID of the test's VM number `n`. */
export function vm(n: number): VmUuid {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}` as VmUuid
}

/** An empty tree, and nothing started. */
export async function openIndexWorld(): Promise<IndexWorld> {
  const clock = new ManualClock()
  const ensemble = new FakeEnsemble({ clock })
  const store = ensemble.connect()
  const writer = await ensemble.connect().connected(0)
  await writer.ensure(TREE_DIRS)
  const problems: PvcError[] = []
  return {
    clock,
    ensemble,
    store,
    writer,
    problems,
    start: () =>
      createIndex({
        store,
        clock,
        log: silentLog,
        collections: [
          clusterCollection(),
          vmsCollection(),
          nodesCollection(['status', 'alive']),
          ...storageCollections(),
        ],
        onProblem: (problem) => problems.push(problem),
      }),
    async define(n) {
      await writer.create(tree.vm(vm(n)).spec, tombstone(vm(n), 0))
      await writer.create(tree.vm(vm(n)).status, status(0))
    },
  }
}

/** The same with one VM, and an index that has read it. */
export async function openRunningIndex(): Promise<IndexWorld & { readonly index: Index }> {
  const world = await openIndexWorld()
  await world.define(1)
  const index = world.start()
  await settle()
  return { ...world, index }
}
