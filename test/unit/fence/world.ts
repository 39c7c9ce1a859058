/** A cluster of documents, fake Ceph and fake BMCs around the real fencer, on a clock of its own. */
import { FakeCeph } from '../../../src/adapters/fake/ceph.ts'
import { ManualClock } from '../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { FakePeers } from '../../../src/adapters/fake/peer.ts'
import { FakePower } from '../../../src/adapters/fake/power.ts'
import { FakeOsdMap, FakeStorageFence } from '../../../src/adapters/fake/storage-fence.ts'
import { FakeEnsemble, type FakeStore } from '../../../src/adapters/fake/store.ts'
import { createFencer } from '../../../src/fence/fencer.ts'
import type { FenceJournal } from '../../../src/model/fence.ts'
import { LifeId, type NodeName } from '../../../src/model/ids.ts'
import { NodeStatus } from '../../../src/model/node.ts'
import { createFaultBoard } from '../../../src/node/faults.ts'
import { register } from '../../../src/node/membership/registration.ts'
import type { MaintenanceGate, PrimaryRole, Reign } from '../../../src/ports/primary.ts'
import type { StoreSession } from '../../../src/ports/store.ts'
import { tree } from '../../../src/schema/tree.ts'
import { nodeFacts } from '../model/placement-world.ts'
import { FenceDocuments, must, name } from './documents.ts'

export type NodeOptions = {
  readonly life?: string
  readonly bootId?: string
  readonly status?: Partial<NodeStatus>
}

/** One primary: its fencer and its reign. */
type Primary = {
  readonly role: PrimaryRole
  readonly store: FakeStore
  readonly end: AbortController
  readonly storage: FakeStorageFence
  readonly resigned: string[]
  readonly faults: ReturnType<typeof createFaultBoard>
}

export class FenceWorld extends FenceDocuments {
  readonly clock: ManualClock
  readonly ensemble: FakeEnsemble
  readonly osds = new FakeOsdMap(this.ceph)
  readonly power: FakePower
  readonly peers = new FakePeers()
  readonly log = new FakeLog()
  readonly announced: string[] = []
  readonly #nodes = new Map<string, FakeStore>()
  readonly #coordinators: readonly NodeName[]
  readonly #settings: { readonly maxNodes?: number | undefined; readonly isEnabled?: boolean | undefined }
  #epoch = 0
  primary: Primary | undefined

  private constructor(
    nodes: readonly string[],
    settings: { readonly maxNodes?: number | undefined; readonly isEnabled?: boolean | undefined },
  ) {
    const clock = new ManualClock()
    const ensemble = new FakeEnsemble({ clock })
    super(must(ensemble.connect().session.value), new FakeCeph({ clock }))
    this.clock = clock
    this.ensemble = ensemble
    this.power = new FakePower(clock)
    this.#coordinators = nodes.slice(0, 3).map(name)
    this.#settings = settings
  }

  static async open(
    nodes: readonly string[] = ['n1', 'n2', 'n3'],
    settings: { readonly maxNodes?: number; readonly isEnabled?: boolean } = {},
  ): Promise<FenceWorld> {
    const world = new FenceWorld(nodes, settings)
    for (const [index, node] of nodes.entries()) {
      await register(world.admin, {
        self: name(node),
        mode: 'coordinator',
        clusterName: 'test',
        shutdownTimeoutMs: 1000,
      })
      world.osds.addOsd(index, world.address(node))
      await world.boot(node)
      const sealed = { method: 'ipmi' as const, sealed: node, fingerprint: node }
      await world.admin.create(tree.node(name(node)).power, sealed)
    }
    return world
  }

  address(node: string): string {
    return `10.0.1.${node.slice(1)}`
  }

  /** The node shows its proof of life and says what it is. */
  async boot(
    node: string,
    { life = `${node}-life1`, bootId = `${node}-boot1`, status }: NodeOptions = {},
  ): Promise<void> {
    const store = this.#nodes.get(node) ?? this.ensemble.connect()
    this.#nodes.set(node, store)
    const session = must(store.session.value)
    await session.create(tree.node(name(node)).alive, { life: LifeId.parse(life) }, 'ephemeral')
    await this.say(node, { life, bootId, ...status })
  }

  /** The node writes its status. */
  async say(node: string, change: Record<string, unknown>): Promise<void> {
    const key = tree.node(name(node)).status
    const present = await this.admin.get(key)
    const base = present?.value ?? {
      ...nodeFacts(node).status,
      selfFence: 'armed',
      watchdog: 'present',
      selfFenceBoundS: 20,
      sessionTimeoutMs: 6000,
      storageAddrs: [this.address(node)],
    }
    const next = NodeStatus.parse({ ...base, ...change })
    if (present === undefined) await this.admin.create(key, next)
    else await this.admin.set(key, next, present.version)
  }

  /** Its session ends: a power cut, or it was cut off from ZooKeeper. */
  vanish(node: string): void {
    const store = must(this.#nodes.get(node))
    store.isReachable = false
    this.ensemble.expire(store)
    this.#nodes.delete(node)
  }

  /** A node becomes primary: journals are touched with its epoch, then its fencer starts. It may die after so many writes. */
  async reign(node = 'n1', diesAfter = Number.POSITIVE_INFINITY): Promise<Primary> {
    this.#epoch += 1
    const store = this.ensemble.connect()
    const session = must(store.session.value)
    for (const each of (await session.children(tree.nodes.path)) ?? [])
      await this.setJournal(each, { epoch: this.#epoch })
    const end = new AbortController()
    let writes = 0
    const set = session.set.bind(session)
    // As if its machine lost power right behind one of its writes.
    session.set = async (key, value, version) => {
      const written = await set(key, value, version)
      writes += 1
      if (writes === diesAfter) {
        end.abort()
        this.ensemble.expire(store)
      }
      return written
    }
    const storage = new FakeStorageFence(this.osds)
    const faults = createFaultBoard(this.clock)
    const resigned: string[] = []
    const reign: Reign = {
      node: name(node),
      epoch: this.#epoch,
      session,
      validForMs: () => (end.signal.aborted ? 0 : 2000),
      ended: end.signal,
      maintenance: gate(session, end.signal),
      faults,
      resign: (reason) => void resigned.push(reason),
    }
    const role = createFencer({
      settings: {
        isEnabled: this.#settings.isEnabled ?? true,
        maxNodes: this.#settings.maxNodes,
        stopGraceMs: 120_000,
        powerTimeoutMs: 8000,
        coordinators: this.#coordinators,
      },
      storage,
      ceph: this.ceph,
      power: this.power,
      unseal: () => ({ method: 'ipmi', host: 'bmc', user: 'u', password: 'p', interface: 'lanplus', cipherSuite: 3 }),
      peers: this.peers,
      hook: {
        announce: (of, journal) => void this.announced.push(`${of} ${journal.state}`),
        held: (of) => void this.announced.push(`${of} held`),
      },
      clock: this.clock,
      log: this.log,
    })
    this.primary = { role, store, end, storage, resigned, faults }
    await role.start(reign)
    await this.clock.advance(0)
    return this.primary
  }

  /** The primary dies: its session ends, nothing of it is orderly. */
  async depose(): Promise<void> {
    const { end, store, role } = must(this.primary)
    end.abort()
    this.ensemble.expire(store)
    await role.stop()
    this.primary = undefined
  }

  /** Lets time pass until something holds. @throws when it does not within `ms` @returns how long it took */
  async until(what: () => Promise<boolean>, ms = 60_000, stepMs = 100): Promise<number> {
    const from = this.clock.nowMs()
    while (!(await what())) {
      if (this.clock.nowMs() - from >= ms) throw new Error(`not within ${ms} ms`)
      await this.clock.advance(stepMs)
    }
    return this.clock.nowMs() - from
  }

  untilState(node: string, state: FenceJournal['state'], ms?: number): Promise<number> {
    return this.until(async () => (await this.journal(node)).state === state, ms)
  }

  async texts(node: string): Promise<string> {
    return (await this.journal(node)).events.map(({ text }) => text).join('\n')
  }

  faultIds(): readonly string[] {
    return must(this.primary)
      .faults.list()
      .map(({ id }) => id)
  }

  /** Everything is stopped; nothing may be left running. */
  async close(): Promise<void> {
    if (this.primary !== undefined) await this.depose()
  }
}

function gate(session: StoreSession, ended: AbortSignal): MaintenanceGate {
  let isOn = false
  return {
    get isOn() {
      return isOn
    },
    async run(what, work) {
      isOn = (await session.get(tree.cluster))?.value.maintenance.on ?? false
      if (isOn) return { kind: 'refused', reason: `${what}: the cluster is in maintenance` }
      if (ended.aborted) return { kind: 'refused', reason: `${what}: this node is not primary any more` }
      return { kind: 'done', value: await work() }
    },
  }
}
