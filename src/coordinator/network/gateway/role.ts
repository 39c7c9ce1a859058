/**
 * The role that carries the gateways of guest networks. In a planned handover the successor has them, and has told the guests,
 * before the old primary gives them up: no packet finds nobody. Both route alike meanwhile.
 */
import { type Clock, sleep, type Timer } from '../../../base/clock.ts'
import { errorChain } from '../../../model/errors.ts'
import { type GatewayAddress, gatewayAddresses, without } from '../../../model/gateway.ts'
import type { AddressRecord } from '../../../ports/address-record.ts'
import type { Log } from '../../../ports/log.ts'
import type { HostNetwork } from '../../../ports/network.ts'
import type { PrimaryRole } from '../../../ports/primary.ts'
import { tree } from '../../../schema/tree.ts'
import { readNetworks } from '../../../view/networks.ts'
import { createNetworkRole, type NetworkIndex } from '../network-role.ts'

export type GatewayDeps = {
  readonly index: NetworkIndex
  readonly network: HostNetwork
  readonly record: AddressRecord
  /**
   * So long packets are passed on after the gateways have gone: routers outside hear by BGP that they have, and send what they get
   * until then. 0: nobody has to hear.
   */
  readonly drainMs: number
  readonly clock: Clock
  readonly log: Log
}

/** The bridge of a new network is made by another part of this daemon at the same time. */
const RETRY_MS = 200
const PATIENCE_MS = 3000

export function createGatewayRole(deps: GatewayDeps): PrimaryRole {
  const { index, clock, log } = deps
  const gateways = new Gateways(deps)
  const carry = (isNews: boolean): Promise<void> => {
    const { wanted, kept } = addressesOf(index)
    return gateways.carry(wanted, kept, isNews)
  }

  let isRising = true
  let retry: Timer | undefined
  const role = createNetworkRole({
    name: 'gateways',
    index,
    follows: [tree.networks.path],
    clock,
    log,
    async prepare() {
      if (index.isReady.value) await carry(true)
    },
    hush: () => gateways.hush(),
    reclaim: () => carry(true),
    async pass() {
      await carry(isRising)
      isRising = false
      retry?.cancel()
      if (gateways.missing().length > 0) retry = clock.setTimer(RETRY_MS, () => role.again())
    },
    async giveUp() {
      retry?.cancel()
      isRising = true
      await gateways.drop()
    },
    problem: () => gateways.problem(),
  })
  return role
}

/** `wanted`: what the primary carries. `kept`: what every node has, and this role leaves alone. */
function addressesOf(index: NetworkIndex) {
  const networks = readNetworks(index)
  return { wanted: gatewayAddresses(networks, 'primary'), kept: gatewayAddresses(networks, 'anycast') }
}

/** The gateway addresses on this host. One change at a time. */
class Gateways {
  readonly #deps: GatewayDeps
  #wanted: readonly GatewayAddress[] = []
  #queue: Promise<void> = Promise.resolve()
  #announcing = new AbortController()
  #missingSinceMs: number | undefined
  #lastError = ''
  #retired: readonly GatewayAddress[] = []

  constructor(deps: GatewayDeps) {
    this.#deps = deps
  }

  /**
   * Makes the addresses exactly these, and leaves those alone that are `kept` by others; `isNews`: the neighbours are told of
   * all, not only of new ones.
   */
  carry(wanted: readonly GatewayAddress[], kept: readonly GatewayAddress[], isNews: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const { network, record, log } = this.#deps
      const outdated = without(without(this.#wanted, wanted), kept)
      const missing = without(wanted, network.present())
      // Also what is there already is news when it was the gateway of every node until now.
      const fresh = without(wanted, this.#wanted)
      const isChanged = without(this.#wanted, wanted).length > 0 || fresh.length > 0
      if (isChanged) await record.write([...this.#wanted, ...wanted])
      await network.remove(outdated)
      this.#wanted = wanted
      await this.#add(missing)
      const told = isNews ? wanted : fresh
      await network.renew(without(told, missing).filter(({ address }) => address.includes(':')))
      if (isChanged) await record.write(wanted)
      const absent = this.missing()
      const added = without(missing, absent)
      if (added.length + outdated.length > 0)
        log.info({ added: added.map(nameOf), removed: outdated.map(nameOf) }, 'gateways changed')
      this.#announce(without([...told, ...without(missing, told)], absent))
    })
  }

  hush(): void {
    this.#announcing.abort()
  }

  drop(): Promise<void> {
    return this.#inTurn(async () => {
      // An announcement of an address that is no longer here would take it away from its new holder.
      this.#announcing.abort()
      const { network, clock, drainMs } = this.#deps
      if (drainMs > 0) {
        this.#retired = this.#wanted
        await network.retire(this.#wanted)
      } else await network.remove(this.#wanted)
      this.#wanted = []
      this.#missingSinceMs = undefined
      if (this.#retired.length === 0) return
      await sleep(clock, drainMs)
      await network.endRetirement(this.#retired)
      this.#retired = []
    })
  }

  missing(): readonly GatewayAddress[] {
    return without(this.#wanted, this.#deps.network.present())
  }

  problem(): string | undefined {
    const missing = this.missing()
    const nowMs = this.#deps.clock.nowMs()
    this.#missingSinceMs = missing.length === 0 ? undefined : (this.#missingSinceMs ?? nowMs)
    if (this.#missingSinceMs === undefined || nowMs - this.#missingSinceMs < PATIENCE_MS) return undefined
    return `gateways are missing: ${missing.map(nameOf).join(', ')} (${this.#lastError || 'somebody removed them'})`
  }

  async #add(addresses: readonly GatewayAddress[]): Promise<void> {
    try {
      await this.#deps.network.add(addresses)
      this.#lastError = ''
    } catch (error) {
      // Those that could be added were; the rest is tried again, and shown when it lasts.
      this.#lastError = errorChain(error)
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(work)
    this.#queue = turn.catch(() => undefined)
    return turn
  }

  #announce(addresses: readonly GatewayAddress[]): void {
    if (addresses.length === 0) return
    if (this.#announcing.signal.aborted) this.#announcing = new AbortController()
    // Nobody waits for it: it takes two seconds, and the first packet leaves at once.
    this.#deps.network.announce(addresses, this.#announcing.signal).catch((error: unknown) => {
      this.#deps.log.error({ error: errorChain(error) }, 'guests could not be told of a gateway')
    })
  }
}

function nameOf({ address, device }: GatewayAddress): string {
  return `${address} on ${device}`
}
