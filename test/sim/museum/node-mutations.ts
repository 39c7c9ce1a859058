/** Planted bugs of the node, of moves and of the operations. */
import type { Mutation } from './mutation.ts'

const DECIDE = 'src/node/domain/decide.ts'

export const NODE_MUTATIONS: readonly Mutation[] = [
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
    seed: 7,
  },
  {
    id: 'C4',
    what: 'a session that is not certified counts as contact for the guard, and guests live on until it is',
    patches: [
      {
        file: 'src/node/self-fence/self-fence.ts',
        from: 'const session = membership.certificate()?.session',
        to: 'const session = membership.presence()?.session',
      },
      {
        file: 'src/node/quarantine/decide.ts',
        from: "return act({ kind: 'begin' }, 'its guests are being ended', { ...memory, opened: undefined })",
        to: "return wait('nothing is done', memory)",
      },
    ],
    script: `
      at 8000 bmc hv2 dead 100000
      at 9000 link-cut hv2 zk 7500
      at 9000 link-cut hv2 lease 7500
      at 25000 link-cut hv2 zk 30000
      at 25000 link-cut hv2 lease 30000`,
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
    id: 'C7a',
    what: 'a node does not look whether Ceph shuts it out',
    patches: [
      {
        file: 'src/node/quarantine/quarantine.ts',
        from: 'const own = await blocklist.look()',
        to: "const own = { kind: 'clear' }",
      },
    ],
    script: 'at 2000 entry-put hv2\nat 66000 clock hv1 0',
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
        from: "qemuPid === undefined ? 'ended' : ports.files.endQemu(uuid, qemuPid, END_GRACE_MS),",
        to: "'ended' as string,",
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
    id: 'C14',
    what: 'a run record that went backwards is believed',
    patches: [
      { file: DECIDE, from: 'if (o.higherSeq !== undefined) return', to: 'if (o.higherSeq === null) return' },
      { file: 'src/node/keepalive/seq-guard.ts', from: "return verdict !== 'rollback'", to: 'return true' },
      {
        file: 'src/view/entry.ts',
        from: 'if (order !== undefined && before.floor !== undefined && order < before.floor) {',
        to: 'if (order === null) {',
      },
    ],
    script: `
      at 6000 power vm1 stop
      at 8000 move vm1 hv2 move
      at 9000 power vm1 start
      at 10000 late hv2 destroy 20000
      at 10500 roll-back 30
      at 90000 clock hv1 0`,
    seed: 1,
  },
  {
    id: 'C15',
    what: 'a node without contact does not ask whether there is a quorum at all',
    patches: [
      {
        file: 'src/node/self-fence/quorum.ts',
        from: 'return outageSinceMs < baseMs + sessionTimeoutMs && askedAtMs > baseMs ? askedAtMs : undefined',
        to: 'return undefined',
      },
    ],
    script: 'at 12000 no-quorum 20000',
    seed: 1,
  },
  {
    id: 'C17',
    what: 'a daemon that starts leaves the proof of life of the one before it as it is',
    patches: [
      {
        file: 'src/node/membership/decide.ts',
        from: "return { kind: 'replace', version: alive.version }",
        to: "return { kind: 'owned' }",
      },
    ],
    script: 'at 9000 kill hv2',
    seed: 1,
  },
  {
    id: 'C19',
    what: 'a node does not see that a job holds the record, and starts the VM beside it',
    patches: [
      {
        file: DECIDE,
        from: 'record.life === o.life && record.holder === null',
        to: 'record.life === o.life',
      },
    ],
    script: `
      at 6000 power vm2 stop
      at 9000 job vm2 12000
      at 11000 power vm2 start
      at 60000 clock hv1 0`,
    seed: 1,
  },
]
