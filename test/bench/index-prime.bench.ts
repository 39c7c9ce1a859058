/** How long a daemon's index takes from a connected session to holding 2,000 documents of a real ensemble, watches armed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { createZooKeeperStore } from '../../src/adapters/zookeeper/store.ts'
import { emptyVmStatus, VmSpec } from '../../src/model/domain.ts'
import { VmUuid } from '../../src/model/ids.ts'
import type { Store, StoreSession } from '../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../src/schema/tree.ts'
import { createIndex } from '../../src/view/index.ts'
import { vmsCollection } from '../../src/view/tree-collections.ts'
import { startEnsemble } from '../lab/zookeeper.ts'
import { percentile, type Report } from './figure.ts'

const documents = 2000
const runs = 10
const specBytes = 2000

const clock = createSystemClock()

function uuidOf(index: number): VmUuid {
  return VmUuid.parse(`00000000-0000-4000-8000-${String(index).padStart(12, '0')}`)
}

function vmSpec(index: number): VmSpec {
  return VmSpec.parse({
    uuid: uuidOf(index),
    name: `vm${index}`,
    generation: 1,
    power: 'off',
    wishes: { start: 0, restart: 0, stopNow: 0 },
    node: 'n1',
    lastNode: null,
    hold: null,
    xml: `<domain>${' '.repeat(specBytes)}</domain>`,
    description: '',
    memoryMiB: 512,
    vcpus: 1,
    rbdList: [],
    meta: {
      nodeLimit: [],
      selector: 'mem',
      autostart: false,
      migrationMethod: 'live',
      migrationMaxDowntimeMs: 300,
      profile: '',
      startPriority: 50,
      antiAffinityGroup: '',
    },
    tags: [],
  })
}

async function fill(session: StoreSession): Promise<void> {
  await session.ensure(TREE_DIRS)
  for (let index = 0; index < documents / 2; index++) {
    const keys = tree.vm(uuidOf(index))
    await session.create(keys.spec, vmSpec(index))
    await session.create(keys.status, emptyVmStatus(0, 0))
  }
}

/** A session is used once: on the second reading of it the watches would be there already. */
async function timed(connect: () => Store, work: (store: Store, session: StoreSession) => Promise<void>) {
  const store = connect()
  try {
    const session = await store.connected(10_000)
    const begun = performance.now()
    await work(store, session)
    return performance.now() - begun
  } finally {
    await store.close()
  }
}

async function prime(store: Store): Promise<void> {
  const index = createIndex({ store, clock, log: new FakeLog(), collections: [vmsCollection()] })
  try {
    await index.ready(30_000)
    const first = index.get(tree.vm(uuidOf(documents / 2 - 1)).status)
    if (index.children(tree.vms.path).length !== documents / 2 || !first) throw new Error('the index is not complete')
  } finally {
    index.close()
  }
}

/** The same reads at once and nothing else: what the client and the servers need. */
async function readBare(session: StoreSession): Promise<void> {
  const uuids = (await session.children(tree.vms.path)) ?? []
  const keys = uuids.map((uuid) => tree.vm(VmUuid.parse(uuid)))
  await Promise.all(keys.flatMap(({ spec, status }) => [spec, status].map((key) => session.readWatched(key.path))))
}

/** Reports the median and the worst of ten runs, and beside them the bare reads measured in turn. */
export async function run(report: Report): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'pvc-index-'))
  try {
    const ensemble = await startEnsemble({ dir })
    try {
      const servers = ensemble.connectString.split(',')
      const connect = () =>
        createZooKeeperStore({ servers, root: '/pvc', sessionTimeoutMs: 20_000, clock, log: new FakeLog() })
      await timed(connect, (_, session) => fill(session))
      const primed: number[] = []
      const bare: number[] = []
      for (let index = 0; index < runs; index++) {
        primed.push(await timed(connect, (store) => prime(store)))
        bare.push(await timed(connect, (_, session) => readBare(session)))
      }
      const params = { documents, spec_bytes: specBytes, servers: 3 }
      report({ metric: 'ms', value: percentile(primed, 50), unit: 'ms', params, n: runs })
      report({ metric: 'ms_max', value: Math.max(...primed), unit: 'ms', params, n: runs })
      report({ metric: 'baseline_ms', value: percentile(bare, 50), unit: 'ms', params, n: runs })
      report({ metric: 'ratio', value: percentile(primed, 50) / percentile(bare, 50), unit: '1', params, n: runs })
    } finally {
      await ensemble.stop()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
