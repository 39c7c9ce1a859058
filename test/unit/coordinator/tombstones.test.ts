/** What is left of deleted VMs is cleared away, and nothing else. */
import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { FakeEnsemble } from '../../../src/adapters/fake/store.ts'
import { createTombstoneJob } from '../../../src/coordinator/tombstones.ts'
import { emptyVmStatus, type VmStatus } from '../../../src/model/domain.ts'
import { LifeId, NodeName, VmUuid } from '../../../src/model/ids.ts'
import { createFaultBoard } from '../../../src/node/faults.ts'
import type { Reign } from '../../../src/ports/primary.ts'
import type { StoreSession } from '../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../src/schema/tree.ts'
import { vmOn } from './network/network-world.ts'

const DAY_MS = 24 * 3_600_000
const NOW_MS = 1_800_000_000_000
const uuidOf = (number: number) => VmUuid.parse(`00000000-0000-4000-8000-${String(number).padStart(12, '0')}`)
const [OLD, YOUNG, LIVING, HELD] = [uuidOf(1), uuidOf(2), uuidOf(3), uuidOf(4)]
const run: VmStatus['run'] = { node: NodeName.parse('a'), life: LifeId.parse('life-1'), holder: null }

let clock: ManualClock
let log: FakeLog
let session: StoreSession
let ending: AbortController

beforeEach(async () => {
  clock = new ManualClock(undefined, NOW_MS)
  log = new FakeLog()
  ending = new AbortController()
  session = await new FakeEnsemble({ clock }).connect().connected(1000)
  await session.ensure(TREE_DIRS)
})

async function bury(uuid: VmUuid, ageDays: number, status?: VmStatus): Promise<void> {
  const keys = tree.vm(uuid)
  const deleted = { at: NOW_MS - ageDays * DAY_MS, lastSeq: 7, generation: 3 }
  await session.create(keys.spec, { uuid, deleted })
  await session.ensure([keys.console.head.path, `${keys.console.segments.path}/0000000001`])
  if (status !== undefined) await session.create(keys.status, status)
}

async function clear(over: Partial<StoreSession> = {}): Promise<readonly string[]> {
  const watched = new Proxy(session, { get: (target, name) => Reflect.get({ ...over }, name) ?? bound(target, name) })
  const reign: Reign = {
    node: NodeName.parse('a'),
    epoch: 1,
    session: watched,
    ended: ending.signal,
    validForMs: () => 1000,
    maintenance: { isOn: false, run: async (_, work) => ({ kind: 'done', value: await work() }) },
    faults: createFaultBoard(clock),
    resign: () => undefined,
  }
  await createTombstoneJob({ clock, log }).run(reign)
  return [...((await session.children(tree.vms.path)) ?? [])].sort()
}

function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name)
  return typeof value === 'function' ? value.bind(target) : value
}

describe('what is left of a deleted VM', () => {
  it('goes with all below it after 30 days; what is younger, lives or is held stays', async () => {
    await bury(OLD, 31)
    await bury(uuidOf(5), 31, emptyVmStatus(7, 0))
    await bury(YOUNG, 29)
    await bury(HELD, 400, { ...emptyVmStatus(9, 0), run })
    await vmOn({ session, clock } as never, LIVING, 'web', 100, '52:54:00:00:00:01')
    expect(await clear()).toEqual([YOUNG, LIVING, HELD])
    expect((await session.get(tree.vm(HELD).status))?.value.run).toEqual(run)
    expect(log.entries).toMatchObject([{ fields: { cleared: 2 } }])
    log.entries.length = 0
    expect(await clear()).toEqual([YOUNG, LIVING, HELD])
    expect(log.entries).toEqual([])
  })

  it('stays when a define takes it up at this moment', async () => {
    const keys = tree.vm(OLD)
    await bury(OLD, 31)
    const define: StoreSession['remove'] = async (path, version) => {
      if (path === keys.spec.path) await session.create(keys.status, emptyVmStatus(7, 0))
      return session.remove(path, version)
    }
    expect(await clear({ remove: define })).toEqual([OLD])
    expect(await session.get(keys.status)).toBeDefined()
  })

  it('takes no status of a define that finishes at this moment', async () => {
    const keys = tree.vm(OLD)
    await bury(OLD, 31, emptyVmStatus(7, 0))
    const before = await session.get(keys.spec)
    await clear({
      remove: async (path) => {
        if (path !== keys.status.path) return session.remove(path)
        // The define read the tombstone before: its compare-and-set comes too late.
        await expect(session.set(keys.spec, before?.value as never, before?.version ?? 0)).rejects.toMatchObject({
          code: 'PVC_STORE_VERSION',
        })
        return session.remove(path)
      },
    })
    expect(await session.get(keys.spec)).toBeUndefined()
  })

  it('waits for another run when there is very much of it, and ends with the reign', async () => {
    for (let number = 1; number <= 1100; number += 1) {
      const uuid = uuidOf(number)
      await session.create(tree.vm(uuid).spec, { uuid, deleted: { at: 0, lastSeq: 1, generation: 1 } })
    }
    const left = await clear()
    expect(left.length).toBeGreaterThan(50)
    expect(left.length).toBeLessThanOrEqual(100)
    ending.abort()
    expect(await clear()).toEqual(left)
  })
})
