/** Leases in ZooKeeper, written by the primary in its reign's session. */
import type { Clock } from '../../../base/clock.ts'
import { withDeadline } from '../../../base/deadline.ts'
import { Reconciler } from '../../../base/reconciler.ts'
import { errorChain, hasCode } from '../../../model/errors.ts'
import { type DhcpLease, Vni } from '../../../model/network.ts'
import type { LeaseBook, LeaseEvent } from '../../../ports/dhcp.ts'
import type { Log } from '../../../ports/log.ts'
import type { Reign } from '../../../ports/primary.ts'
import type { StoreSession } from '../../../ports/store.ts'
import type { Key } from '../../../schema/key.ts'
import { tree } from '../../../schema/tree.ts'

const RETRY_MS = 250
const RESCAN_MS = 60_000
/** The last changes may take this long at the end of a reign. */
const CLOSE_MS = 1000
/** Reads in flight at the same time. */
const READS = 64

type Pending = { readonly vni: number; readonly event: LeaseEvent }

/**
 * The book of one reign. The newest change of an address waits until it is written; nothing is written after the reign,
 * because its session refuses.
 */
export class ReignLeaseBook implements LeaseBook {
  readonly #reign: Reign
  readonly #clock: Clock
  readonly #log: Log
  readonly #loop: Reconciler
  readonly #pending = new Map<string, Pending>()
  #drained: (() => void)[] = []

  constructor(reign: Reign, clock: Clock, log: Log) {
    this.#reign = reign
    this.#clock = clock
    this.#log = log
    this.#loop = new Reconciler({
      clock,
      rescanMs: RESCAN_MS,
      retryMs: RETRY_MS,
      pass: () => this.#write(),
      onError: (error) => log.warn({ error: errorChain(error) }, 'a lease could not be written and is tried again'),
    })
  }

  note(vni: number, event: LeaseEvent): void {
    const address = event.kind === 'kept' ? event.lease.address : event.address
    this.#pending.set(`${vni} ${address}`, { vni, event })
    this.#loop.trigger()
  }

  async read(vni: number): ReturnType<LeaseBook['read']> {
    await this.#settled()
    const { session } = this.#reign
    const { leases, dhcpState } = tree.network(Vni.parse(vni))
    await session.sync()
    const names = (await session.children(leases.path)) ?? []
    const found: DhcpLease[] = []
    for (let first = 0; first < names.length; first += READS) {
      const part = names.slice(first, first + READS).map((name) => session.get(leases.child(name)))
      found.push(...(await Promise.all(part)).flatMap((each) => each?.value ?? []))
    }
    const state = await session.get(dhcpState)
    return { leases: found, serverDuid: state?.value.serverDuid }
  }

  /** Writes what is left, within a bound, and ends. */
  async close(): Promise<void> {
    try {
      await withDeadline(this.#clock, CLOSE_MS, 'writing the last leases', this.#settled())
    } catch (error) {
      const lost = [...this.#pending.keys()]
      this.#log.warn(
        { lost, error: errorChain(error) },
        'leases of this reign were not written; their guests renew them',
      )
    }
    await this.#loop.stop()
  }

  /** Resolves when nothing waits to be written. */
  #settled(): Promise<void> {
    if (this.#pending.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#drained.push(resolve)
    })
  }

  async #write(): Promise<object> {
    for (const [key, pending] of this.#pending) {
      await this.#writeOne(pending)
      // A newer change may have come meanwhile.
      if (this.#pending.get(key) === pending) this.#pending.delete(key)
    }
    if (this.#pending.size === 0) for (const resolve of this.#drained.splice(0)) resolve()
    return this.#pending.size === 0 ? {} : { wakeInMs: 0 }
  }

  async #writeOne({ vni, event }: Pending): Promise<void> {
    try {
      await writeEvent(this.#reign.session, Vni.parse(vni), event)
    } catch (error) {
      if (isPassing(error)) throw error
      // It would fail for ever, and keep all others waiting.
      this.#log.error({ vni, event, error: errorChain(error) }, 'a lease could not be written and is left out')
    }
  }
}

/** Failures of the moment: the next try may succeed. */
function isPassing(error: unknown): boolean {
  return hasCode(
    error,
    'PVC_STORE_VERSION',
    'PVC_STORE_EXISTS',
    'PVC_STORE_TIMEOUT',
    'PVC_STORE_UNAVAILABLE',
    'PVC_STORE_SESSION_LOST',
  )
}

async function writeEvent(session: StoreSession, vni: Vni, event: LeaseEvent): Promise<void> {
  const keys = tree.network(vni)
  try {
    if (event.kind === 'over') {
      await session.remove(keys.leases.child(event.address).path)
      return
    }
    if (event.serverDuid !== undefined) await put(session, keys.dhcpState, { serverDuid: event.serverDuid })
    await putLease(session, vni, event.lease)
  } catch (error) {
    // The network is removed, or the lease is gone already: nothing is left to be written.
    if (!hasCode(error, 'PVC_STORE_MISSING')) throw error
  }
}

/** Whoever added the network may have died before it made the directory. @throws PVC_STORE_MISSING when there is no such network */
async function putLease(session: StoreSession, vni: Vni, lease: DhcpLease): Promise<void> {
  const { leases } = tree.network(vni)
  try {
    await put(session, leases.child(lease.address), lease)
  } catch (error) {
    if (!hasCode(error, 'PVC_STORE_MISSING')) throw error
    await session.ensure([leases.path])
    await put(session, leases.child(lease.address), lease)
  }
}

async function put<T>(session: StoreSession, key: Key<T>, value: T): Promise<void> {
  const present = await session.get(key)
  if (present === undefined) await session.create(key, value)
  else if (key.codec.encode(present.value) !== key.codec.encode(value)) await session.set(key, value, present.version)
}
