/** Mixtures of deeds. Each seed takes one of them, so that rare circumstances meet often enough. */
import type { Profile } from './script.ts'

const NODE_CALLS = [
  'zk.set',
  'zk.set',
  'zk.create',
  'zk.get',
  'files.writePermit',
  'files.removePermit',
  'files.writeLife',
  'files.endQemu',
  'hypervisor.create',
  'hypervisor.create',
  'hypervisor.destroy',
  'hypervisor.migrate',
  'hypervisor.resume',
  'hypervisor.setMark',
  'hypervisor.get',
  'ceph.locks',
  'ceph.blocklistClient',
] as const

const OPERATOR = { power: 4, move: 6, wish: 1, redefine: 1, crash: 2 } as const

export const profiles: Readonly<Record<string, Profile>> = {
  /** Everything. */
  mixed: {
    deeds: {
      ...OPERATOR,
      'power-cut': 3,
      kill: 3,
      stop: 1,
      pause: 3,
      network: 2,
      isolate: 2,
      clock: 1,
      'link-cut': 2,
      'link-deaf': 2,
      'link-slow': 1,
      expire: 2,
      'no-quorum': 1,
      lag: 1,
      'ceph-stall': 1,
      'osd-lag': 1,
      'slow-writes': 1,
      late: 2,
      stall: 1,
      libvirtd: 1,
      stubborn: 1,
      'finish-lost': 1,
      'slow-copy': 1,
    },
    count: [2, 12],
    atCalls: 0.4,
    calls: NODE_CALLS,
  },
  /** Moves, and what disturbs them. */
  moves: {
    deeds: {
      move: 8,
      'finish-lost': 3,
      'slow-copy': 3,
      kill: 3,
      pause: 2,
      'power-cut': 2,
      expire: 1,
      network: 1,
      stubborn: 1,
      late: 1,
      libvirtd: 1,
    },
    count: [3, 12],
    atCalls: 0.5,
    calls: [
      'zk.set',
      'zk.set',
      'zk.create',
      'files.endQemu',
      'files.writeIncoming',
      'hypervisor.migrate',
      'hypervisor.resume',
      'hypervisor.setMark',
    ],
  },
  /** The moment in which a record is handed over. */
  handover: {
    deeds: { move: 6, 'finish-lost': 5, kill: 2, pause: 3, expire: 1 },
    count: [8, 16],
    atCalls: 0.5,
    calls: ['zk.set', 'files.endQemu', 'hypervisor.resume', 'hypervisor.setMark'],
  },
  /** Starts that outlive whoever asked for them. */
  outlive: {
    deeds: { 'late-create': 6, power: 4, move: 4, crash: 4, kill: 2 },
    count: [8, 16],
    atCalls: 0.1,
    calls: ['hypervisor.create', 'files.writePermit'],
  },
  /** VMs that are removed and defined again. */
  redefine: {
    deeds: { redefine: 6, power: 2, move: 2, kill: 1 },
    count: [4, 10],
    atCalls: 0.2,
    calls: ['zk.set', 'hypervisor.create'],
  },
  /** Starts and stops that take longer than anybody waits for. */
  late: {
    deeds: { power: 5, move: 5, late: 5, stall: 3, kill: 3, pause: 1, libvirtd: 1 },
    count: [4, 14],
    atCalls: 0.3,
    calls: ['hypervisor.create', 'files.writePermit', 'zk.set'],
  },
}
