/** What can befall whoever fences, and what fencing relies on. */
import { BMC_FLAWS, type BmcFlaw } from '../world/bmc.ts'
import type { Deed } from './deed.ts'

const SECOND = 1000

export const fenceDeeds: Readonly<Record<string, Deed>> = {
  /** bmc NODE FLAW MS: its power controller has a flaw for that time */
  bmc: {
    random: (random, { hosts }) => [
      random.pick(hosts).name,
      random.pick(BMC_FLAWS),
      String(random.durationMs(5 * SECOND, 120 * SECOND)),
    ],
    act: (cluster, [name = '', flaw, ms]) => {
      cluster.bmcs.flaws.set(name, flaw as BmcFlaw)
      // Off is believed when it is read back: who lies about that breaks the promise of one guest, not that of one writer.
      if (flaw === 'lie' || flaw === 'wrong') cluster.exempt.add(name)
      cluster.engine.after(Number(ms), `${name}: its BMC works again`, () => cluster.bmcs.flaws.delete(name))
    },
  },
  /** guard-broken NODE MS: the guard and the watchdog say that all is well, and do nothing, for that time */
  'guard-broken': {
    random: (random, { hosts }) => [random.pick(hosts).name, String(random.durationMs(10 * SECOND, 120 * SECOND))],
    act: (cluster, [name = '', ms]) => {
      const { guard } = cluster.host(name)
      guard.isBroken = true
      cluster.exempt.add(name)
      cluster.engine.after(Number(ms), `${name}: its guard works again`, () => {
        guard.isBroken = false
      })
    },
  },
  /** late-command NODE CALL MS: the next such command of its daemon has its effect that much later */
  'late-command': {
    random: (random, { hosts }) => [
      random.pick(hosts).name,
      random.pick([
        'ceph.blocklist',
        'ceph.unblocklist',
        'ceph.blocklist',
        'power.off',
        'ceph.entries',
        'ceph.markDown',
      ]),
      String(random.durationMs(500, 200 * SECOND)),
    ],
    act: (cluster, [name = '', call = '', ms]) => cluster.delayCall(name, call, Number(ms)),
  },
  /** entry-lost NODE: somebody takes its address out of the blocklist */
  'entry-lost': {
    random: (random, { hosts }) => [random.pick(hosts).name],
    act: (cluster, [name = '']) => cluster.ceph.unblocklist(`${cluster.host(name).storageAddress}:0/0`),
  },
  /** entry-put NODE: somebody puts its address into the blocklist */
  'entry-put': {
    random: (random, { hosts }) => [random.pick(hosts).name],
    act: (cluster, [name = '']) => cluster.ceph.blocklist(`${cluster.host(name).storageAddress}:0/0`, 31_536_000),
  },
  /** maintenance MS: on for that time, and off again */
  maintenance: {
    random: (random) => [String(random.durationMs(2 * SECOND, 40 * SECOND))],
    act: (cluster, [ms]) => {
      let isOver = false
      void cluster.api.maintenance(true).then((isConfirmed) => {
        if (isConfirmed && !isOver) cluster.maintenanceOnAtMs = cluster.engine.nowMs
      })
      cluster.engine.after(Number(ms), 'operator: ends maintenance', () => {
        isOver = true
        cluster.maintenanceOnAtMs = undefined
        void cluster.api.maintenance(false)
      })
    },
  },
  /** depose MS: the primary's lease connection is cut for that time */
  depose: {
    random: (random) => [String(random.durationMs(SECOND, 20 * SECOND))],
    act: (cluster, [ms]) => {
      const text = cluster.servers.tree.get('/primary/lease')?.text
      if (text === undefined) return
      const { node } = JSON.parse(text) as { readonly node: string }
      const host = cluster.host(node)
      host.setLink('lease', { isCut: true })
      cluster.engine.after(Number(ms), `${node}: lease connection heals`, () => host.setLink('lease', { isCut: false }))
    },
  },
  /** pause-primary MS */
  'pause-primary': {
    random: (random) => [String(random.durationMs(SECOND, 40 * SECOND))],
    act: (cluster, [ms]) => {
      const text = cluster.servers.tree.get('/primary/lease')?.text
      if (text === undefined) return
      const { node } = JSON.parse(text) as { readonly node: string }
      cluster.pause(node, 'daemon')
      cluster.engine.after(Number(ms), `${node}: goes on`, () => cluster.resume(node))
    },
  },
}
