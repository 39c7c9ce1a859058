import type { Clock } from '../../base/clock.ts'
import { PvcError } from '../../model/errors.ts'
import type { PoolName, VolumeName, VolumeRef } from '../../model/ids.ts'
import type { Pool, PoolStats, VolumeInfo, VolumeLock, VolumeWatcher } from '../../model/storage.ts'
import { clientIp, entriesOf } from '../../model/storage-address.ts'
import type { Ceph } from '../../ports/ceph.ts'
import { boundCall, FakeScript, runOutcome } from './calls.ts'
import { FakeCephClient, type FakeCephWorld, FakeImage, type FakeWrite } from './ceph-image.ts'

export type FakeCephVerb = keyof Ceph

export type FakeCephOptions = {
  readonly clock: Clock
  readonly deadlineMs?: number
  /** A dead client's watch vanishes after this time (a real cluster: 30 s). */
  readonly watchTimeoutMs?: number
}

/** A whole Ceph cluster in memory, shared by all fake hosts, with cooperative locks, watches and a blocklist. */
export class FakeCeph implements Ceph {
  readonly script = new FakeScript<FakeCephVerb>()
  /** Every applied write, in order. */
  readonly writes: FakeWrite[] = []
  readonly watchTimeoutMs: number
  readonly clock: Clock
  readonly #deadlineMs: number
  readonly #pools = new Map<string, Pool>()
  readonly #images = new Map<string, FakeImage>()
  readonly #clients: FakeCephClient[] = []
  /** Address to the monotonic time at which its entry expires. */
  readonly #blocklist = new Map<string, number>()
  readonly #listeners = new Set<() => void>()
  #nextClient = 4000

  constructor(options: FakeCephOptions) {
    this.clock = options.clock
    this.#deadlineMs = options.deadlineMs ?? 10_000
    this.watchTimeoutMs = options.watchTimeoutMs ?? 30_000
  }

  /** A new client instance on the machine with address `ip`. */
  connect(ip: string): FakeCephClient {
    this.#nextClient += 1
    const client = new FakeCephClient(this, this.#nextClient, `${ip}:0/${this.#nextClient * 7919}`)
    this.#clients.push(client)
    return client
  }

  /** Makes a volume at once, with its pool. */
  addVolume(volume: string, sizeBytes = 1024 ** 3): FakeImage {
    const image = new FakeImage(this.worldOf(volume), volume, sizeBytes)
    this.#images.set(volume, image)
    const name = volume.split('/')[0] as PoolName
    if (!this.#pools.has(name)) this.#pools.set(name, { name, pgs: 8, tier: 'default', copies: 3, minCopies: 2 })
    return image
  }

  /** What an image sees of the cluster; a simulation gives each one servers of its own. */
  protected worldOf(_volume: string): FakeCephWorld {
    return this
  }

  /** Another machine's client takes the lock of `volume` and lives on. */
  lockByStranger(volume: string, ip: string): FakeCephClient {
    const client = this.connect(ip)
    const image = this.#image(volume)
    client.open(image)
    client.write(image, { owner: 'stranger', seq: 0 })
    return client
  }

  image(volume: string): FakeImage | undefined {
    return this.#images.get(volume)
  }

  isBlocklisted(address: string): boolean {
    const now = this.clock.nowMs()
    return [address, ...entriesOf(clientIp(address))].some(
      (entry) => (this.#blocklist.get(entry) ?? Number.NEGATIVE_INFINITY) > now,
    )
  }

  /** `ceph osd blocklist add`: an entry that is there is not prolonged. */
  blocklist(address: string, expireS: number): void {
    if ((this.#blocklist.get(address) ?? Number.NEGATIVE_INFINITY) > this.clock.nowMs()) return
    this.#blocklist.set(address, this.clock.nowMs() + expireS * 1000)
    for (const client of this.#clients) if (this.isBlocklisted(client.address)) client.dropWatches()
    this.changed()
  }

  /** `ceph osd blocklist rm`: a living client behind the entry can write again. */
  unblocklist(address: string): void {
    this.#blocklist.delete(address)
    this.changed()
  }

  /** What `ceph osd blocklist ls` shows: entries with their expiry in wall time. */
  blocklistEntries(): readonly { readonly address: string; readonly untilMs: number }[] {
    const now = this.clock.nowMs()
    return [...this.#blocklist]
      .filter(([, expiresMs]) => expiresMs > now)
      .map(([address, expiresMs]) => ({ address, untilMs: this.clock.wallMs() + expiresMs - now }))
  }

  record(write: FakeWrite): void {
    this.writes.push(write)
  }

  /** Tells when locks, watchers or the blocklist changed. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  changed(): void {
    for (const listener of [...this.#listeners]) listener()
  }

  ping(): Promise<void> {
    return this.#call('ping', 'ceph', () => undefined)
  }
  createPool(pool: Pool): Promise<void> {
    return this.#call('createPool', `pool ${pool.name}`, () => {
      if (this.#pools.has(pool.name)) throw new PvcError('PVC_CEPH_EXISTS', `pool ${pool.name} exists already`)
      this.#pools.set(pool.name, pool)
    })
  }
  listPools(): Promise<readonly string[]> {
    return this.#call('listPools', 'pools', () => [...this.#pools.keys()])
  }
  poolStats(): Promise<ReadonlyMap<string, PoolStats>> {
    return this.#call('poolStats', 'pools', () => {
      const names = [...this.#pools.keys()]
      return new Map(names.map((name, index) => [name, this.#poolStats(name, index + 1)]))
    })
  }
  createVolume(pool: PoolName, volume: VolumeName, sizeBytes: number): Promise<void> {
    const name = `${pool}/${volume}`
    return this.#call('createVolume', name, () => {
      if (!this.#pools.has(pool)) throw new PvcError('PVC_CEPH_NOT_FOUND', `pool ${pool} does not exist`)
      if (this.#images.has(name)) throw new PvcError('PVC_CEPH_EXISTS', `volume ${name} exists already`)
      this.addVolume(name, sizeBytes)
    })
  }
  removeVolume(pool: PoolName, volume: VolumeName): Promise<void> {
    const name = `${pool}/${volume}`
    return this.#call('removeVolume', name, () => {
      if (this.#image(name).watchers.size > 0)
        throw new PvcError('PVC_CEPH_BUSY', `volume ${name} cannot be removed: it still has watchers`)
      this.#images.delete(name)
    })
  }
  resizeVolume(pool: PoolName, volume: VolumeName, sizeBytes: number): Promise<void> {
    const name = `${pool}/${volume}`
    return this.#call('resizeVolume', name, () => {
      const image = this.#image(name)
      if (sizeBytes < image.sizeBytes) throw new PvcError('PVC_CEPH_FAILED', `volume ${name} cannot be made smaller`)
      image.sizeBytes = sizeBytes
    })
  }
  volumeInfo(pool: PoolName, volume: VolumeName): Promise<VolumeInfo> {
    const name = `${pool}/${volume}`
    return this.#call('volumeInfo', name, () => volumeInfo(this.#image(name)))
  }
  locks(volume: VolumeRef): Promise<readonly VolumeLock[]> {
    return this.#call('locks', volume, () => this.#image(volume).locks())
  }
  watchers(volume: VolumeRef): Promise<readonly VolumeWatcher[]> {
    return this.#call('watchers', volume, () => this.#image(volume).watcherList())
  }
  blocklistClient(address: string, expireS: number): Promise<void> {
    return this.#call('blocklistClient', address, () => this.blocklist(address, expireS))
  }
  evictLocker(volume: VolumeRef, lock: VolumeLock, expireS: number): Promise<void> {
    return this.#call('evictLocker', volume, () => {
      const image = this.#image(volume)
      const held = image.locks()[0]
      if (held?.lockId !== lock.lockId || held.locker !== lock.locker) return
      this.blocklist(lock.address, expireS)
      image.lock = undefined
      this.changed()
    })
  }
  breakLock(volume: VolumeRef, lock: VolumeLock): Promise<void> {
    return this.#call('breakLock', volume, () => {
      const image = this.#image(volume)
      const held = image.locks()[0]
      if (held?.lockId !== lock.lockId || held.locker !== lock.locker) return
      image.lock = undefined
      this.changed()
    })
  }

  #image(name: string): FakeImage {
    const image = this.#images.get(name)
    if (!image) throw new PvcError('PVC_CEPH_NOT_FOUND', `volume ${name} does not exist`)
    return image
  }

  #poolStats(name: string, id: number): PoolStats {
    const sizes = [...this.#images.values()].filter((image) => image.name.startsWith(`${name}/`))
    const storedBytes = sizes.reduce((sum, image) => sum + image.sizeBytes, 0)
    const zeros = { clones: 0, missingOnPrimary: 0, unfound: 0, degraded: 0 }
    const traffic = { readOps: 0, readBytes: 0, writeOps: 0, writeBytes: 0 }
    const space = { storedBytes, freeBytes: 1024 ** 4, usedBytes: storedBytes * 3, usedPercent: 0 }
    return { id, ...space, objects: sizes.length, copies: sizes.length * 3, ...zeros, ...traffic }
  }

  #call<T>(verb: FakeCephVerb, subject: string, effect: () => T): Promise<T> {
    const work = runOutcome(this.clock, this.script.next(verb), effect)
    return boundCall(this.clock, this.#deadlineMs, 'PVC_CEPH_TIMEOUT', `${verb} of ${subject}`, work)
  }
}

function volumeInfo(image: FakeImage): VolumeInfo {
  const objectSizeBytes = 4 * 1024 * 1024
  return {
    id: image.name,
    sizeBytes: image.sizeBytes,
    objects: Math.ceil(image.sizeBytes / objectSizeBytes),
    order: 22,
    objectSizeBytes,
    snapshotCount: 0,
    blockNamePrefix: `rbd_data.${image.name.replace('/', '-')}`,
    format: 2,
    features: ['layering', 'exclusive-lock', 'object-map', 'fast-diff', 'deep-flatten'],
    opFeatures: [],
    flags: [],
    createTimestamp: 'Thu Jan  1 00:00:00 1970',
    accessTimestamp: 'Thu Jan  1 00:00:00 1970',
    modifyTimestamp: 'Thu Jan  1 00:00:00 1970',
  }
}
