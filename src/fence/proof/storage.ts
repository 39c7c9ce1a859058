import { errorChain } from '../../model/errors.ts'
import { entriesOf } from '../../model/storage-address.ts'
import type { BlocklistEntry, OsdState, StorageFence } from '../../ports/storage-fence.ts'
import type { StorageProof } from '../view.ts'
import type { ProofContext } from './context.ts'

/** A fenced node must not come to life again by itself, however long nobody looks at it (protocol T8). */
const EXPIRE_S = 365 * 86_400
/** An entry that ends sooner is made anew, and is no evidence. */
const LASTING_MS = 30 * 86_400_000
/** How often an entry that is there is looked at again. */
const LEVEL_MS = 5000

/**
 * Shuts a node out of Ceph and sees to it that every OSD knows (protocol P4 a and b, T7). The entries are a level: they are
 * made again when somebody took them out.
 */
export class StorageCollector {
  readonly #storage: StorageFence
  readonly #context: ProofContext
  readonly #current = new Set<number>()
  #osdEpoch: number | undefined
  #areOsdsCurrent = false
  #areOwnOsdsDown = false
  #osds: readonly OsdState[] | undefined
  /** They are of the map that shuts the node out. */
  #areOsdsFresh = false
  #checkedAtMs = Number.NEGATIVE_INFINITY
  #failingSinceMs: number | undefined
  #problem = ''

  constructor(storage: StorageFence, context: ProofContext) {
    this.#storage = storage
    this.#context = context
  }

  get proof(): StorageProof {
    const { clock } = this.#context
    return {
      osdEpoch: this.#osdEpoch,
      areOsdsCurrent: this.#osdEpoch !== undefined && this.#areOsdsCurrent,
      areOwnOsdsDown: this.#areOwnOsdsDown,
      problem: this.#problem,
      failingForMs: this.#failingSinceMs === undefined ? 0 : clock.nowMs() - this.#failingSinceMs,
    }
  }

  /**
   * One step further, if there is one. @returns true when there was news
   * @param mayMarkDown the life is over, so its OSDs are only in the way
   */
  async step(addresses: readonly string[], mayMarkDown: boolean): Promise<boolean> {
    const before = JSON.stringify([this.#osdEpoch, this.#areOsdsCurrent, this.#areOwnOsdsDown, this.#problem])
    try {
      await this.#keepLevel(addresses)
      if (this.#osdEpoch !== undefined) await this.#spread(addresses, mayMarkDown, this.#osdEpoch)
    } catch (error) {
      this.#problem = errorChain(error)
    }
    return before !== JSON.stringify([this.#osdEpoch, this.#areOsdsCurrent, this.#areOwnOsdsDown, this.#problem])
  }

  /** Whether the entries are there and lasting now, looked up at once. Otherwise it begins anew. */
  async isListedNow(addresses: readonly string[]): Promise<boolean> {
    const entries = await this.#storage.entries(this.#context.signal)
    const isListed = areLasting(entries, addresses, this.#context.clock.wallMs())
    if (isListed) this.#checkedAtMs = this.#context.clock.nowMs()
    else this.#begin()
    return isListed
  }

  #begin(): void {
    this.#osdEpoch = undefined
    this.#areOsdsCurrent = false
    this.#current.clear()
  }

  /** Only here Ceph may count as lost: where it takes the entries but refuses what comes after, another primary would do no better. */
  async #keepLevel(addresses: readonly string[]): Promise<void> {
    try {
      if (this.#osdEpoch !== undefined && this.#isDue()) await this.isListedNow(addresses)
      if (this.#osdEpoch === undefined) await this.#shutOut(addresses)
      this.#failingSinceMs = undefined
    } catch (error) {
      this.#failingSinceMs ??= this.#context.clock.nowMs()
      throw error
    }
  }

  async #spread(addresses: readonly string[], mayMarkDown: boolean, osdEpoch: number): Promise<void> {
    if (mayMarkDown && !this.#areOwnOsdsDown) await this.#markDown(addresses)
    if (!this.#areOsdsCurrent) await this.#askOsds(addresses, osdEpoch)
  }

  #isDue(): boolean {
    return this.#context.clock.nowMs() - this.#checkedAtMs >= LEVEL_MS
  }

  async #shutOut(addresses: readonly string[]): Promise<void> {
    const { signal, clock } = this.#context
    // A primary that was deposed in between must not repeat what its successor may have ended already.
    const done = await this.#context.irreversible('blocklist', () =>
      this.#storage.blocklist(addresses, EXPIRE_S, signal),
    )
    if (done.kind === 'refused') {
      this.#problem = done.reason
      return
    }
    this.#problem = ''
    const { epoch, osds } = done.value
    this.#osdEpoch = epoch
    this.#osds = osds
    this.#areOsdsFresh = true
    this.#checkedAtMs = clock.nowMs()
    this.#context.tell('blocklist', `${addresses.join(', ')} in Ceph's blocklist from map ${epoch} on`)
  }

  /**
   * An OSD on the fenced host that lives may still work with an older map for clients beside it; marked down, it serves nobody
   * before it has registered with a newer one. And nobody waits for the heartbeats of a dead one.
   */
  async #markDown(addresses: readonly string[]): Promise<void> {
    const { signal } = this.#context
    const osds = this.#osds ?? (await this.#storage.osds(signal)).osds
    const own = osds.filter((osd) => osd.isUp && isOn(osd.addresses, addresses)).map(({ id }) => id)
    if (own.length > 0) {
      const done = await this.#context.irreversible('osd down', () => this.#storage.markDown(own, signal))
      if (done.kind === 'refused') {
        this.#problem = done.reason
        return
      }
      this.#context.tell('blocklist', `OSD ${own.join(', ')} of the node marked down`)
    }
    this.#areOwnOsdsDown = true
  }

  async #askOsds(addresses: readonly string[], osdEpoch: number): Promise<void> {
    const { signal } = this.#context
    // Who registers after the map that shuts the node out has that map; later, those that went down are not waited for.
    const osds = this.#areOsdsFresh && this.#osds ? this.#osds : (await this.#storage.osds(signal)).osds
    this.#areOsdsFresh = false
    this.#osds = osds
    const outside = osds.filter((osd) => osd.isUp && !isOn(osd.addresses, addresses)).map(({ id }) => id)
    const unknown = outside.filter((id) => !this.#current.has(id))
    const epochs = await this.#storage.osdEpochs(unknown, signal)
    for (const [id, epoch] of epochs) if (epoch >= osdEpoch) this.#current.add(id)
    const behind = outside.filter((id) => !this.#current.has(id))
    this.#areOsdsCurrent = behind.length === 0
    this.#problem = behind.length === 0 ? '' : `OSD ${behind.join(', ')} has not confirmed map ${osdEpoch}`
    if (behind.length === 0) this.#context.tell('blocklist', `all ${outside.length} other OSDs work with that map`)
  }
}

function isOn(osd: readonly string[], host: readonly string[]): boolean {
  return osd.some((address) => host.includes(address))
}

function areLasting(entries: readonly BlocklistEntry[], addresses: readonly string[], wallMs: number): boolean {
  const until = new Map(entries.map(({ address, untilMs }) => [address, untilMs]))
  return addresses.every((ip) => entriesOf(ip).some((entry) => (until.get(entry) ?? 0) >= wallMs + LASTING_MS))
}
