import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { FakeFiles } from '../../../../src/adapters/fake/files.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakeEnsemble, type FakeStore } from '../../../../src/adapters/fake/store.ts'
import { CLOSED_JOURNAL } from '../../../../src/model/fence.ts'
import { LifeId, NodeName } from '../../../../src/model/ids.ts'
import { createFaultBoard } from '../../../../src/node/faults.ts'
import { Membership } from '../../../../src/node/membership/membership.ts'
import type { StoreSession } from '../../../../src/ports/store.ts'
import type { Key } from '../../../../src/schema/key.ts'
import { tree } from '../../../../src/schema/tree.ts'

const self = NodeName.parse('hv1')
const keys = tree.node(self)

let clock: ManualClock
let ensemble: FakeEnsemble
let files: FakeFiles
let operator: StoreSession
let uuids: number

/** One pvcnoded on the machine `files`. */
function daemon(machineId: string | undefined = 'machine-1', onFiles = files) {
  const store: FakeStore = ensemble.connect()
  const log = new FakeLog()
  const faults = createFaultBoard(clock)
  const membership = new Membership({
    registration: { self, mode: 'coordinator', clusterName: 'test', shutdownTimeoutMs: 180_000 },
    machineId,
    store,
    files: onFiles,
    clock,
    log,
    faults,
    newUuid: () => `life-${++uuids}`,
  })
  membership.start()
  return { store, membership, faults, log }
}

async function set<T>(key: Key<T>, value: T): Promise<void> {
  const found = await operator.get(key)
  await operator.set(key, value, found?.version ?? 0)
}

beforeEach(async () => {
  clock = new ManualClock()
  ensemble = new FakeEnsemble({ clock })
  files = new FakeFiles()
  uuids = 0
  operator = await ensemble.connect().connected(1000)
})

describe('registration', () => {
  it('creates everything of a first node, the journal closed, and certifies', async () => {
    const { membership } = daemon()
    await settle()
    expect(membership.certificate()?.life).toBe('life-1')
    expect((await operator.get(keys.fence))?.value).toEqual(CLOSED_JOURNAL)
    expect((await operator.get(keys.spec))?.value).toMatchObject({ name: 'hv1', mode: 'coordinator', wanted: 'ready' })
    expect((await operator.get(keys.alive))?.value).toEqual({ life: 'life-1', machineId: 'machine-1' })
    expect((await operator.get(tree.schema))?.value.version).toBe(1)
    expect((await operator.get(tree.cluster))?.value.name).toBe('test')
  })

  it('never changes an existing journal', async () => {
    const first = daemon()
    await settle()
    await first.store.close()
    await set(keys.fence, { ...CLOSED_JOURNAL, state: 'recovered', seq: 7 })
    const second = daemon()
    await settle()
    expect((await operator.get(keys.fence))?.value).toMatchObject({ state: 'recovered', seq: 7 })
    expect(second.membership.certificate()).toBeUndefined()
    expect(second.faults.list().map((fault) => fault.id)).toEqual(['NODE_NOT_CERTIFIED'])
  })

  it('writes nothing into a tree of another version', async () => {
    await operator.create(tree.schema, { version: 2 })
    const { membership, log } = daemon()
    await settle()
    expect(membership.state.value.kind).toBe('absent')
    expect(log.entries.some((entry) => JSON.stringify(entry.fields).includes('schema version 2'))).toBe(true)
    expect(await operator.children('/')).toEqual(['schema'])
  })

  it('writes nothing about itself into the tree of another cluster', async () => {
    daemon()
    await settle()
    const cluster = await operator.get(tree.cluster)
    if (cluster === undefined) throw new Error('no cluster')
    await operator.set(tree.cluster, { ...cluster.value, name: 'other' }, cluster.version)
    const { membership } = daemon('machine-2', new FakeFiles())
    await settle()
    expect(membership.state.value).toMatchObject({ kind: 'absent' })
    expect(JSON.stringify(membership.state.value)).toContain('belongs to cluster \\"other\\"')
  })
})

describe('sessions', () => {
  it('keeps the life over a daemon restart and replaces the alive left behind', async () => {
    const first = daemon()
    await settle()
    const before = await operator.get(keys.alive)
    ensemble.suspend(first.store) // kill -9: the old session lives on without its daemon
    const second = daemon()
    await settle()
    const after = await operator.get(keys.alive)
    expect(after?.value.life).toBe('life-1')
    expect(after?.ephemeralOwner).toBe(second.store.session.value?.id)
    expect(after?.ephemeralOwner).not.toBe(before?.ephemeralOwner)
    await clock.advance(10_000) // the old session expires: it must not take our alive with it
    expect((await operator.get(keys.alive))?.ephemeralOwner).toBe(second.store.session.value?.id)
    expect(second.membership.certificate()).toBeDefined()
  })

  it('leaves no moment in which a primary that looks at once misses the alive that is replaced', async () => {
    const first = daemon()
    await settle()
    ensemble.suspend(first.store)
    const seen: (string | undefined)[] = []
    const look = async () => {
      if ((await operator.readWatched(keys.alive.path)) !== undefined) return
      await operator.sync()
      seen.push((await operator.readWatched(keys.alive.path))?.text)
    }
    await look()
    const unsubscribe = operator.onChange((path) => void (path === keys.alive.path && look()))
    const second = daemon()
    await settle()
    unsubscribe()
    expect(second.membership.certificate()).toBeDefined()
    expect(seen).not.toContain(undefined)
  })

  it('begins a new life after a boot', async () => {
    const first = daemon()
    await settle()
    ensemble.suspend(first.store)
    files.reboot()
    const second = daemon()
    await settle()
    expect(second.membership.certificate()?.life).toBe('life-2')
    expect((await operator.get(keys.alive))?.value.life).toBe('life-2')
  })

  it('loses the certificate at once with its session and is certified anew in the next', async () => {
    const { membership, store } = daemon()
    await settle()
    const old = membership.certificate()
    const seen: (string | undefined)[] = []
    store.session.subscribe(() => seen.push(membership.certificate()?.session.id))
    ensemble.expire(store)
    expect(membership.certificate()).toBeUndefined()
    await settle()
    expect(seen).toEqual([undefined, undefined])
    expect(membership.certificate()?.life).toBe(old?.life)
    expect(membership.certificate()?.session).not.toBe(old?.session)
  })

  it('loses the certificate at once also while a look is under way', async () => {
    const { membership, store } = daemon()
    await settle()
    const session = store.session.value
    if (session === undefined) throw new Error('no session')
    session.readWatched = () => new Promise(() => undefined)
    await operator.remove(keys.alive.path)
    await settle()
    ensemble.expire(store)
    expect(membership.certificate()).toBeUndefined()
    expect(membership.presence()).toBeUndefined()
  })

  it('writes alive before it reads the journal', async () => {
    const { store } = daemon()
    await settle()
    const order: string[] = []
    const session = store.session.value
    if (session === undefined) throw new Error('no session')
    ensemble.expire(store)
    // The next session is spied on as soon as it exists.
    store.session.subscribe((next) => {
      if (next === undefined) return
      const { create, readWatched } = next
      next.create = (key, value, mode) => {
        order.push(`create ${key.path}`)
        return create.call(next, key, value, mode) as never
      }
      next.readWatched = (path) => {
        order.push(`read ${path}`)
        return readWatched.call(next, path)
      }
    })
    await settle()
    expect(order.indexOf(`create ${keys.alive.path}`)).toBeGreaterThanOrEqual(0)
    expect(order.indexOf(`read ${keys.fence.path}`)).toBeGreaterThan(order.indexOf(`create ${keys.alive.path}`))
  })

  it('keeps the certificate while the connection is interrupted within one session', async () => {
    const { membership, store } = daemon()
    await settle()
    const before = membership.certificate()
    ensemble.suspend(store)
    await clock.advance(1000)
    expect(membership.certificate()).toBe(before)
    ensemble.resume(store)
    await settle()
    expect(membership.certificate()?.session).toBe(before?.session)
  })

  it('puts alive back when somebody removed it', async () => {
    const { membership, store } = daemon()
    await settle()
    await operator.remove(keys.alive.path)
    await settle()
    expect((await operator.get(keys.alive))?.ephemeralOwner).toBe(store.session.value?.id)
    expect(membership.certificate()).toBeDefined()
  })

  it('waits for another machine of the same name and joins when that has gone', async () => {
    const first = daemon()
    await settle()
    const second = daemon('machine-2', new FakeFiles())
    await settle()
    expect(second.membership.state.value).toMatchObject({ kind: 'absent' })
    expect(second.membership.presence()).toBeUndefined()
    expect(first.membership.certificate()).toBeDefined()
    await first.membership.stop()
    await first.store.close()
    await settle()
    expect(second.membership.certificate()).toBeDefined()
  })
})

describe('journal', () => {
  it('is watched: opened it ends the certificate, closed it gives it back', async () => {
    const { membership, faults } = daemon()
    await settle()
    await set(keys.fence, { ...CLOSED_JOURNAL, state: 'open', life: LifeId.parse('life-1'), epoch: 3 })
    await settle()
    expect(membership.certificate()).toBeUndefined()
    expect(membership.presence()).toBeDefined()
    expect(faults.list()).toHaveLength(1)
    await set(keys.fence, { ...CLOSED_JOURNAL, epoch: 3 })
    await settle()
    expect(membership.certificate()).toBeDefined()
    expect(faults.list()).toHaveLength(0)
  })

  it('never certifies a life that it lists as dead', async () => {
    const { membership } = daemon()
    await settle()
    await set(keys.fence, { ...CLOSED_JOURNAL, deadLives: [LifeId.parse('life-1')] })
    await settle()
    expect(membership.certificate()).toBeUndefined()
  })
})
