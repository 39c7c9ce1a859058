/** Three coordinators over one fake ensemble, with roles that write down what they do. */

import { ManualClock } from '../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { FakeEnsemble, type FakeStore } from '../../../src/adapters/fake/store.ts'
import { MutableSignal } from '../../../src/base/signal.ts'
import { type Coordinator, createCoordinator } from '../../../src/coordinator/coordinator.ts'
import type { PrimaryStatus } from '../../../src/model/coordinator.ts'
import { CLOSED_JOURNAL } from '../../../src/model/fence.ts'
import { LEASE_SESSION_MS } from '../../../src/model/fence-timing.ts'
import { BootId, LifeId, NodeName } from '../../../src/model/ids.ts'
import { type CoordinatorState, NodeStatus } from '../../../src/model/node.ts'
import { createFaultBoard } from '../../../src/node/faults.ts'
import type { PrimaryRole, Reign } from '../../../src/ports/primary.ts'
import type { StoreSession } from '../../../src/ports/store.ts'
import { TREE_DIRS, tree } from '../../../src/schema/tree.ts'

export const [A, B, C] = ['a', 'b', 'c'].map((name) => NodeName.parse(name)) as [NodeName, NodeName, NodeName]

/** A role of a test: it does nothing but say so. */
export class TestRole implements PrimaryRole {
  readonly name: string
  reign: Reign | undefined
  failure: string | undefined
  trouble: string | undefined
  hold: Promise<void> | undefined
  readonly #say: (what: string) => void

  constructor(name: string, say: (what: string) => void) {
    this.name = name
    this.#say = say
  }

  async prepare(isInvited: boolean): Promise<void> {
    this.#say(`prepare ${this.name}${isInvited ? ', invited' : ''}`)
  }

  hush(): void {
    this.#say(`hush ${this.name}`)
  }

  async reclaim(): Promise<void> {
    this.#say(`reclaim ${this.name}`)
  }

  async start(reign: Reign): Promise<void> {
    if (this.failure !== undefined) throw new Error(this.failure)
    this.#say(`start ${this.name}`)
    this.trouble = undefined
    this.reign = reign
  }

  async stop(): Promise<void> {
    await this.hold
    this.#say(`stop ${this.name}`)
    this.reign = undefined
  }

  problem(): string | undefined {
    return this.trouble
  }
}

export type Member = {
  readonly name: NodeName
  readonly store: FakeStore
  readonly main: FakeStore
  readonly isNodeAble: MutableSignal<boolean>
  readonly state: MutableSignal<CoordinatorState>
  readonly roles: readonly [TestRole, TestRole]
  readonly coordinator: Coordinator
}

/** Status of a node that works, as its heartbeat would write it. */
function statusOf(name: NodeName, coordinator: CoordinatorState): NodeStatus {
  return NodeStatus.parse({
    name,
    heartbeat: 1,
    life: `life-${name}`,
    bootId: `boot-${name}`,
    selfFence: 'off',
    watchdog: 'absent',
    storageAddrs: [],
    ack: 0,
    daemon: 'run',
    certified: true,
    domainState: 'ready',
    coordinator,
    versions: { pvc: '0', libvirt: '0', qemu: '0', kernel: '0' },
    os: '',
    arch: '',
    resources: {
      cpuCount: 1,
      load1: 0,
      memoryTotalMiB: 1,
      memoryUsedMiB: 0,
      memoryFreeMiB: 1,
      memoryAllocatedMiB: 0,
      memoryProvisionedMiB: 0,
      vcpusAllocated: 0,
    },
    runningDomains: [],
    domainsCount: 0,
    incoming: [],
    faults: [],
  })
}

/** The cluster of a test. `events` holds what roles did, as `node what`, with the seconds since the start. */
export class Coordinators {
  readonly clock = new ManualClock()
  readonly ensemble = new FakeEnsemble({ clock: this.clock, timeoutMs: LEASE_SESSION_MS })
  readonly log = new FakeLog()
  readonly events: string[] = []
  readonly members = new Map<NodeName, Member>()
  readonly #admin = this.ensemble.connect()

  get session(): StoreSession {
    const session = this.#admin.session.value
    if (session === undefined) throw new Error('the ensemble is away')
    return session
  }

  async create(names: readonly NodeName[] = [A, B, C]): Promise<void> {
    await this.session.ensure(TREE_DIRS)
    await this.session.create(tree.cluster, {
      name: 'lab',
      generation: 1,
      maintenance: { on: false, since: 0, by: '', reason: '' },
      defaults: { selector: 'mem', shutdownTimeoutMs: 1000 },
    })
    for (const name of names) {
      await this.session.ensure([`/nodes/${name}`])
      await this.session.create(tree.node(name).fence, CLOSED_JOURNAL)
      await this.session.create(tree.node(name).status, statusOf(name, 'secondary'))
    }
  }

  /** A coordinator comes up; its node part is done at once. */
  async start(name: NodeName): Promise<Member> {
    const [main, store] = [this.ensemble.connect(), this.ensemble.connect()]
    const isNodeAble = new MutableSignal(true)
    const state = new MutableSignal<CoordinatorState>('secondary')
    const say = (what: string) => void this.events.push(`${name} ${what}`)
    const roles = [new TestRole('addresses', say), new TestRole('fencer', say)] as const
    await main.session.value?.create(tree.node(name).alive, { life: LifeId.parse(`life-${name}`) }, 'ephemeral')
    state.subscribe(async (value) => {
      const key = tree.node(name).status
      const session = main.session.value
      if (session?.state.value !== 'connected') return
      const before = await session.get(key)
      if (before) await session.set(key, statusOf(name, value), before.version)
    })
    const coordinator = createCoordinator(
      {
        self: name,
        coordinators: [A, B, C],
        store,
        bootId: BootId.parse(`boot-${name}`),
        isNodeAble,
        state,
        faults: createFaultBoard(this.clock),
        clock: this.clock,
        log: this.log.child({ component: name }),
      },
      roles,
    )
    const member = { name, store, main, isNodeAble, state, roles, coordinator }
    this.members.set(name, member)
    return member
  }

  async startAll(): Promise<readonly [Member, Member, Member]> {
    await this.create()
    const first = await this.start(A)
    await this.clock.advance(1500)
    return [first, await this.start(B), await this.start(C)]
  }

  async order(node: NodeName | null, not: NodeName | null = null): Promise<void> {
    const before = await this.session.get(tree.primary.wanted)
    const value = { node, not, wish: (before?.value.wish ?? 0) + 1, by: 'test' }
    if (before) await this.session.set(tree.primary.wanted, value, before.version)
    else await this.session.create(tree.primary.wanted, value)
  }

  async primary(): Promise<string | undefined> {
    return (await this.session.get(tree.primary.lease))?.value.node
  }

  async status(): Promise<PrimaryStatus | undefined> {
    return (await this.session.get(tree.primary.status))?.value
  }

  /** The machine loses its power: both sessions go silent. */
  powerCut({ store, main }: Member): void {
    this.ensemble.suspend(store)
    this.ensemble.suspend(main)
  }
}
