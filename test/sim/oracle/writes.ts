/** S2: no write of an older holder is applied after one of a newer. */
import type { FakeWrite } from '../../../src/adapters/fake/ceph-image.ts'
import { Violation } from './violation.ts'

export class WriteOracle {
  /** By volume. */
  readonly #newest = new Map<string, FakeWrite>()
  /** By volume and OSD. */
  readonly #newestOfPart = new Map<string, FakeWrite>()

  /**
   * Under one run record a guest may be started again, on the same machine: its newer client has the greater number, and
   * blocklists the older one before it begins. Nobody waits until every OSD knows: a write of the older one that was under
   * way may still reach a part of the image which the newer one has not touched, as if it had come before. Where the newer
   * one has been, the OSD knows its map and refuses. Another holder waits for all OSDs.
   *
   * @returns true for such a write
   */
  applied(write: FakeWrite, osd: number): boolean {
    const newest = this.#newest.get(write.volume)
    if (newest !== undefined && write.seq < newest.seq) fail(write, newest)
    const part = `${write.volume} ${osd}`
    const newestOfPart = this.#newestOfPart.get(part)
    if (newestOfPart !== undefined && isOlderClient(write, newestOfPart)) fail(write, newestOfPart)
    this.#newestOfPart.set(part, write)
    if (newest !== undefined && isOlderClient(write, newest)) return true
    this.#newest.set(write.volume, write)
    return false
  }
}

function isOlderClient(write: FakeWrite, newest: FakeWrite): boolean {
  return write.seq === newest.seq && clientOf(write) < clientOf(newest)
}

function fail(write: FakeWrite, newest: FakeWrite): never {
  throw new Violation('S2', `${write.volume}: a write of ${words(write)} was applied after one of ${words(newest)}`)
}

function clientOf({ address }: FakeWrite): number {
  return Number(address.slice(address.lastIndexOf('/') + 1))
}

function words({ owner, seq, address }: FakeWrite): string {
  return `${owner} (seq ${seq}, client ${address})`
}
