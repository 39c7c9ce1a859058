/** One VM, its log file, and the daemons whose console parts come and go, on a fake store. */
import { ManualClock, settle } from '../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { FakeLogFiles } from '../../../src/adapters/fake/log-files.ts'
import { FakeEnsemble, type FakeStore } from '../../../src/adapters/fake/store.ts'
import { type Consoles, startConsoles } from '../../../src/console/start.ts'
import { type ConsoleSegment, linesOfSegment } from '../../../src/model/console.ts'
import { emptyVmStatus, VmSpec, type VmStatus } from '../../../src/model/domain.ts'
import { LifeId, NodeName, VmUuid } from '../../../src/model/ids.ts'
import type { HypervisorEvent } from '../../../src/ports/hypervisor.ts'
import type { StoreSession } from '../../../src/ports/store.ts'
import { type StreamKeys, TREE_DIRS, tree } from '../../../src/schema/tree.ts'
import { createIndex, type Index } from '../../../src/view/index.ts'
import { vmsCollection } from '../../../src/view/tree-collections.ts'

export const uuid = VmUuid.parse('aaaaaaaa-0000-4000-8000-000000000001')
export const keys = tree.vm(uuid)
export const path = '/logs/web-serial.log'

/** Definition of the VM. */
export function xmlOf(append: 'on' | 'off', file = path): string {
  return `<domain><devices><serial type='pty'><log file='${file}' append='${append}'/></serial></devices></domain>`
}

function spec(xml: string): VmSpec {
  return VmSpec.parse({
    uuid,
    name: 'web',
    generation: 1,
    power: 'on',
    wishes: { start: 1, restart: 0, stopNow: 0 },
    node: 'hv1',
    lastNode: null,
    hold: null,
    xml,
    description: '',
    memoryMiB: 64,
    vcpus: 1,
    rbdList: [],
    meta: {
      nodeLimit: [],
      selector: 'none',
      autostart: false,
      migrationMethod: 'none',
      migrationMaxDowntimeMs: 300,
      profile: '',
    },
    tags: [],
  })
}

export type WorldOptions = { readonly lines?: number; readonly append?: 'on' | 'off'; readonly budgetKiBps?: number }

/** A node with its files and, while it runs, its daemon. */
export class World {
  readonly clock = new ManualClock()
  readonly ensemble = new FakeEnsemble({ clock: this.clock })
  readonly files = new Map<string, FakeLogFiles>()
  readonly faults = new Map<string, string>()
  readonly log = new FakeLog()
  /** The definition that libvirt has while the guest runs. */
  live: string | undefined
  readonly #options: WorldOptions
  readonly #stores = new Map<string, FakeStore>()
  readonly #daemons = new Map<string, { readonly consoles: Consoles; readonly index: Index }>()
  readonly #listeners = new Set<(event: HypervisorEvent) => void>()
  #observer!: StoreSession

  private constructor(options: WorldOptions) {
    this.#options = options
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const world = new World(options)
    const xml = xmlOf(options.append ?? 'on')
    world.#observer = await world.ensemble.connect().connected(1000)
    await world.#observer.ensure(TREE_DIRS)
    await world.#observer.create(keys.spec, spec(xml))
    await world.#observer.create(keys.status, emptyVmStatus(0, 0))
    for (const node of ['hv1', 'hv2'] as const) {
      const name = NodeName.parse(node)
      await world.#observer.create(tree.node(name).spec, {
        name,
        generation: 1,
        mode: 'coordinator',
        wanted: 'ready',
        wish: 0,
      })
      world.files.set(node, new FakeLogFiles())
    }
    world.live = xml
    return world
  }

  get session(): StoreSession {
    return this.#observer
  }

  file(node = 'hv1'): FakeLogFiles {
    const files = this.files.get(node)
    if (files === undefined) throw new Error(`no node ${node}`)
    return files
  }

  /** Starts the console part of a node, with a session of its own and its proof of life. */
  async boot(node = 'hv1'): Promise<Consoles> {
    const { clock, log } = this
    const store = this.ensemble.connect()
    const self = NodeName.parse(node)
    await (await store.connected(1000)).create(tree.node(self).alive, { life: LifeId.parse('life') }, 'ephemeral')
    const index = createIndex({ store, clock, log, collections: [vmsCollection()] })
    const consoles = startConsoles({
      self,
      settings: {
        lines: this.#options.lines ?? 1000,
        nodeLogLines: 50,
        budgetKiBps: this.#options.budgetKiBps ?? 4096,
      },
      store,
      session: () => (store.session.value?.state.value === 'connected' ? store.session.value : undefined),
      index,
      hypervisor: {
        xml: async () => this.live,
        subscribe: (listener) => {
          this.#listeners.add(listener)
          return () => this.#listeners.delete(listener)
        },
      },
      files: this.file(node),
      faults: { set: (id, _severity, message) => this.faults.set(id, message), clear: (id) => this.faults.delete(id) },
      clock,
      log,
    })
    this.#stores.set(node, store)
    this.#daemons.set(node, { consoles, index })
    await settle()
    return consoles
  }

  /** The daemon is gone from one moment to the next. */
  async crash(node = 'hv1'): Promise<void> {
    this.#daemons.get(node)?.index.close()
    const store = this.#stores.get(node)
    if (store) this.ensemble.suspend(store)
    await this.clock.advance(7000)
  }

  async stop(node = 'hv1'): Promise<void> {
    const daemon = this.#daemons.get(node)
    const stopped = daemon?.consoles.stop()
    await this.clock.advance(2000)
    await stopped
    daemon?.index.close()
    await this.#stores.get(node)?.close()
  }

  /** The connection of a node to the store, cut or healed. */
  cut(isCut: boolean, node = 'hv1'): void {
    const store = this.#stores.get(node)
    if (store === undefined) return
    if (isCut) this.ensemble.suspend(store)
    else this.ensemble.resume(store)
  }

  /** Gives the run record to a node, or to nobody. */
  async hold(node: string | null): Promise<void> {
    const life = LifeId.parse('life')
    await this.change(({ seq }) => ({
      run: node === null ? null : { node: NodeName.parse(node), life, holder: null },
      seq: seq + 1,
      phase: node === null ? 'off' : 'running',
    }))
  }

  async change(edit: (status: VmStatus) => Partial<VmStatus>): Promise<void> {
    const present = await this.#observer.get(keys.status)
    if (present === undefined) throw new Error('no status')
    await this.#observer.set(keys.status, { ...present.value, ...edit(present.value) }, present.version)
    await settle()
  }

  /** libvirt starts the guest. */
  started(): void {
    for (const listener of [...this.#listeners]) {
      listener({ kind: 'domain', uuid, event: 'started', detail: 'booted' })
    }
  }

  segments(stream: StreamKeys = keys.console): Promise<ConsoleSegment[]> {
    return readSegments(this.#observer, stream)
  }

  /** All text that is kept. */
  async text(stream: StreamKeys = keys.console): Promise<string> {
    return (await this.segments(stream)).map(({ text }) => text).join('')
  }
}

/** All segments, checked: numbers and positions follow each other. */
export async function readSegments(session: StoreSession, stream: StreamKeys): Promise<ConsoleSegment[]> {
  const names = [...((await session.children(stream.segments.path)) ?? [])].sort()
  const found: ConsoleSegment[] = []
  for (const [index, name] of names.entries()) {
    const segment = (await session.get(stream.segments.child(name)))?.value
    if (segment === undefined) throw new Error(`${name} vanished`)
    if (index > 0 && Number(name) !== Number(names[index - 1]) + 1) throw new Error(`a gap before ${name}`)
    const before = found.at(-1)
    const expected = before && endBehind(before)
    if (expected && (expected.line !== segment.line || expected.column !== segment.column))
      throw new Error(`segment ${name} begins at ${segment.line}.${segment.column}, not ${JSON.stringify(expected)}`)
    found.push(segment)
  }
  return found
}

/** Counted another way than the product does. */
function endBehind(segment: ConsoleSegment): { line: number; column: number } {
  const lines = linesOfSegment(segment)
  const last = lines.at(-1)
  if (last === undefined) return { line: segment.line, column: segment.column }
  return last.isEnd ? { line: last.line + 1, column: 0 } : { line: last.line, column: last.column + last.text.length }
}

/** A world in which the VM runs on hv1. */
export async function running(options: WorldOptions = {}): Promise<World> {
  const world = await World.start(options)
  await world.hold('hv1')
  await world.boot()
  return world
}

/** Lines with these numbers. */
export function numbered(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}\n`).join('')
}
