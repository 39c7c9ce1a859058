/**
 * The museum: for every counterexample of the protocol that code can break, the bug that lets it happen. The simulator must
 * find each one, and must find nothing in the same runs without it; otherwise it proves nothing.
 */
import type { Patch } from './bundle.ts'

export type Mutation = {
  /** Number of the counterexample, and a letter where it has several. */
  readonly id: string
  /** What goes wrong. */
  readonly what: string
  readonly patches: readonly Patch[]
  /** The mixture of deeds under which it shows, or the deeds themselves where they meet too rarely to wait for. */
  readonly profile?: string
  readonly script?: string
  /** Runs have the seeds from this one on. */
  readonly seed: number
}

const DECIDE = 'src/node/domain/decide.ts'

export const MUTATIONS: readonly Mutation[] = [
  {
    id: 'C2',
    what: 'a record is given up while a create is still under way, and the hook asks for no permit',
    patches: [
      {
        file: DECIDE,
        from: 'if (o.isCreateOutstanding || o.qemuPid !== undefined) return decideDrain(o, memory)\n  if (status.migration',
        to: 'if (status.migration',
      },
      { file: 'src/adapters/fake/libvirtd.ts', from: 'if (this.#options.permitOf &&', to: 'if (false &&' },
    ],
    profile: 'outlive',
    seed: 1,
  },
  {
    id: 'C8a',
    what: 'the copy of a guest runs as soon as it has arrived, whatever its source does',
    patches: [
      {
        file: 'src/adapters/fake/libvirtd.ts',
        from: "    copy.reason = 'user'\n    this.emit(copy.uuid, 'suspended', 'paused')",
        to: "    copy.reason = 'migrated'\n    copy.state = 'running'\n    this.emit(copy.uuid, 'resumed', 'migrated')",
      },
    ],
    profile: 'moves',
    seed: 1,
  },
  {
    id: 'C8b',
    what: 'the source hands the record over without having ended its own QEMU',
    patches: [
      {
        file: 'src/node/domain/apply-move.ts',
        from: "const end = qemuPid === undefined ? 'ended' : await ports.files.endQemu(uuid, qemuPid, END_GRACE_MS)",
        to: "const end: string = 'ended'",
      },
    ],
    script: 'at 8000 finish-lost\nat 9000 move vm1 hv2 move\nfrom 9001 after hv1 zk.set 4 pause hv1 daemon 5000',
    seed: 1,
  },
  {
    id: 'C13',
    what: 'a VM that is defined again under its old UUID begins to count from nothing',
    patches: [
      { file: 'src/operations/vm-define.ts', from: 'emptyVmStatus(lastSeq, ', to: 'emptyVmStatus(0, ' },
      { file: 'src/operations/vm-define.ts', from: 'Math.max(seq, lastSeq)', to: '0' },
    ],
    profile: 'redefine',
    seed: 1,
  },
  {
    id: 'C5',
    what: 'a node that comes back in the same boot does not look at its journal',
    patches: [
      {
        file: 'src/node/membership/decide.ts',
        from: "if (journal.state !== 'closed') {",
        to: 'if (journal.state === undefined) {',
      },
      {
        file: 'src/node/membership/decide.ts',
        from: 'if (journal.deadLives.includes(life))',
        to: 'if (journal.deadLives === undefined)',
      },
    ],
    script:
      'at 8000 bmc hv2 dead 100000\nat 9000 link-cut hv2 zk 7500\nat 9000 link-cut hv2 lease 7500\nat 26000 pause hv2 daemon 8000',
    seed: 1,
  },
  {
    id: 'C11',
    what: 'the primary does not look at maintenance before it acts',
    patches: [
      {
        file: 'src/coordinator/gate.ts',
        from: 'if (cluster.maintenance.on) return',
        to: 'if (cluster === undefined) return',
      },
      {
        file: 'src/fence/observe.ts',
        from: 'isMaintenance: document?.value.maintenance.on ?? reign.maintenance.isOn',
        to: 'isMaintenance: false',
      },
    ],
    script: 'at 9000 maintenance 50000\nat 15000 power-cut hv2 30000',
    seed: 1,
  },
]
