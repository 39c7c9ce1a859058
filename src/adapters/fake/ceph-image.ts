import type { Clock } from '../../base/clock.ts'
import type { VolumeLock, VolumeWatcher } from '../../model/storage.ts'

/** Who wrote: what the write oracle compares. */
export type FakeWriteStamp = { readonly owner: string; readonly seq: number }
export type FakeWrite = FakeWriteStamp & { readonly atMs: number; readonly volume: string; readonly address: string }

/** waiting: the write hangs and is worth another try; blocklisted: it fails for good; closed: the client is gone. */
export type FakeWriteResult = 'written' | 'waiting' | 'blocklisted' | 'closed'

/** What all clients and images of a fake Ceph share. */
export type FakeCephWorld = {
  readonly clock: Clock
  /** A dead client's watch vanishes after this time. */
  readonly watchTimeoutMs: number
  isBlocklisted(address: string): boolean
  blocklist(address: string, expireS: number): void
  record(write: FakeWrite): void
  /** Locks, watchers or the blocklist changed: a waiting write may go on. */
  changed(): void
}

/**
 * One RBD image with the exclusive-lock feature. The lock is cooperative: a living holder hands it over on request, so it
 * fences nobody. A dead holder keeps it until its watch expires or its client instance is blocklisted.
 */
export class FakeImage {
  sizeBytes: number
  lock: { readonly lockId: string; readonly client: FakeCephClient } | undefined
  readonly watchers = new Set<FakeCephClient>()
  readonly name: string
  readonly #world: FakeCephWorld

  constructor(world: FakeCephWorld, name: string, sizeBytes: number) {
    this.#world = world
    this.name = name
    this.sizeBytes = sizeBytes
  }

  locks(): readonly VolumeLock[] {
    if (!this.lock) return []
    const { lockId, client } = this.lock
    return [{ lockId, locker: `client.${client.id}`, address: client.address }]
  }

  watcherList(): readonly VolumeWatcher[] {
    return [...this.watchers].map((client) => ({ address: client.address, client: client.id }))
  }

  write(client: FakeCephClient, stamp: FakeWriteStamp): FakeWriteResult {
    const world = this.#world
    if (world.isBlocklisted(client.address)) return 'blocklisted'
    if (client.state === 'dead' || !this.watchers.has(client)) return 'closed'
    if (!client.isReachable) return 'waiting'
    const holder = this.lock?.client
    if (holder && holder !== client && !this.#canTakeFrom(holder)) return 'waiting'
    const isTaken = holder !== client
    if (isTaken) this.lock = { lockId: `auto ${client.cookie}`, client }
    world.record({ ...stamp, atMs: world.clock.nowMs(), volume: this.name, address: client.address })
    if (isTaken) world.changed()
    return 'written'
  }

  #canTakeFrom(holder: FakeCephClient): boolean {
    if (this.#world.isBlocklisted(holder.address)) return true
    if (holder.state === 'alive' && holder.isReachable) return true
    if (this.watchers.has(holder)) return false
    // librbd blocklists a holder whose watch is gone before it breaks the lock, for one hour.
    this.#world.blocklist(holder.address, 3600)
    return true
  }
}

/** One client instance (`ip:0/nonce`): a QEMU or a tool with images open. */
export class FakeCephClient {
  readonly id: number
  readonly address: string
  readonly cookie: number
  state: 'alive' | 'dead' = 'alive'
  /** False while its host is cut off: its writes hang, its watches expire. */
  isReachable = true
  /** It ended without an orderly end: writes of it may still be on their way. */
  wasKilled = false
  readonly #world: FakeCephWorld
  readonly #images = new Set<FakeImage>()

  constructor(world: FakeCephWorld, id: number, address: string) {
    this.#world = world
    this.id = id
    this.address = address
    this.cookie = 140_000_000_000_000 + id
  }

  open(image: FakeImage): void {
    this.#images.add(image)
    image.watchers.add(this)
    this.#world.changed()
  }

  write(image: FakeImage, stamp: FakeWriteStamp): FakeWriteResult {
    return image.write(this, stamp)
  }

  /** Gives the lock of an image back and keeps it open. */
  unlock(image: FakeImage | undefined): void {
    if (image?.lock?.client !== this || this.#world.isBlocklisted(this.address)) return
    image.lock = undefined
    this.#world.changed()
  }

  /** Orderly end (also SIGTERM): lock and watch are gone at once. */
  close(): void {
    this.state = 'dead'
    for (const image of this.#images) {
      image.watchers.delete(this)
      if (image.lock?.client === this && !this.#world.isBlocklisted(this.address)) image.lock = undefined
    }
    this.#images.clear()
    this.#world.changed()
  }

  /** SIGKILL or power cut: the lock stays, the watch stays until it expires. */
  die(): void {
    if (this.state === 'dead') return
    this.state = 'dead'
    this.wasKilled = true
    this.#expireWatches()
  }

  /** The client's host is cut off from Ceph (false), or healed (true: it watches again). */
  setReachable(isReachable: boolean): void {
    if (this.isReachable === isReachable) return
    this.isReachable = isReachable
    if (isReachable) {
      if (this.state === 'alive') for (const image of this.#images) image.watchers.add(this)
      this.#world.changed()
    } else this.#expireWatches()
  }

  /** A blocklisted client loses its watches at once. */
  dropWatches(): void {
    for (const image of this.#images) image.watchers.delete(this)
  }

  #expireWatches(): void {
    this.#world.clock.setTimer(this.#world.watchTimeoutMs, () => {
      if (this.state === 'alive' && this.isReachable) return
      this.dropWatches()
      this.#world.changed()
    })
  }
}
