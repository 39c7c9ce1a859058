/** What scripts can do to fencing, where the coordinators of a scenario choose a primary. */
import type { PowerFlaw } from '../../src/adapters/fake/power.ts'
import type { FenceOrder } from '../../src/model/fence.ts'
import { NodeName } from '../../src/model/ids.ts'
import type { StorageFence } from '../../src/ports/storage-fence.ts'
import { tree } from '../../src/schema/tree.ts'
import type { Fencing } from './primary.ts'
import type { Verb } from './verb.ts'
import type { World } from './world.ts'

const STORAGE_CALLS: readonly (keyof StorageFence)[] = ['blocklist', 'entries', 'osds', 'osdEpochs', 'markDown']

function fencingOf({ fencing }: World): Fencing {
  if (fencing === undefined) throw new Error('nobody is primary here: cluster.json must say so')
  return fencing
}

export const fencingVerbs: Readonly<Record<string, Verb>> = {
  // bmc NAME lie|slow|late|dead|reset|fail|refuse|good
  bmc: (world, [name = '', flaw]) =>
    fencingOf(world).power.flaw(name, flaw === 'good' ? undefined : (flaw as PowerFlaw)),
  // osd NAME lag|good|end|begin: the OSD of that node
  osd: (world, [name = '', what]) => {
    const { osds } = fencingOf(world)
    const id = [...world.machines.keys()].indexOf(name) + 1
    if (what === 'lag' || what === 'good') osds.lag(id, what === 'lag')
    else osds.setRunning(id, what === 'begin')
  },
  // network NAME cluster|storage cut|heal: what nodes ask each other
  network: (world, [name = '', network = '', what]) => world.peers.cut(name, network, what === 'cut'),
  // fencer NAME cut-from-ceph|reaches-ceph: its commands to Ceph
  fencer: (world, [name = '', what]) => {
    const { primary } = world.machine(name)
    for (const call of STORAGE_CALLS)
      primary?.storage.script.always(call, what === 'cut-from-ceph' ? { delayMs: 3_600_000 } : undefined)
  },
  // order NAME fence|confirm: as the API writes it
  order: async (world, [name = '', kind]) => {
    const keys = tree.node(NodeName.parse(name))
    const session = await world.session()
    const [journal, status] = await Promise.all([session.get(keys.fence), session.get(keys.status)])
    const life = kind === 'confirm' ? journal?.value.life : status?.value.life
    if (journal === undefined || life == null) throw new Error(`there is nothing to order about ${name}`)
    const order = { kind: kind as FenceOrder['kind'], life, seq: journal.value.seq, by: 'operator', at: 0 }
    const before = await session.get(keys.fenceOrder)
    if (before === undefined) await session.create(keys.fenceOrder, order)
    else await session.set(keys.fenceOrder, order, before.version)
  },
}
