/** A cluster of documents, fake Ceph and fake BMCs around the real fencer, on a clock of its own. */
import { FakeCeph } from '../../../src/adapters/fake/ceph.ts'
import { ManualClock } from '../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { FakePeers } from '../../../src/adapters/fake/peer.ts'
import { FakePower } from '../../../src/adapters/fake/power.ts'
import { FakeOsdMap, FakeStorageFence } from '../../../src/adapters/fake/storage-fence.ts'
import { FakeEnsemble, type FakeStore } from '../../../src/adapters/fake/store.ts'
import { createFencer } from '../../../src/fence/fencer.ts'
import { isVmSpec, type VmSpec, type VmStatus } from '../../../src/model/domain.ts'
import { CLOSED_JOURNAL, type FenceJournal, type FenceOrder } from '../../../src/model/fence.ts'
import { LifeId, NodeName, type VmUuid } from '../../../src/model/ids.ts'
import { NodeStatus } from '../../../src/model/node.ts'
import { createFaultBoard } from '../../../src/node/faults.ts'
import { register } from '../../../src/node/membership/registration.ts'
import type { MaintenanceGate, PrimaryRole, Reign } from '../../../src/ports/primary.ts'
import type { StoreSession } from '../../../src/ports/store.ts'
import { tree } from '../../../src/schema/tree.ts'
import { nodeFacts, uuidOf, type VmPlace, vmFacts } from '../model/placement-world.ts'

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

export const name = (text: string): NodeName => NodeName.parse(text)

export class FenceWorld {
  readonly clock = new ManualClock()
  readonly ensemble = new FakeEnsemble({ clock: this.clock })
  readonly ceph = new FakeCeph({ clock: this.clock })
  readonly osds = new FakeOsdMap(this.ceph)
  readonly power = new FakePower(this.clock)
  readonly peers = new FakePeers()
  readonly log = new FakeLog()
  readonly announced: string[] = []
  readonly #admin: StoreSession
  readonly #nodes = new Map<string, FakeStore>()
  readonly #coordinators: readonly NodeName[]
  readonly #settings: { readonly maxNodes?: number | undefined; readonly isEnabled?: boolean | undefined }
  #epoch = 0
  primary: Primary | undefined

  private constructor(
    nodes: readonly string[],
    settings: { readonly maxNodes?: number | undefined; readonly isEnabled?: boolean | undefined },
  ) {
    this.#admin = must(this.ensemble.connect().session.value)
    this.#coordinators = nodes.slice(0, 3).map(name)
    this.#settings = settings
  }

  static async open(
    nodes: readonly string[] = ['n1', 'n2', 'n3'],
    settings: { readonly maxNodes?: number; readonly isEnabled?: boolean } = {},
  ): Promise<FenceWorld> {
    const world = new FenceWorld(nodes, settings)
    for (const [index, node] of nodes.entries()) {
      await world.#admin.ensure([])
      await register(world.#admin, {
        self: name(node),
        mode: 'coordinator',
        clusterName: 'test',
        shutdownTimeoutMs: 1000,
      })
      world.osds.addOsd(index, world.address(node))
      await world.boot(node)
      const sealed = { method: 'ipmi' as const, sealed: node, fingerprint: node }
      await world.#admin.create(tree.node(name(node)).power, sealed)
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
    const present = await this.#admin.get(key)
    const base = present?.value ?? {
      ...nodeFacts(node).status,
      selfFence: 'armed',
      watchdog: 'present',
      selfFenceBoundS: 20,
      sessionTimeoutMs: 6000,
      storageAddrs: [this.address(node)],
    }
    const next = NodeStatus.parse({ ...base, ...change })
    if (present === undefined) await this.#admin.create(key, next)
    else await this.#admin.set(key, next, present.version)
  }

  /** Its session ends: a power cut, or it was cut off from ZooKeeper. */
  vanish(node: string): void {
    const store = must(this.#nodes.get(node))
    store.isReachable = false
    this.ensemble.expire(store)
    this.#nodes.delete(node)
  }

  async vm(vm: string, place: VmPlace & { readonly life?: string }): Promise<VmUuid> {
    const facts = vmFacts(vm, place)
    const keys = tree.vm(facts.spec.uuid)
    const run =
      facts.status.run === null ? null : { ...facts.status.run, life: LifeId.parse(place.life ?? `${place.run}-life1`) }
    const migration =
      facts.status.migration === null
        ? null
        : {
            ...facts.status.migration,
            to: { ...facts.status.migration.to, life: LifeId.parse(`${place.copyTo}-life1`) },
          }
    await this.#admin.create(keys.spec, facts.spec)
    await this.#admin.create(keys.status, { ...facts.status, run, migration })
    for (const volume of facts.spec.rbdList) this.ceph.addVolume(volume)
    return facts.spec.uuid
  }

  async status(vm: string): Promise<VmStatus> {
    return must(await this.#admin.get(tree.vm(uuidOf(vm)).status)).value
  }

  async spec(vm: string): Promise<VmSpec> {
    const document = must(await this.#admin.get(tree.vm(uuidOf(vm)).spec)).value
    if (!isVmSpec(document)) throw new Error(`${vm} is deleted`)
    return document
  }

  /** Changes the status of a VM as its node would. */
  async setStatus(vm: string, change: Partial<VmStatus>): Promise<void> {
    const key = tree.vm(uuidOf(vm)).status
    const present = must(await this.#admin.get(key))
    await this.#admin.set(key, { ...present.value, ...change }, present.version)
  }

  async journal(node: string): Promise<FenceJournal> {
    return (await this.#admin.get(tree.node(name(node)).fence))?.value ?? CLOSED_JOURNAL
  }

  async setJournal(node: string, change: Partial<FenceJournal>): Promise<void> {
    const key = tree.node(name(node)).fence
    const present = must(await this.#admin.get(key))
    await this.#admin.set(key, { ...present.value, ...change }, present.version)
  }

  async order(node: string, order: Pick<FenceOrder, 'kind' | 'seq'> & { readonly life?: string }): Promise<void> {
    const life = LifeId.parse(order.life ?? `${node}-life1`)
    await this.#admin.create(tree.node(name(node)).fenceOrder, { ...order, life, by: 'alice', at: 0 })
  }

  async maintenance(on: boolean): Promise<void> {
    const present = must(await this.#admin.get(tree.cluster))
    const { value } = present
    const next = { ...value, generation: value.generation + 1, maintenance: { ...value.maintenance, on } }
    await this.#admin.set(tree.cluster, next, present.version)
  }

  get admin(): StoreSession {
    return this.#admin
  }

  /** A node becomes primary: journals are touched with its epoch, then its fencer starts. */
  async reign(node = 'n1'): Promise<Primary> {
    this.#epoch += 1
    const store = this.ensemble.connect()
    const session = must(store.session.value)
    for (const each of (await session.children(tree.nodes.path)) ?? [])
      await this.setJournal(each, { epoch: this.#epoch })
    const end = new AbortController()
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
      announce: (of, journal) => void this.announced.push(`${of} ${journal.state}`),
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

export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('there is none')
  return value
}
