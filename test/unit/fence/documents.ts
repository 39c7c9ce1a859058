/** The documents of a test cluster, as API and nodes would write them. */
import type { FakeCeph } from '../../../src/adapters/fake/ceph.ts'
import {
  isVmSpec,
  type VmArrival,
  type VmSpec,
  VmSpec as VmSpecSchema,
  type VmStatus,
} from '../../../src/model/domain.ts'
import { CLOSED_JOURNAL, type FenceJournal, type FenceOrder } from '../../../src/model/fence.ts'
import { LifeId, NodeName, type VmUuid } from '../../../src/model/ids.ts'
import type { StoreSession } from '../../../src/ports/store.ts'
import { tree } from '../../../src/schema/tree.ts'
import { uuidOf, type VmPlace, vmFacts } from '../model/placement-world.ts'

export const name = (text: string): NodeName => NodeName.parse(text)

export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('there is none')
  return value
}

export class FenceDocuments {
  readonly admin: StoreSession
  readonly ceph: FakeCeph

  constructor(admin: StoreSession, ceph: FakeCeph) {
    this.admin = admin
    this.ceph = ceph
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
    await this.admin.create(keys.spec, facts.spec)
    await this.admin.create(keys.status, { ...facts.status, run, migration })
    for (const volume of facts.spec.rbdList) this.ceph.addVolume(volume)
    return facts.spec.uuid
  }

  async status(vm: string): Promise<VmStatus> {
    return must(await this.admin.get(tree.vm(uuidOf(vm)).status)).value
  }

  async spec(vm: string): Promise<VmSpec> {
    const document = must(await this.admin.get(tree.vm(uuidOf(vm)).spec)).value
    if (!isVmSpec(document)) throw new Error(`${vm} is deleted`)
    return document
  }

  /** Changes the status of a VM as its node would. */
  async setStatus(vm: string, change: Partial<VmStatus>): Promise<void> {
    const key = tree.vm(uuidOf(vm)).status
    const present = must(await this.admin.get(key))
    await this.admin.set(key, { ...present.value, ...change }, present.version)
  }

  async setSpec(vm: string, change: Partial<VmSpec>): Promise<void> {
    const key = tree.vm(uuidOf(vm)).spec
    const present = must(await this.admin.get(key))
    await this.admin.set(key, VmSpecSchema.parse({ ...present.value, ...change }), present.version)
  }

  /** The VM was removed while its record was held. */
  async tombstone(uuid: VmUuid): Promise<void> {
    const key = tree.vm(uuid).spec
    const present = must(await this.admin.get(key))
    await this.admin.set(key, { uuid, deleted: { at: 0, lastSeq: 1, generation: 5 } }, present.version)
  }

  /** What a target says about a copy. */
  async arrival(uuid: VmUuid, said: Pick<VmArrival, 'migrationId' | 'state'> & { node: string; life: string }) {
    const key = tree.vm(uuid).arrival
    const value = { ...said, node: name(said.node), life: LifeId.parse(said.life), reason: '' }
    const present = await this.admin.get(key)
    if (present === undefined) await this.admin.create(key, value)
    else await this.admin.set(key, value, present.version)
  }

  /** The highest run.seq a node has seen of a VM. */
  async seen(node: string, uuid: VmUuid, seq: number): Promise<void> {
    const key = tree.node(name(node)).seqs
    const present = must(await this.admin.get(key))
    await this.admin.set(key, { seqs: { [uuid]: seq } }, present.version)
  }

  async decisions(vm: string) {
    return (await this.admin.get(tree.decisionsOf(uuidOf(vm))))?.value.decisions ?? []
  }

  name(text: string): NodeName {
    return name(text)
  }

  keys(node: string) {
    return tree.node(name(node))
  }

  async journal(node: string): Promise<FenceJournal> {
    return (await this.admin.get(tree.node(name(node)).fence))?.value ?? CLOSED_JOURNAL
  }

  async setJournal(node: string, change: Partial<FenceJournal>): Promise<void> {
    const key = tree.node(name(node)).fence
    const present = must(await this.admin.get(key))
    await this.admin.set(key, { ...present.value, ...change }, present.version)
  }

  async order(node: string, order: Pick<FenceOrder, 'kind' | 'seq'> & { readonly life?: string }): Promise<void> {
    const life = LifeId.parse(order.life ?? `${node}-life1`)
    await this.admin.create(tree.node(name(node)).fenceOrder, { ...order, life, by: 'alice', at: 0 })
  }

  async maintenance(on: boolean): Promise<void> {
    const present = must(await this.admin.get(tree.cluster))
    const { value } = present
    const next = { ...value, generation: value.generation + 1, maintenance: { ...value.maintenance, on } }
    await this.admin.set(tree.cluster, next, present.version)
  }
}
