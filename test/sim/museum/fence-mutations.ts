/** Planted bugs of the part that fences. */
import type { Mutation } from './mutation.ts'

export const FENCE_MUTATIONS: readonly Mutation[] = [
  {
    id: 'C1',
    what: 'only clients that are seen are shut out, not the address: one that comes later writes',
    patches: [
      {
        file: 'src/fence/proof/storage.ts',
        from: 'this.#storage.blocklist(addresses, EXPIRE_S, signal)',
        to: 'this.#storage.blocklist([], EXPIRE_S, signal)',
      },
      {
        file: 'src/fence/proof/storage.ts',
        from: 'return addresses.every((ip) => entriesOf(ip)',
        to: 'return [].every((ip) => entriesOf(ip)',
      },
    ],
    // Its daemon stands still between the permit and the start.
    script: `
      at 6000 power vm2 stop
      at 8500 guard-broken hv2 100000
      at 8600 bmc hv2 dead 100000
      at 9000 power vm2 start
      from 9000 after hv2 files.writePermit 1 pause hv2 daemon 26000`,
    seed: 1,
  },
  {
    id: 'C3',
    what: 'a machine that is read as off is not shut out of Ceph',
    patches: [
      { file: 'src/fence/decide.ts', from: "['probe', 'storage', 'power']", to: "['probe', 'power']" },
      { file: 'src/fence/decide.ts', from: "isAcknowledged ? [] : ['storage']", to: '[]' },
      { file: 'src/fence/evidence.ts', from: "isStrong && isCephLost(v) ? 'no-ceph'", to: "isStrong ? 'no-ceph'" },
      {
        file: 'src/fence/evidence.ts',
        from: 'if (v.storage.osdEpoch !== undefined) return',
        to: 'if (false) return',
      },
      { file: 'src/fence/recovery/apply.ts', from: 'if (!isCephUsable) return', to: '' },
    ],
    script: `
      at 8000 bmc hv2 lie 100000
      at 9000 link-cut hv2 zk 30000
      at 9000 link-cut hv2 lease 30000`,
    seed: 1,
  },
  {
    id: 'C6',
    what: 'the primary lifts the blocklist entries of a node that returns, instead of the node itself',
    patches: [
      {
        file: 'src/fence/opening.ts',
        from: 'const wanted = new Set(addresses.flatMap(entriesOf))',
        to: 'await this.#deps.storage.unblocklist(addresses, this.#reign.ended).catch(() => undefined)\n    const wanted = new Set(addresses.flatMap(entriesOf))',
      },
      { file: 'src/node/quarantine/decide.ts', from: "if (blocklist.kind === 'listed') {", to: 'if (false) {' },
    ],
    // The first such command comes when the node is being fenced anew.
    script: `
      at 8000 power-cut hv2 100000
      at 9000 late-command hv1 ceph.unblocklist 21000
      at 9000 late-command hv3 ceph.unblocklist 21000
      at 30000 wish hv2 ready
      at 34000 guard-broken hv2 100000
      at 34000 bmc hv2 lie 100000
      at 35000 link-cut hv2 zk 30000
      at 35000 link-cut hv2 lease 30000
      at 60000 clock hv1 0`,
    seed: 1,
  },
  {
    id: 'C7b',
    what: 'an entry that was made once is believed to be there for ever',
    patches: [
      {
        file: 'src/fence/proof/storage.ts',
        from: 'if (this.#osdEpoch !== undefined && this.#isDue()) await this.isListedNow(addresses)',
        to: '',
      },
      {
        file: 'src/fence/proof/storage.ts',
        from: 'const isListed = areLasting(entries, addresses, this.#context.clock.wallMs())',
        to: 'const isListed = true',
      },
    ],
    script: `
      at 8000 guard-broken hv2 100000
      at 8000 bmc hv2 dead 100000
      at 9000 link-cut hv2 zk 40000
      at 9000 link-cut hv2 lease 40000
      at 20000 entry-lost hv2`,
    seed: 1,
  },
  {
    id: 'C9',
    what: 'records are looked for once: one that is handed to a dead life later stays there',
    patches: [
      {
        file: 'src/fence/decide.ts',
        from: 'if (recordLives.some((life) => journal.deadLives.includes(life)))',
        to: 'if (recordLives.length < 0)',
      },
    ],
    // The source is slow to hand the record over, and its target has died meanwhile.
    script: `
      at 9000 move vm3 hv2 move
      from 9001 after hv3 files.endQemu 1 power-cut hv2 200000
      from 9001 after hv3 files.endQemu 1 expire hv2 zk
      from 9001 after hv3 files.endQemu 1 pause hv3 daemon 3500
      at 15500 power-cut hv2 200000
      at 90000 clock hv1 0`,
    seed: 1,
  },
  {
    id: 'C10',
    what: 'a guard that was disarmed counts as one that has struck',
    patches: [
      { file: 'src/fence/evidence.ts', from: "if (status.selfFence !== 'armed') return", to: 'if (false) return' },
      {
        file: 'src/fence/evidence.ts',
        from: "if (status.watchdog !== 'present' || status.selfFenceBoundS === undefined) {",
        to: 'if (false) {',
      },
      { file: 'src/fence/evidence.ts', from: 'selfFenceWaitMs(status.selfFenceBoundS,', to: 'selfFenceWaitMs(20,' },
    ],
    script: `
      at 8000 bmc hv2 dead 100000
      at 9000 stop hv2 60000
      at 14000 isolate hv2 60000`,
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
  {
    id: 'C12',
    what: 'fence journals are written over the session of the node, which outlives that of the lease',
    patches: [
      {
        file: 'src/node/start.ts',
        from: 'const index = createIndex({',
        to: ';(globalThis.nodeStores ??= new Map()).set(self, store)\n  const index = createIndex({',
      },
      {
        file: 'src/fence/journal-writer.ts',
        from: 'await this.#reign.session.set(',
        to: 'await globalThis.nodeStores.get(this.#reign.node).session.value.set(',
      },
    ],
    // hv1 stands still between its look and the opening of a journal; hv3 between its epoch and the journals.
    script: `
      at 8000 power-cut hv2 100000
      at 14084 pause hv1 daemon 1500
      at 14084 expire hv1 lease
      from 14084 after hv3 lease.set 1 pause hv3 daemon 3000`,
    seed: 1,
  },
  {
    id: 'C16',
    what: 'a primary whose main session has ended goes on, and fences itself',
    patches: [
      { file: 'src/fence/suspect.ts', from: ' || v.node === v.self) return calm(memory)', to: ') return calm(memory)' },
      { file: 'src/coordinator/decide.ts', from: 'if (!isAble && !isStopping)', to: 'if (false)' },
    ],
    // hv1 is the primary under this seed.
    script: 'at 9000 link-cut hv1 zk 30000',
    seed: 1,
  },
  {
    id: 'C18',
    what: 'a machine that was reset instead of switched off is waited for, as if it could still go off',
    patches: [
      {
        file: 'src/fence/evidence.ts',
        from: "if (isRebooted && !has('reboot')) return",
        to: 'if (isRebooted && journal.seq < 0) return',
      },
    ],
    script: `
      at 4000 bmc hv2 reset 200000
      at 4500 isolate hv2 8000
      at 14500 bmc hv2 dead 200000
      at 60000 clock hv1 0`,
    nodes: 3,
    vms: 1,
    seed: 1,
  },
  {
    id: 'C20',
    what: 'recovery breaks every lock it finds, also when somebody else reigns by then',
    patches: [
      {
        file: 'src/fence/recovery/apply.ts',
        from: 'addresses.includes(clientIp(lock.address))',
        to: 'addresses.length > 0 && clientIp(lock.address) !== ""',
      },
      {
        file: 'src/fence/recovery/apply.ts',
        from: 'const done = await irreversible(',
        to: "const done = await (async (_, work) => ({ kind: 'done', value: await work() }))(",
      },
    ],
    // What holds the volumes is only told when the next primary has long recovered them.
    script: `
      at 8000 power-cut hv2 100000
      at 8000 late-command hv1 ceph.locks 12000
      at 14835 link-cut hv1 lease 12000`,
    seed: 1,
  },
]
