/**
 * What consoles cost and how quick they are: one node's console part in a process of its own, on a real three-server
 * ensemble and real files, beside the design of the Python system. Latency is from the write into the log file to the moment a
 * reader of the store has the line; API and terminal come on top of both designs alike.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { createZooKeeperStore } from '../../src/adapters/zookeeper/store.ts'
import { sleep } from '../../src/base/clock.ts'
import { followerName } from '../../src/model/console.ts'
import { emptyVmStatus, VmSpec } from '../../src/model/domain.ts'
import { LifeId, NodeName, VmUuid } from '../../src/model/ids.ts'
import { followStream } from '../../src/operations/stream-follow.ts'
import type { Store, StoreSession } from '../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../src/schema/tree.ts'
import { vmXml } from '../api/cluster.ts'
import { pollUntil } from '../lab/poll.ts'
import { startEnsemble } from '../lab/zookeeper.ts'
import type { ConsoleUsage } from './console-node.ts'
import { referenceKey } from './console-reference.ts'
import { percentile, type Report } from './figure.ts'

const LINES_PER_S = 10
const MEASURED_S = 20
/** Lines in each file before: the buffer of the Python system is full then. */
const EARLIER_LINES = 1000
const SAMPLES = 100

const clock = createSystemClock()
const self = NodeName.parse('hv1')
const uuidOf = (index: number) => VmUuid.parse(`00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`)

/** A line as a kernel prints them: 70 characters. */
const line = (index: number) =>
  `[${(index / 10).toFixed(6).padStart(12)}] sd 0:0:0:0: [sda] Write cache: enabled ${String(index).padStart(9, '0')}\n`

type Design = 'streams' | 'reference'

class Rig {
  readonly dir: string
  readonly guests: number
  readonly session: StoreSession
  readonly store: Store
  readonly child: ChildProcess
  #printed = 0

  private constructor(dir: string, guests: number, store: Store, session: StoreSession, child: ChildProcess) {
    this.dir = dir
    this.guests = guests
    this.store = store
    this.session = session
    this.child = child
  }

  static async start(design: Design, guests: number, servers: string, root: string): Promise<Rig> {
    const dir = mkdtempSync(join(root, 'logs-'))
    const log = new FakeLog()
    const store = createZooKeeperStore({
      servers: servers.split(','),
      root: '/pvc',
      sessionTimeoutMs: 20_000,
      clock,
      log,
    })
    const session = await store.connected(20_000)
    await clear(session)
    await session.ensure(TREE_DIRS)
    for (let index = 0; index < guests; index += 1) await define(session, index, dir)
    const child = fork(join(import.meta.dirname, 'console-node.ts'), [design, dir, servers], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 2, 2, 'ipc'],
    })
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve())
      child.once('exit', (code) => reject(new Error(`console node ended with ${code}`)))
    })
    return new Rig(dir, guests, store, session, child)
  }

  usage(): Promise<ConsoleUsage> {
    return new Promise((resolve) => {
      this.child.once('message', (usage: ConsoleUsage) => resolve(usage))
      this.child.send('usage')
    })
  }

  /** Waits until nothing more is written. */
  async settled(): Promise<void> {
    let before = -1
    await pollUntil({ what: 'everything written', timeoutMs: 60_000, intervalMs: 1500 }, async () => {
      const { bytes } = await this.usage()
      const isQuiet = bytes > 0 && bytes === before
      before = bytes
      return isQuiet
    })
  }

  file(index: number): string {
    return join(this.dir, `${uuidOf(index)}.log`)
  }

  /** Every guest prints for some seconds. @returns bytes printed */
  async print(seconds: number): Promise<number> {
    let bytes = 0
    const startMs = clock.nowMs()
    for (let beat = 0; beat < seconds * LINES_PER_S; beat += 1) {
      for (let index = 0; index < this.guests; index += 1) {
        const text = line(this.#printed)
        appendFileSync(this.file(index), text)
        bytes += text.length
      }
      this.#printed += 1
      await sleep(clock, Math.max(0, startMs + ((beat + 1) * 1000) / LINES_PER_S - clock.nowMs()))
    }
    return bytes
  }

  async close(): Promise<void> {
    this.child.disconnect()
    await this.store.close()
  }
}

/** Removes the VMs of the rig before. */
async function clear(session: StoreSession): Promise<void> {
  for (const name of (await session.children(tree.vms.path)) ?? []) {
    const keys = tree.vm(VmUuid.parse(name))
    for (const segment of (await session.children(keys.console.segments.path)) ?? [])
      await session.remove(keys.console.segments.child(segment).path)
    if (await session.children(keys.console.head.path)) await session.remove(keys.console.head.path)
    await session.remove(keys.status.path)
    if (await session.get(referenceKey(name))) await session.remove(referenceKey(name).path)
    await session.remove(keys.spec.path)
  }
}

async function define(session: StoreSession, index: number, dir: string): Promise<void> {
  const uuid = uuidOf(index)
  const name = `vm${index}`
  const file = join(dir, `${uuid}.log`)
  const serial = `<serial type='pty'><log file='${file}' append='on'/></serial>`
  const meta = { nodeLimit: [], selector: 'none', autostart: false, migrationMethod: 'none' }
  const spec = VmSpec.parse({
    ...{
      uuid,
      name,
      generation: 1,
      power: 'on',
      wishes: { start: 1, restart: 0, stopNow: 0 },
      node: self,
      lastNode: null,
    },
    ...{ hold: null, xml: vmXml(name, { uuid }).replace('<devices>', `<devices>${serial}`), description: '' },
    ...{ memoryMiB: 64, vcpus: 1, rbdList: [], tags: [] },
    meta: { ...meta, migrationMaxDowntimeMs: 300, profile: '' },
  })
  await session.create(tree.vm(uuid).spec, spec)
  const run = { node: self, life: LifeId.parse('life'), holder: null }
  await session.create(tree.vm(uuid).status, { ...emptyVmStatus(1, 0), run, phase: 'running' })
  writeFileSync(file, Array.from({ length: EARLIER_LINES }, (_, number) => line(number)).join(''))
}

/** Bytes to the store per byte printed, and processor time and memory of the node's process. */
async function cost(design: Design, guests: number, servers: string, root: string, report: Report): Promise<void> {
  const rig = await Rig.start(design, guests, servers, root)
  try {
    // What was there before is written first.
    await rig.settled()
    await rig.print(5)
    const before = await rig.usage()
    const printed = await rig.print(MEASURED_S)
    const after = await rig.usage()
    const params = { design, guests, followed: 0, lines_per_s: LINES_PER_S }
    const figure = (metric: string, value: number, unit: string) => report({ metric, value, unit, params, n: 1 })
    figure('write_amplification', (after.bytes - before.bytes) / printed, '1')
    figure('cpu_ms_per_guest', (after.cpuMs - before.cpuMs) / guests / MEASURED_S, 'ms/s')
    figure('rss_mib', after.rssMiB, 'MiB')
  } finally {
    await rig.close()
  }
}

/** Waits for a marker that was printed into a guest's file, as a reader of the store. */
type Wait = (marker: string) => Promise<void>

async function latency(rig: Rig, params: Record<string, string | number>, wait: Wait, report: Report): Promise<void> {
  const took: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const marker = `mark-${sample}-${Date.now()}`
    // At no fixed place within the half second.
    await sleep(clock, 100 + ((sample * 137) % 500))
    const startMs = clock.nowMs()
    appendFileSync(rig.file(0), `${marker}\n`)
    await wait(marker)
    took.push(clock.nowMs() - startMs)
  }
  for (const percent of [50, 99])
    report({ metric: `latency_ms_p${percent}`, value: percentile(took, percent), unit: 'ms', params, n: SAMPLES })
}

/** Reads the stream as an API does; text so far by marker. */
function follower(rig: Rig): { readonly wait: Wait; readonly end: () => void } {
  const stop = new AbortController()
  let text = ''
  const keys = tree.vm(uuidOf(0)).console
  const events = followStream(
    { store: rig.store, clock, log: new FakeLog() },
    keys,
    { line: 1, column: 0 },
    stop.signal,
  )
  const done = (async () => {
    for await (const event of events) if (event.kind === 'text') text += `${event.text}\n`
  })()
  const wait: Wait = (marker) =>
    pollUntil({ what: marker, timeoutMs: 20_000, intervalMs: 2 }, async () => text.includes(marker)).then(
      () => undefined,
    )
  return {
    wait,
    end: () => {
      stop.abort()
      void done
    },
  }
}

async function latencies(guests: number, servers: string, root: string, report: Report): Promise<void> {
  const rig = await Rig.start('streams', guests, servers, root)
  try {
    const reader = follower(rig)
    await latency(rig, { design: 'streams', guests, followed: 0 }, reader.wait, report)
    const mark = tree.followers.child(followerName(`vm-${uuidOf(0)}`, 'bench'))
    await rig.session.create(mark, { since: 0 }, 'ephemeral')
    await latency(rig, { design: 'streams', guests, followed: 1 }, reader.wait, report)
    reader.end()
  } finally {
    await rig.close()
  }
  const reference = await Rig.start('reference', guests, servers, root)
  try {
    // The older client asks twice a second.
    const wait: Wait = (marker) =>
      pollUntil({ what: marker, timeoutMs: 20_000, intervalMs: 500 }, async () => {
        const text = (await reference.session.get(referenceKey(uuidOf(0))))?.value
        return text?.includes(marker)
      }).then(() => undefined)
    await latency(reference, { design: 'reference', guests, followed: 1 }, wait, report)
  } finally {
    await reference.close()
  }
}

/** Reports costs for 1, 50 and 200 guests that print, and how long a line takes. */
export async function run(report: Report): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'pvc-console-'))
  const ensemble = await startEnsemble({ dir: root, servers: 3 })
  try {
    await latencies(1, ensemble.connectString, root, report)
    for (const guests of [1, 50, 200]) await cost('streams', guests, ensemble.connectString, root, report)
    for (const guests of [1, 50]) await cost('reference', guests, ensemble.connectString, root, report)
  } finally {
    await ensemble.stop()
    rmSync(root, { recursive: true, force: true })
  }
}
