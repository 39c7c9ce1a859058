/** One node's console part in a process of its own, with guests that print into real files, for the bench. */
import { type ChildProcess, fork } from 'node:child_process'
import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { createZooKeeperStore } from '../../src/adapters/zookeeper/store.ts'
import { sleep } from '../../src/base/clock.ts'
import { emptyVmStatus, VmSpec } from '../../src/model/domain.ts'
import { LifeId, NodeName, VmUuid } from '../../src/model/ids.ts'
import type { Store, StoreSession } from '../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../src/schema/tree.ts'
import { vmXml } from '../api/cluster.ts'
import { pollUntil } from '../lab/poll.ts'
import type { ConsoleUsage } from './console-node.ts'
import { referenceKey } from './console-reference.ts'

/** Of each guest. */
export const LINES_PER_S = 10
/** Lines in each file before: the buffer of the Python system is full then. */
const EARLIER_LINES = 1000

export const clock = createSystemClock()
const self = NodeName.parse('hv1')
export const uuidOf = (index: number) => VmUuid.parse(`00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`)

/** A line as a kernel prints them: 70 characters. */
const line = (index: number) =>
  `[${(index / 10).toFixed(6).padStart(12)}] sd 0:0:0:0: [sda] Write cache: enabled ${String(index).padStart(9, '0')}\n`

/** How consoles get into the store: ours, and that of the Python system. */
export type Design = 'streams' | 'reference'

/** A node with guests; they have printed {@link EARLIER_LINES} lines each. */
export class Rig {
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
