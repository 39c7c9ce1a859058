import { describe, expect, it } from 'vitest'
import { ClusterKey } from '../../../../src/adapters/crypto/cluster-key.ts'
import { createPowerVault } from '../../../../src/adapters/crypto/power-vault.ts'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakeEnsemble } from '../../../../src/adapters/fake/store.ts'
import { PvcError } from '../../../../src/model/errors.ts'
import { NodeName } from '../../../../src/model/ids.ts'
import type { PowerAccess } from '../../../../src/model/power.ts'
import { createFaultBoard } from '../../../../src/node/faults.ts'
import { createPowerPublisher } from '../../../../src/node/power/publish.ts'
import { tree } from '../../../../src/schema/tree.ts'

const hv1 = NodeName.parse('hv1')
const key = tree.node(hv1).power
const login: PowerAccess = {
  method: 'ipmi',
  host: 'bmc1',
  user: 'admin',
  password: 'hidden-word',
  interface: 'lanplus',
  cipherSuite: 3,
}

async function setUp() {
  const clock = new ManualClock()
  const store = new FakeEnsemble({ clock }).connect()
  await clock.advance(10)
  const session = await store.connected(1000)
  await session.ensure(['/nodes', '/nodes/hv1'])
  const vault = createPowerVault(new ClusterKey(Buffer.alloc(32, 1)), hv1)
  const log = new FakeLog()
  const faults = createFaultBoard(clock)
  const world = { access: login as PowerAccess | PvcError }
  const publisher = createPowerPublisher({
    self: hv1,
    vault,
    readAccess: async () => {
      if (world.access instanceof PvcError) throw world.access
      return world.access
    },
    session: () => store.session.value,
    clock,
    log,
    faults,
  })
  publisher.start()
  await clock.advance(100)
  return { clock, session, vault, log, faults, world, publisher }
}

describe('the power access of a node', () => {
  it('is published sealed, and not written again while it is the same', async () => {
    const { clock, session, vault, log } = await setUp()
    const first = await session.get(key)
    expect(first && vault.open(hv1, first.value)).toEqual(login)
    await clock.advance(300_000)
    expect((await session.get(key))?.version).toBe(first?.version)
    expect(JSON.stringify([first?.value, log.entries])).not.toContain('hidden-word')
  })

  it('is published again when the file has changed', async () => {
    const { clock, session, vault, world } = await setUp()
    world.access = { ...login, password: 'new-word' }
    await clock.advance(60_000)
    const now = await session.get(key)
    expect(now && vault.open(hv1, now.value)).toMatchObject({ password: 'new-word' })
  })

  it('stays as it was, with a fault, while the file cannot be read', async () => {
    const { clock, session, faults, world } = await setUp()
    const before = await session.get(key)
    world.access = new PvcError('PVC_CONFIG_INVALID', 'The BMC password /x is missing.')
    await clock.advance(60_000)
    expect(faults.list().map(({ id }) => id)).toEqual(['POWER_ACCESS'])
    expect((await session.get(key))?.version).toBe(before?.version)
    world.access = login
    await clock.advance(5000)
    expect(faults.list()).toEqual([])
  })

  it('replaces what cannot be read', async () => {
    const { clock, session, vault } = await setUp()
    const version = (await session.get(key))?.version ?? 0
    await session.set({ path: key.path, codec: tree.node(hv1).seqs.codec }, { seqs: {} }, version)
    await clock.advance(130_000)
    const now = await session.get(key)
    expect(now && vault.open(hv1, now.value)).toEqual(login)
  })
})
