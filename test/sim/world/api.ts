/** The operator and the API: the real operations over a connection and an index of their own. */
import { fakeRuleChecker } from '../../../src/adapters/fake/rule-checker.ts'
import { isVmSpec, type RunRecord } from '../../../src/model/domain.ts'
import { errorChain, PvcError } from '../../../src/model/errors.ts'
import { NodeName, VmUuid } from '../../../src/model/ids.ts'
import { initialiseCluster } from '../../../src/operations/cluster.ts'
import { setMaintenance, untilMaintenanceAcknowledged } from '../../../src/operations/coordinator.ts'
import type { OperationsDeps } from '../../../src/operations/deps.ts'
import { type DomainWish, setDomainWish } from '../../../src/operations/node-flush.ts'
import type { PowerAction } from '../../../src/operations/plan.ts'
import { PoolStatsCache } from '../../../src/operations/pool-stats.ts'
import { defineVm } from '../../../src/operations/vm-define.ts'
import { removeVm } from '../../../src/operations/vm-delete.ts'
import { setVmPower } from '../../../src/operations/vm-edit.ts'
import { moveVm } from '../../../src/operations/vm-move.ts'
import type { Ceph } from '../../../src/ports/ceph.ts'
import type { Store } from '../../../src/ports/store.ts'
import { tree } from '../../../src/schema/tree.ts'
import { createIndex, type Index } from '../../../src/view/index.ts'
import {
  clusterCollection,
  nodesCollection,
  primaryCollections,
  vmsCollection,
} from '../../../src/view/tree-collections.ts'
import type { Engine } from '../engine/engine.ts'
import { simLog } from '../engine/log.ts'
import type { SimProcess } from '../engine/process.ts'

const POLICY = {} as const
/** The one job there is. */
const JOB = 'job-1'

export type ApiOptions = {
  readonly engine: Engine
  readonly process: SimProcess
  readonly store: Store
  readonly ceph: Ceph
}

export class Api {
  readonly #options: ApiOptions
  readonly #deps: OperationsDeps
  readonly #index: Index

  constructor(options: ApiOptions) {
    this.#options = options
    const { engine, store, ceph, process } = options
    const { clock } = process
    const log = simLog(engine, 'operator')
    const parts = nodesCollection(['status', 'alive', 'flush'])
    this.#index = createIndex({
      store,
      clock,
      log,
      collections: [clusterCollection(), ...primaryCollections(), parts, vmsCollection()],
    })
    this.#deps = {
      store,
      index: this.#index,
      ceph,
      poolStats: new PoolStatsCache({ ceph, clock, log }),
      rules: fakeRuleChecker,
      clock,
      log,
      hostNetworks: [],
      defaults: { maxDowntimeMs: 300, underlayMtu: 1500, bridgeMtu: 1500 },
    }
  }

  async initialise(): Promise<void> {
    const session = await this.#options.store.connected(10_000)
    await initialiseCluster(session, { name: 'simulation', shutdownTimeoutMs: 20_000 })
  }

  /** So many nodes have said that they are certified. */
  nodesCertified(): number {
    const names = this.#index.children(tree.nodes.path)
    return names.filter((name) => this.#index.get(tree.node(NodeName.parse(name)).status)?.value.certified).length
  }

  define(name: string, uuid: string, node: string): Promise<string> {
    const disk = `<disk type='network' device='disk'><source protocol='rbd' name='vms/${name}'/><target dev='vda' bus='virtio'/></disk>`
    const xml = `<domain type='kvm'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>1024</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>${disk}</devices></domain>`
    const request = { xml, node, nodeLimit: undefined, meta: {}, userTags: [], protectedTags: [] }
    return this.#wish(`define ${name} at ${node}`, () => defineVm(this.#deps, request))
  }

  remove(name: string): Promise<string> {
    const removal = { deleteDisks: false, version: undefined }
    return this.#wish(`remove ${name}`, () => removeVm(this.#deps, name, removal))
  }

  power(name: string, action: PowerAction): Promise<string> {
    const options = { isForced: false, version: undefined }
    return this.#wish(`${action} ${name}`, () => setVmPower(this.#deps, name, action, options))
  }

  move(name: string, target: string, action: 'move' | 'migrate'): Promise<string> {
    const asked = { action, target, isForced: true, isLiveOnly: false, policy: POLICY, version: undefined }
    return this.#wish(`${action} ${name} to ${target}`, () => moveVm(this.#deps, name, asked))
  }

  node(name: string, wanted: DomainWish): Promise<string> {
    return this.#wish(`${wanted} ${name}`, () => setDomainWish(this.#deps, name, wanted))
  }

  /** @returns true when the primary has confirmed it, which is when an operator is told that it is on */
  async maintenance(on: boolean): Promise<boolean> {
    let isConfirmed = false
    await this.#wish(`maintenance ${on ? 'on' : 'off'}`, async () => {
      const cluster = await setMaintenance(this.#deps, { on, by: 'operator', reason: 'simulated' })
      isConfirmed = on && (await untilMaintenanceAcknowledged(this.#deps, cluster)) === 'confirmed'
    })
    return isConfirmed
  }

  /** A job takes the run record of a VM that is off, at the VM's node. @returns undefined when somebody holds it */
  async holdForJob(vm: VmUuid): Promise<{ readonly node: NodeName; readonly seq: number } | undefined> {
    const spec = this.#index.get(tree.vm(vm).spec)?.value
    const life = isVmSpec(spec) ? this.#index.get(tree.node(spec.node).status)?.value.life : undefined
    if (!isVmSpec(spec) || life === undefined) return undefined
    const { node } = spec
    const seq = await this.#setRecord(vm, (run) => (run === null ? { node, life, holder: JOB } : undefined))
    return seq === undefined ? undefined : { node, seq }
  }

  /** The job is done. */
  async releaseFromJob(vm: VmUuid): Promise<void> {
    await this.#setRecord(vm, (run) => (run?.holder === JOB ? null : undefined))
  }

  /** By compare-and-set. @returns its new seq, or undefined when it was not changed */
  async #setRecord(
    vm: VmUuid,
    change: (run: RunRecord | null) => RunRecord | null | undefined,
  ): Promise<number | undefined> {
    try {
      const session = await this.#options.store.connected(10_000)
      const { status: key } = tree.vm(vm)
      const before = await session.get(key)
      const run = before === undefined ? undefined : change(before.value.run)
      if (before === undefined || run === undefined) return undefined
      const seq = before.value.seq + 1
      await session.set(key, { ...before.value, seq, run }, before.version)
      return seq
    } catch (error) {
      if (error instanceof PvcError) return undefined
      throw error
    }
  }

  /** Whether the VM is wanted on, as the store has it. */
  isWantedOn(uuid: string): boolean {
    const spec = this.#index.get(tree.vm(VmUuid.parse(uuid)).spec)?.value
    return isVmSpec(spec) && spec.power === 'on' && spec.hold === null
  }

  /** A wish ends: granted, or refused with a sentence. Anything else is a bug. */
  async #wish(what: string, make: () => Promise<unknown>): Promise<string> {
    const { engine } = this.#options
    engine.note(`  operator: ${what}`)
    try {
      await make()
      engine.note(`  operator: ${what}: done`)
      return 'done'
    } catch (error) {
      if (!(error instanceof PvcError) || error.code === 'PVC_INTERNAL') throw error
      engine.note(`  operator: ${what}: ${errorChain(error)}`)
      return errorChain(error)
    }
  }
}
