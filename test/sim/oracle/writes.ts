/** S2: no write of an older holder is applied after one of a newer. */
import type { FakeWrite } from '../../../src/adapters/fake/ceph-image.ts'
import { Violation } from './violation.ts'

export class WriteOracle {
  readonly #newest = new Map<string, FakeWrite>()

  applied(write: FakeWrite): void {
    const newest = this.#newest.get(write.volume)
    // Under one run record a guest may be started again: its newer client has the greater number.
    const isOlder =
      newest !== undefined &&
      (write.seq < newest.seq || (write.seq === newest.seq && clientOf(write) < clientOf(newest)))
    if (isOlder) {
      const message = `${write.volume}: a write of ${words(write)} was applied after one of ${words(newest)}`
      throw new Violation('S2', message)
    }
    this.#newest.set(write.volume, write)
  }
}

function clientOf({ address }: FakeWrite): number {
  return Number(address.slice(address.lastIndexOf('/') + 1))
}

function words({ owner, seq, address }: FakeWrite): string {
  return `${owner} (seq ${seq}, client ${address})`
}
