/** What can befall a machine, its network and its daemon. */
import type { Deed } from './deed.ts'

const SECOND = 1000

export const nodeDeeds: Readonly<Record<string, Deed>> = {
  /** power-cut NODE MS: it is switched on again after that time */
  'power-cut': {
    random: (random, { hosts }) => [random.pick(hosts).name, String(random.durationMs(SECOND, 60 * SECOND))],
    act: (cluster, [name = '', ms]) => {
      cluster.powerOff(name)
      cluster.engine.after(Number(ms), `${name}: is switched on`, () => cluster.powerOn(name))
    },
  },
  /** kill NODE: kill -9 of pvcnoded */
  kill: {
    random: (random, { hosts }) => [random.pick(hosts).name],
    act: (cluster, [name = '']) => cluster.killDaemon(name),
  },
  /** stop NODE MS: an orderly stop of pvcnoded, started again after that time */
  stop: {
    random: (random, { hosts }) => [random.pick(hosts).name, String(random.durationMs(SECOND, 30 * SECOND))],
    act: (cluster, [name = '', ms]) => {
      cluster.stopDaemon(name)
      cluster.engine.after(Number(ms), `${name}: pvcnoded is started`, () => cluster.startDaemon(name))
    },
  },
  /** pause NODE daemon|machine MS */
  pause: {
    random: (random, { hosts }) => [
      random.pick(hosts).name,
      random.pick(['daemon', 'daemon', 'machine']),
      String(random.durationMs(100, 60 * SECOND)),
    ],
    act: (cluster, [name = '', what, ms]) => {
      cluster.pause(name, what as 'daemon')
      cluster.engine.after(Number(ms), `${name}: goes on`, () => cluster.resume(name))
    },
  },
  /** network NODE cluster|storage MS: cut for that time */
  network: {
    random: (random, { hosts }) => [
      random.pick(hosts).name,
      random.pick(['cluster', 'cluster', 'storage']),
      String(random.durationMs(200, 60 * SECOND)),
    ],
    act: (cluster, [name = '', network, ms]) => {
      const host = cluster.host(name)
      host.setNetwork(network as 'cluster', false)
      cluster.engine.after(Number(ms), `${name}: ${network} network heals`, () =>
        host.setNetwork(network as 'cluster', true),
      )
    },
  },
  /** isolate NODE MS: every network is cut for that time */
  isolate: {
    random: (random, { hosts }) => [random.pick(hosts).name, String(random.durationMs(SECOND, 60 * SECOND))],
    act: (cluster, [name = '', ms]) => {
      const host = cluster.host(name)
      for (const network of ['cluster', 'storage'] as const) {
        host.setNetwork(network, false)
        cluster.engine.after(Number(ms), `${name}: ${network} network heals`, () => host.setNetwork(network, true))
      }
    },
  },
  /** clock NODE MS: its wall clock jumps */
  clock: {
    random: (random, { hosts }) => [random.pick(hosts).name, String(random.int(-100_000, 100_000))],
    act: (cluster, [name = '', ms]) => {
      cluster.host(name).time.wallOffsetMs += Number(ms)
    },
  },
}
