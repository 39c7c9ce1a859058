/**
 * Ceph of the simulation: the fake cluster with OSDs that learn of maps one by one, writes that are still on their way
 * when their sender ends, and an onlooker of every write that is applied.
 */
import { FakeCeph } from '../../../src/adapters/fake/ceph.ts'
import type {
  FakeCephClient,
  FakeCephWorld,
  FakeImage,
  FakeWrite,
  FakeWriteStamp,
} from '../../../src/adapters/fake/ceph-image.ts'
import type { Clock } from '../../../src/base/clock.ts'
import type { VolumeRef } from '../../../src/model/ids.ts'
import type { VolumeLock } from '../../../src/model/storage.ts'
import type { StorageFence } from '../../../src/ports/storage-fence.ts'
import type { Engine } from '../engine/engine.ts'
import type { Random } from '../engine/random.ts'

/** An OSD and the map it works with: a copy of the blocklist. */
type Osd = {
  readonly id: number
  readonly host: string
  readonly address: string
  isUp: boolean
  epoch: number
  blocklist: ReadonlyMap<string, number>
}

export type SimCephOptions = {
  readonly engine: Engine
  readonly random: Random
  readonly clock: Clock
  readonly hosts: readonly { readonly name: string; readonly storageAddress: string }[]
}

/** How long an OSD takes to learn of a new map when nobody tells it sooner. */
const MAP_LAG_MS = [1, 800] as const

export class SimCeph extends FakeCeph {
  /** Told of every applied write, with the number of the OSD that applied it: each holds a part of every image. */
  onApplied: (write: FakeWrite, osd: number) => void = () => undefined
  /** Told of a lock that was taken from a client that lives and is not shut out. */
  onLockTaken: (volume: string, client: string) => void = () => undefined
  /** Longest time until an OSD learns of a map; raised by a fault. */
  lagMs: number = MAP_LAG_MS[1]
  /** Writes to the pool wait: too few OSDs, or the network of all of them is away. */
  isStalled = false
  readonly #engine: Engine
  readonly #random: Random
  readonly #images: FakeImage[] = []
  readonly #entries = new Map<string, number>()
  /** Who watched what when it was shut out. */
  readonly #dropped: { readonly image: FakeImage; readonly client: FakeCephClient }[] = []
  readonly #osds: Osd[]
  #epoch = 100

  constructor({ engine, random, clock, hosts }: SimCephOptions) {
    super({ clock })
    this.#engine = engine
    this.#random = random
    this.#osds = hosts.map(({ name, storageAddress }, id) => ({
      id,
      host: name,
      address: storageAddress,
      isUp: true,
      epoch: this.#epoch,
      blocklist: new Map(),
    }))
  }

  /** Each write of an image goes to one of its OSDs, which judges by the map that it has. */
  protected override worldOf(_volume: string): FakeCephWorld {
    const osds = this.#osds
    return {
      clock: this.clock,
      watchTimeoutMs: this.watchTimeoutMs,
      isBlocklisted: (address) => this.isBlocklisted(address),
      blocklist: (address, expireS) => this.blocklist(address, expireS),
      changed: () => this.changed(),
      record: (write) => {
        // A client that writes has the map in which it could open the image, and tells its OSD.
        const osd = this.#random.pick(osds)
        this.#learn(osd)
        this.#apply(write, osd)
      },
    }
  }

  /**
   * A guest writes. Usually at once; sometimes the write is on its way for a while, and arrives also when its sender was
   * killed meanwhile. An orderly end, and a lock that is given up, wait for the writes under way.
   */
  guestWrite(image: FakeImage, client: FakeCephClient, stamp: FakeWriteStamp, delayMs: number): void {
    if (this.isStalled) return
    if (delayMs === 0 || image.lock?.client !== client) return void client.write(image, stamp)
    if (this.isBlocklisted(client.address) || !client.isReachable) return
    const osd = this.#random.pick(this.#osds)
    this.#engine.after(delayMs, 'ceph: a write arrives', () => {
      const isUnderWay = client.wasKilled || image.lock?.client === client
      if (this.isStalled || !isUnderWay || isListed(osd.blocklist, client.address, this.clock.nowMs())) return
      this.#apply({ ...stamp, atMs: this.clock.nowMs(), volume: image.name, address: client.address }, osd)
    })
  }

  override isBlocklisted(address: string): boolean {
    return isListed(this.#entries, address, this.clock.nowMs())
  }

  override blocklist(address: string, expireS: number): void {
    this.#entries.set(address, this.clock.nowMs() + expireS * 1000)
    this.#newMap()
    for (const image of this.#images) {
      for (const client of [...image.watchers]) {
        if (!this.isBlocklisted(client.address)) continue
        client.dropWatches()
        this.#dropped.push({ image, client })
      }
    }
    this.changed()
  }

  override unblocklist(address: string): void {
    this.#entries.delete(address)
    this.#newMap()
    this.#watchAgain()
    this.changed()
  }

  override evictLocker(volume: VolumeRef, lock: VolumeLock, expireS: number): Promise<void> {
    this.#judgeBreaking(volume, lock)
    return super.evictLocker(volume, lock, expireS)
  }

  override breakLock(volume: VolumeRef, lock: VolumeLock): Promise<void> {
    this.#judgeBreaking(volume, lock)
    return super.breakLock(volume, lock)
  }

  #judgeBreaking(volume: VolumeRef, { lockId }: VolumeLock): void {
    const held = this.#images.find(({ name }) => name === volume)?.lock
    if (held === undefined || held.lockId !== lockId) return
    const { state, address } = held.client
    if (state === 'alive' && !this.isBlocklisted(address)) this.onLockTaken(volume, address)
  }

  /** Remembers a volume, to drop the watches of clients that are blocklisted. */
  override addVolume(volume: string, sizeBytes?: number): FakeImage {
    const image = super.addVolume(volume, sizeBytes)
    this.#images.push(image)
    return image
  }

  /** Addresses in the newest map. */
  listed(): readonly string[] {
    return this.#live().map(([address]) => address)
  }

  setOsds(host: string, isUp: boolean): void {
    for (const osd of this.#osds) if (osd.host === host) osd.isUp = isUp
    this.#newMap()
  }

  /** The part of Ceph that keeps a node from writing; every command has its effect at once. */
  storageFence(): StorageFence {
    const states = () => {
      const osds = this.#osds.map(({ id, isUp, address }) => ({ id, isUp, addresses: [address] }))
      return { epoch: this.#epoch, osds }
    }
    return {
      blocklist: async (addresses, expireS) => {
        for (const address of addresses) this.blocklist(whole(address), expireS)
        return states()
      },
      unblocklist: async (addresses) => {
        for (const address of addresses) if (this.#entries.has(whole(address))) this.unblocklist(whole(address))
      },
      entries: async () => this.#live().map(([address, untilMs]) => ({ address, untilMs: this.#wall(untilMs) })),
      osds: async () => states(),
      osdEpochs: async (ids) => {
        const found = this.#osds.filter((osd) => ids.includes(osd.id) && osd.isUp)
        return new Map(found.map((osd) => [osd.id, osd.epoch]))
      },
      markDown: async (ids) => {
        for (const osd of this.#osds) if (ids.includes(osd.id)) this.#learn(osd)
      },
      mayBlocklist: async () => undefined,
    }
  }

  /** Measured: a QEMU that outlives its entry in the blocklist connects anew, takes the lock, and writes again. */
  #watchAgain(): void {
    for (const dropped of [...this.#dropped]) {
      const { image, client } = dropped
      if (this.isBlocklisted(client.address)) continue
      this.#dropped.splice(this.#dropped.indexOf(dropped), 1)
      if (client.state === 'alive' && client.isReachable) image.watchers.add(client)
    }
  }

  #live(): readonly (readonly [string, number])[] {
    return [...this.#entries].filter(([, untilMs]) => untilMs > this.clock.nowMs())
  }

  #wall(atMs: number): number {
    return Math.round(this.clock.wallMs() + atMs - this.clock.nowMs())
  }

  #apply(write: FakeWrite, { id }: Osd): void {
    this.writes.push(write)
    this.onApplied(write, id)
  }

  #learn(osd: Osd): void {
    osd.epoch = this.#epoch
    osd.blocklist = new Map(this.#entries)
  }

  #newMap(): void {
    this.#epoch += 1
    for (const osd of this.#osds) {
      const epoch = this.#epoch
      const seen = new Map(this.#entries)
      this.#engine.after(
        this.#random.durationMs(MAP_LAG_MS[0], this.lagMs),
        `ceph: osd.${osd.id} has map ${epoch}`,
        () => {
          if (osd.epoch >= epoch) return
          osd.epoch = epoch
          osd.blocklist = seen
        },
      )
    }
  }
}

function isListed(entries: ReadonlyMap<string, number>, address: string, nowMs: number): boolean {
  return [address, whole(address)].some((entry) => (entries.get(entry) ?? Number.NEGATIVE_INFINITY) > nowMs)
}

/** The entry of a whole address: of `10.0.0.1`, `10.0.0.1:0/0` or `10.0.0.1:0/123`. */
function whole(address: string): string {
  const ip = address.replace(/:\d+\/\d+$/, '')
  return `${ip}:0/0`
}
