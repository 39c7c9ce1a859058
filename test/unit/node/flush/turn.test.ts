import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { FakeEnsemble, type FakeStore } from '../../../../src/adapters/fake/store.ts'
import { NodeName } from '../../../../src/model/ids.ts'
import { dropTurn, observeTurn, takeTurn } from '../../../../src/node/flush/turn.ts'
import type { StoreSession } from '../../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../../src/schema/tree.ts'

const [hv1, hv2, long] = ['hv1', 'hv2', 'hv1-0000000001'].map((name) => NodeName.parse(name)) as [
  NodeName,
  NodeName,
  NodeName,
]

let ensemble: FakeEnsemble
let store1: FakeStore
let session1: StoreSession
let session2: StoreSession

const sessionOf = (store: FakeStore) => store.connected(1000)
const queue = async () => (await session2.children(tree.flushTurns.path)) ?? []

beforeEach(async () => {
  ensemble = new FakeEnsemble({ clock: new ManualClock() })
  store1 = ensemble.connect()
  session1 = await sessionOf(store1)
  session2 = await sessionOf(ensemble.connect())
  await session1.ensure(TREE_DIRS)
})

describe('the turn', () => {
  it('is of the first who asked; the others wait for that one', async () => {
    expect(await observeTurn(session1, hv1)).toEqual({ is: 'none' })
    await takeTurn(session1, hv1)
    await takeTurn(session2, hv2)
    expect(await observeTurn(session1, hv1)).toEqual({ is: 'ours' })
    expect(await observeTurn(session2, hv2)).toEqual({ is: 'waiting', behind: 'hv1' })
    await dropTurn(session1, hv1)
    expect(await observeTurn(session1, hv1)).toEqual({ is: 'none' })
    expect(await observeTurn(session2, hv2)).toEqual({ is: 'ours' })
  })

  it('goes with the session of its holder', async () => {
    await takeTurn(session1, hv1)
    await takeTurn(session2, hv2)
    ensemble.expire(store1)
    expect(await observeTurn(session2, hv2)).toEqual({ is: 'ours' })
  })

  it('of a daemon that is gone is given up by the next one, which then waits like the others', async () => {
    await takeTurn(session1, hv1)
    await takeTurn(session2, hv2)
    const next = await sessionOf(ensemble.connect())
    expect(await observeTurn(next, hv1)).toEqual({ is: 'none' })
    expect(await queue()).toHaveLength(1)
    await takeTurn(next, hv1)
    expect(await observeTurn(next, hv1)).toEqual({ is: 'waiting', behind: 'hv2' })
  })

  it('is taken once, also when the answer to the first try was lost', async () => {
    await takeTurn(session1, hv1)
    await takeTurn(session1, hv1)
    expect(await observeTurn(session1, hv1)).toEqual({ is: 'ours' })
    expect(await queue()).toHaveLength(1)
  })

  it('is not confused by names of nodes', async () => {
    await takeTurn(session1, long)
    await takeTurn(session2, hv1)
    expect(await observeTurn(session1, long)).toEqual({ is: 'ours' })
    expect(await observeTurn(session2, hv1)).toEqual({ is: 'waiting', behind: long })
  })
})
