import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { FakeEnsemble, type FakeStore } from '../../../src/adapters/fake/store.ts'
import type { Cluster } from '../../../src/model/cluster.ts'
import { PvcError } from '../../../src/model/errors.ts'
import { initialiseCluster } from '../../../src/operations/cluster.ts'
import type { OperationsDeps } from '../../../src/operations/deps.ts'
import { editDocument } from '../../../src/operations/edit.ts'
import type { StoreSession, Versioned } from '../../../src/ports/store.ts'
import { tree } from '../../../src/schema/tree.ts'

let store: FakeStore
let session: StoreSession
/** What the index shows; it lags behind until the test moves it. */
let shown: Versioned<Cluster> | undefined
let see: (isSeen: boolean) => void
let deps: OperationsDeps

beforeEach(async () => {
  const clock = new ManualClock()
  store = new FakeEnsemble({ clock }).connect()
  session = await store.connected(1000)
  await initialiseCluster(session, { name: 'pvc1', shutdownTimeoutMs: 1000 })
  shown = await session.get(tree.cluster)
  const seen = new Promise<boolean>((resolve) => {
    see = resolve
  })
  const index = {
    isUsable: true,
    get: () => shown,
    children: () => [],
    reached: () => seen,
    onChange: () => () => undefined,
  }
  deps = { store, clock, log: new FakeLog(), index: { ...index, removed: () => seen } } as unknown as OperationsDeps
})

const rename = (name: string) => (cluster: Cluster) => ({ ...cluster, name, generation: cluster.generation + 1 })
const stored = async () => (await session.get(tree.cluster))?.value

/** Another daemon changes the document; the index does not know yet. */
async function changeBehind(name: string): Promise<void> {
  const present = await session.get(tree.cluster)
  if (present === undefined) throw new Error('no cluster')
  await session.set(tree.cluster, rename(name)(present.value), present.version)
}

describe('editDocument', () => {
  it('changes the newest document although the index lags', async () => {
    await changeBehind('other')
    const edit = editDocument(deps, tree.cluster, 'The cluster', rename('mine'))
    see(true)
    expect(await edit).toMatchObject({ name: 'mine', generation: 3 })
    expect(await stored()).toMatchObject({ name: 'mine', generation: 3 })
  })

  it('does not refuse because of what only the index says', async () => {
    await changeBehind('other')
    const edit = editDocument(deps, tree.cluster, 'The cluster', (cluster) => {
      if (cluster.name === 'pvc1') throw new PvcError('PVC_STATE_REFUSED', 'not this one')
      return rename('mine')(cluster)
    })
    see(true)
    expect(await edit).toMatchObject({ name: 'mine' })
  })

  it('refuses what the store itself says', async () => {
    const edit = editDocument(deps, tree.cluster, 'The cluster', () => {
      throw new PvcError('PVC_STATE_REFUSED', 'never')
    })
    await expect(edit).rejects.toMatchObject({ code: 'PVC_STATE_REFUSED' })
  })

  it('throws a bug at once', async () => {
    let looks = 0
    const edit = editDocument(deps, tree.cluster, 'The cluster', () => {
      looks += 1
      throw new TypeError('a bug')
    })
    await expect(edit).rejects.toThrow('a bug')
    expect(looks).toBe(1)
  })

  it('answers only when the index shows the change', async () => {
    let isDone = false
    const edit = editDocument(deps, tree.cluster, 'The cluster', rename('mine')).then(() => {
      isDone = true
    })
    await settle()
    expect(await stored()).toMatchObject({ name: 'mine' })
    expect(isDone).toBe(false)
    see(true)
    await edit
  })

  it('writes nothing when nothing changes', async () => {
    expect(await editDocument(deps, tree.cluster, 'The cluster', (cluster) => cluster)).toMatchObject({ name: 'pvc1' })
    expect((await session.get(tree.cluster))?.version).toBe(0)
  })

  it('gives up after five lost races', async () => {
    let attempts = 0
    const set = session.set.bind(session)
    session.set = async (key, value, version) => {
      if (key.path === tree.cluster.path) {
        attempts += 1
        throw new PvcError('PVC_STORE_VERSION', 'another version')
      }
      return set(key, value, version)
    }
    const edit = editDocument(deps, tree.cluster, 'The cluster', rename('mine'))
    await expect(edit).rejects.toMatchObject({ code: 'PVC_OBJECT_CONFLICT' })
    expect(attempts).toBe(5)
  })

  it('says that the document is gone', async () => {
    await session.remove(tree.cluster.path)
    const edit = editDocument(deps, tree.cluster, 'The cluster', rename('mine'))
    await expect(edit).rejects.toMatchObject({ code: 'PVC_OBJECT_NOT_FOUND' })
  })

  it('does not hide that the outcome is unknown', async () => {
    session.set = () => Promise.reject(new PvcError('PVC_STORE_TIMEOUT', 'no answer'))
    const edit = editDocument(deps, tree.cluster, 'The cluster', rename('mine'))
    await expect(edit).rejects.toMatchObject({ code: 'PVC_STORE_TIMEOUT' })
  })
})
