import { PvcError } from '../../model/errors.ts'
import { entriesOf } from '../../model/storage-address.ts'
import type { BlocklistEntry, OsdState, StorageFence } from '../../ports/storage-fence.ts'
import { boundCall, FakeScript, runOutcome } from './calls.ts'
import type { FakeCeph } from './ceph.ts'

type FakeOsd = { isUp: boolean; addresses: readonly string[]; epoch: number; isLagging: boolean; isRunning: boolean }

/** The monitors' map of a fake Ceph: epochs, and OSDs that learn of them at once, late or never. */
export class FakeOsdMap {
  readonly ceph: FakeCeph
  epoch = 10
  readonly #osds = new Map<number, FakeOsd>()

  constructor(ceph: FakeCeph) {
    this.ceph = ceph
  }

  addOsd(id: number, address: string): void {
    this.#osds.set(id, { isUp: true, addresses: [address], epoch: this.epoch, isLagging: false, isRunning: true })
  }

  /** A lagging OSD keeps its map; it takes the newest one when it lags no more, or after it was marked down. */
  lag(id: number, isLagging: boolean): void {
    const osd = this.#need(id)
    osd.isLagging = isLagging
    if (!isLagging) osd.epoch = this.epoch
  }

  /** The OSD's process ends, or comes back; the map shows it as up until somebody marks it down. */
  setRunning(id: number, isRunning: boolean): void {
    const osd = this.#need(id)
    osd.isRunning = isRunning
    if (!isRunning) return
    osd.isUp = true
    this.step()
  }

  /** A new map: every OSD that runs and does not lag has it at once. */
  step(): void {
    this.epoch += 1
    for (const osd of this.#osds.values()) if (osd.isRunning && !osd.isLagging) osd.epoch = this.epoch
  }

  states(): readonly OsdState[] {
    return [...this.#osds].map(([id, { isUp, addresses }]) => ({ id, isUp, addresses }))
  }

  /** Undefined: it does not answer. */
  epochOf(id: number): number | undefined {
    const osd = this.#osds.get(id)
    return osd?.isRunning && osd.isUp ? osd.epoch : undefined
  }

  markDown(ids: readonly number[]): void {
    for (const id of ids) {
      const osd = this.#osds.get(id)
      if (osd === undefined) continue
      osd.isUp = false
      // A living one sees itself as down in the new map and registers again.
      if (osd.isRunning) {
        osd.isUp = true
        osd.isLagging = false
      }
    }
    this.step()
  }

  #need(id: number): FakeOsd {
    const osd = this.#osds.get(id)
    if (osd === undefined) throw new Error(`no OSD ${id}`)
    return osd
  }
}

/**
 * One caller's way to a fake Ceph. `script` makes its commands fail, hang, or take effect after their deadline; a command
 * that was aborted may still take effect, as a killed `ceph` may have sent its request already.
 */
export class FakeStorageFence implements StorageFence {
  readonly script = new FakeScript<keyof StorageFence>()
  /** Every command with an effect, in the order in which they took effect. */
  readonly effects: string[] = []
  readonly #map: FakeOsdMap
  readonly #deadlineMs: number

  constructor(map: FakeOsdMap, deadlineMs = 2000) {
    this.#map = map
    this.#deadlineMs = deadlineMs
  }

  async blocklist(addresses: readonly string[], expireS: number, signal?: AbortSignal) {
    return this.#call('blocklist', addresses.join(','), signal, () => {
      for (const address of addresses) this.#add(address, expireS)
      this.#map.step()
      this.effects.push(`blocklist ${addresses.join(',')}`)
      return { epoch: this.#map.epoch, osds: this.#map.states() }
    })
  }

  unblocklist(addresses: readonly string[], signal?: AbortSignal): Promise<void> {
    return this.#call('unblocklist', addresses.join(','), signal, () => {
      for (const entry of addresses.flatMap(entriesOf)) this.#map.ceph.unblocklist(entry)
      this.#map.step()
      this.effects.push(`unblocklist ${addresses.join(',')}`)
    })
  }

  entries(signal?: AbortSignal): Promise<readonly BlocklistEntry[]> {
    return this.#call('entries', 'blocklist', signal, () => this.#map.ceph.blocklistEntries())
  }

  osds(signal?: AbortSignal) {
    return this.#call('osds', 'map', signal, () => ({ epoch: this.#map.epoch, osds: this.#map.states() }))
  }

  osdEpochs(osds: readonly number[], signal?: AbortSignal): Promise<ReadonlyMap<number, number>> {
    return this.#call('osdEpochs', osds.join(','), signal, () => {
      const known = osds.flatMap((id): [number, number][] => {
        const epoch = this.#map.epochOf(id)
        return epoch === undefined ? [] : [[id, epoch]]
      })
      return new Map(known)
    })
  }

  markDown(osds: readonly number[], signal?: AbortSignal): Promise<void> {
    return this.#call('markDown', osds.join(','), signal, () => {
      this.#map.markDown(osds)
      this.effects.push(`down ${osds.join(',')}`)
    })
  }

  mayBlocklist(signal?: AbortSignal): Promise<void> {
    return this.#call('mayBlocklist', 'blocklist', signal, () => undefined)
  }

  #add(ip: string, expireS: number): void {
    const { ceph } = this.#map
    const [whole, range] = entriesOf(ip)
    ceph.blocklist(whole, expireS)
    const untilMs = ceph.blocklistEntries().find(({ address }) => address === whole)?.untilMs ?? 0
    if (untilMs < ceph.clock.wallMs() + (expireS * 1000) / 2) ceph.blocklist(range, expireS)
  }

  #call<T>(verb: keyof StorageFence, what: string, signal: AbortSignal | undefined, effect: () => T): Promise<T> {
    const { clock } = this.#map.ceph
    const text = `${verb} of ${what}`
    if (signal?.aborted) return Promise.reject(aborted(text))
    const work = runOutcome(clock, this.script.next(verb), effect)
    const bounded = boundCall(clock, this.#deadlineMs, 'PVC_CEPH_TIMEOUT', text, work)
    if (signal === undefined) return bounded
    return new Promise<T>((resolve, reject) => {
      const abort = () => reject(aborted(text))
      signal.addEventListener('abort', abort, { once: true })
      bounded.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
    })
  }
}

function aborted(what: string): PvcError {
  return new PvcError('PVC_CEPH_TIMEOUT', `${what} was told to stop`)
}
