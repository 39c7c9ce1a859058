/** The cards of a node: made ready, set up as wanted, and told of. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ManualClock, settle } from '../../../../src/adapters/fake/clock.ts'
import { FakeLinks } from '../../../../src/adapters/fake/links.ts'
import { FakeLog } from '../../../../src/adapters/fake/log.ts'
import { FakeSriovCards } from '../../../../src/adapters/fake/sriov.ts'
import { FakeEnsemble } from '../../../../src/adapters/fake/store.ts'
import { parseLinks } from '../../../../src/adapters/links/parse.ts'
import { NodeName } from '../../../../src/model/ids.ts'
import { VF_DEFAULTS } from '../../../../src/model/sriov.ts'
import { createFaultBoard } from '../../../../src/node/faults.ts'
import { createSriovKeeper } from '../../../../src/node/sriov/reconcile.ts'
import { TREE_DIRS, tree } from '../../../../src/schema/tree.ts'
import { createIndex } from '../../../../src/view/index.ts'
import { sriovWishOf } from '../../../../src/view/tree-collections.ts'

it('cards get their functions, these are set up as somebody wants, and what is so is told', async () => {
  const self = NodeName.parse('hv1')
  const keys = tree.node(self)
  const clock = new ManualClock()
  const log = new FakeLog()
  const ensemble = new FakeEnsemble({ clock })
  const session = await ensemble.connect().connected(0)
  await session.ensure([...TREE_DIRS, keys.spec.path])
  const index = createIndex({ store: ensemble.connect(), clock, log, collections: [sriovWishOf(self)] })
  const links = new FakeLinks(['lo'])
  for (const { name, ...facts } of parseLinks(readFileSync('test/data/links/ip-link-sriov.json', 'utf8')))
    links.plant(name, facts)
  const cards = new FakeSriovCards()
  cards.cards.set('ens1f1', { possible: 64, slots: [] })
  const faults = createFaultBoard(clock)
  const wanted = [
    { device: 'ens1f1', vfs: 4 },
    { device: 'gone0', vfs: 1 },
  ]
  const keeper = createSriovKeeper({ self, wanted, index, links, cards, session: () => session, faults, clock, log })
  keeper.start()
  await settle()
  await clock.advance(3000)
  expect((await session.get(keys.sriov))?.value.pfs).toMatchObject([{ name: 'ens1f1', vfs: { length: 4 } }])
  expect(faults.list().map(({ id }) => id)).toEqual(['SRIOV_CARD:gone0'])
  const vlan = async () => (await links.list()).find(({ name }) => name === 'ens1f1')?.vfs?.[0]?.config.vlanId
  expect(await vlan()).toBe(0)
  await session.create(keys.sriovWish, { generation: 1, vfs: { 'ens1f1/0': { ...VF_DEFAULTS, vlanId: 12 } } })
  await clock.advance(100)
  expect(await vlan()).toBe(12)
  await clock.advance(3000)
  expect((await session.get(keys.sriov))?.value.pfs[0]?.vfs[0]?.actual.vlanId).toBe(12)
  // Somebody resets it, as a hypervisor may that gives it to a guest.
  await links.apply([{ kind: 'set-vf', name: 'ens1f1', index: 0, to: { vlanId: 0, vlanQos: 0 } }])
  await clock.advance(100)
  expect(await vlan()).toBe(12)
  await keeper.stop()
})
