/** What can befall ZooKeeper, Ceph, and the ways to them. */
import type { Deed } from './deed.ts'

const SECOND = 1000

/** Cuts, slows or deafens one ZooKeeper connection for a time. */
function linkDeed(change: 'cut' | 'deaf'): Deed {
  return {
    random: (random, { hosts }) => [random.pick(hosts).name, 'zk', String(random.durationMs(200, 30 * SECOND))],
    act: (cluster, [name = '', label = 'zk', ms]) => {
      const host = cluster.host(name)
      host.setLink(label, change === 'cut' ? { isCut: true } : { areAnswersLost: true })
      cluster.engine.after(Number(ms), `${name}: ${label} connection heals`, () =>
        host.setLink(label, { isCut: false, areAnswersLost: false }),
      )
    },
  }
}

export const storeDeeds: Readonly<Record<string, Deed>> = {
  /** link-cut NODE zk|lease MS: one connection is cut */
  'link-cut': linkDeed('cut'),
  /** link-deaf NODE zk|lease MS: requests arrive, answers do not */
  'link-deaf': linkDeed('deaf'),
  /** link-slow NODE zk|lease DELAY-MS: for 20 s every message takes longer */
  'link-slow': {
    random: (random, { hosts }) => [random.pick(hosts).name, 'zk', String(random.durationMs(5, 1500))],
    act: (cluster, [name = '', label = 'zk', ms]) => {
      const host = cluster.host(name)
      host.setLink(label, { slowMs: Number(ms) })
      cluster.engine.after(20 * SECOND, `${name}: ${label} connection is quick again`, () =>
        host.setLink(label, { slowMs: 0 }),
      )
    },
  },
  /** expire NODE zk|lease: the servers end the session; the client learns of it in its time */
  expire: {
    random: (random, { hosts }) => [random.pick(hosts).name, 'zk'],
    act: (cluster, [name = '', label]) => {
      cluster.host(name).disturb()
      const owner = `${name}: ${label}`
      const sessions = [...cluster.servers.sessions.values()].filter((session) => session.owner === owner)
      for (const session of sessions) cluster.servers.end(session, 'was ended')
    },
  },
  /** no-quorum MS */
  'no-quorum': {
    random: (random) => [String(random.durationMs(SECOND, 60 * SECOND))],
    act: ({ servers }, [ms]) => servers.interrupt(Number(ms)),
  },
  /** roll-back WRITES: the ensemble loses its last writes although they were acknowledged */
  'roll-back': {
    random: (random) => [String(random.int(1, 10))],
    act: ({ servers }, [writes]) => servers.rollBack(Number(writes)),
  },
  /** lag NODE: the server of its sessions stops following until it has to */
  lag: {
    random: (random, { hosts }) => [random.pick(hosts).name],
    act: ({ servers }, [name]) => {
      for (const session of servers.sessions.values())
        if (session.owner.startsWith(`${name}:`)) servers.lagBehind(session)
    },
  },
  /** ceph-stall MS: nobody can write, and no command is answered */
  'ceph-stall': {
    random: (random) => [String(random.durationMs(SECOND, 30 * SECOND))],
    act: (cluster, [ms]) => {
      cluster.ceph.isStalled = true
      cluster.engine.after(Number(ms), 'ceph: answers again', () => {
        cluster.ceph.isStalled = false
        cluster.ceph.changed()
      })
    },
  },
  /** osd-lag MS: for a minute OSDs may learn of new maps only after that time */
  'osd-lag': {
    random: (random) => [String(random.durationMs(SECOND, 30 * SECOND))],
    act: (cluster, [ms]) => {
      cluster.ceph.lagMs = Number(ms)
      cluster.engine.after(60 * SECOND, 'ceph: maps spread quickly again', () => {
        cluster.ceph.lagMs = 800
      })
    },
  },
  /** slow-writes PERCENT: that many writes of guests are on their way for a while */
  'slow-writes': {
    random: (random) => [String(random.int(10, 80))],
    act: (cluster, [percent]) => {
      cluster.slowWrites = Number(percent) / 100
    },
  },
}
