/** S4 and S5: every change of a run record is one of the allowed ones, and seq only grows. */
import type { VmStatus } from '../../../src/model/domain.ts'
import type { FenceJournal } from '../../../src/model/fence.ts'
import type { Cluster } from '../world/cluster.ts'
import { Violation } from './violation.ts'

type Change = { readonly uuid: string; readonly before: VmStatus; readonly after: VmStatus; readonly owner: string }

export class RecordOracle {
  readonly #cluster: Cluster
  /** The highest of all times, also when the store has lost the write of it. */
  readonly #seqs = new Map<string, number>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** A document was written; `owner` is the connection that did it, such as `hv1: zk`. */
  written(path: string, before: string | undefined, after: string | undefined, owner: string): void {
    const uuid = /^\/vms\/([^/]+)\/status$/.exec(path)?.[1]
    if (uuid === undefined) return
    const old = before === undefined ? undefined : (JSON.parse(before) as VmStatus)
    if (after === undefined) {
      if (old?.run != null) throw new Violation('S5', `the status of ${uuid} was removed while ${old.run.node} held it`)
      return
    }
    const now = JSON.parse(after) as VmStatus
    this.#checkSeq(uuid, now.seq)
    if (old === undefined) return
    const isMoved = JSON.stringify(old.run) !== JSON.stringify(now.run)
    if (now.seq !== old.seq + (isMoved ? 1 : 0)) {
      throw new Violation(
        'S4',
        `seq of ${uuid} went from ${old.seq} to ${now.seq} while the record ${isMoved ? 'changed' : 'stayed'}`,
      )
    }
    if (isMoved) this.#checkChange({ uuid, before: old, after: now, owner })
  }

  #checkSeq(uuid: string, seq: number): void {
    const highest = this.#seqs.get(uuid) ?? 0
    if (seq < highest) throw new Violation('S4', `seq of ${uuid} went back from ${highest} to ${seq}`)
    this.#seqs.set(uuid, seq)
  }

  #checkChange(change: Change): void {
    const { uuid, before, after, owner } = change
    const writer = owner.split(':')[0]
    const [from, to] = [before.run, after.run]
    const isByLease = owner.endsWith(': lease')
    // The simulated job writes it by itself, and not through its node.
    const isByJob =
      writer === 'operator' && (from?.holder ?? to?.holder ?? null) !== null && (from === null) !== (to === null)
    if (isByJob) return
    const isAllowed = isByLease
      ? from !== null && this.#isProvenDead(from.node, from.life)
      : from === null
        ? to?.node === writer
        : from.node === writer && (to === null ? this.#isDrained(change) : this.#isOwnHandOver(change))
    if (isAllowed) return
    const words = (run: VmStatus['run']) => (run === null ? 'nobody' : `${run.node} (${run.life})`)
    throw new Violation(
      'S5',
      `${owner} gave the record of ${uuid} from ${words(from)} to ${words(to)} without the right to`,
    )
  }

  #isDrained({ uuid, before }: Change): boolean {
    const node = before.run?.node ?? ''
    const domain = [...this.#cluster.host(node).libvirtd.domains.values()].find((each) => each.uuid === uuid)
    const isCreating =
      this.#cluster.daemons
        .get(node)
        ?.hypervisor.outstandingCreates()
        .has(uuid as never) === true
    return !isCreating && (domain === undefined || domain.state === 'shutoff')
  }

  /** To the target of its own migration, or from a dead life of this machine to the present one. */
  #isOwnHandOver({ uuid, before, after }: Change): boolean {
    const node = before.run?.node ?? ''
    const { migration } = before
    const domains = [...this.#cluster.host(node).libvirtd.domains.values()]
    const isRunningHere = domains.some((domain) => domain.uuid === uuid && domain.run && domain.state === 'running')
    if (after.run?.node === node) return after.run.life !== before.run?.life && !isRunningHere
    return migration?.to.node === after.run?.node && migration?.to.life === after.run?.life && !isRunningHere
  }

  #isProvenDead(node: string, life: string): boolean {
    const text = this.#cluster.servers.tree.get(`/nodes/${node}/fence`)?.text
    if (text === undefined) return false
    const { deadLives } = JSON.parse(text) as FenceJournal
    return (deadLives as readonly string[]).includes(life)
  }
}
