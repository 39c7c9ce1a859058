/** The role that carries the floating addresses of the cluster. */
import { isSameAddress } from '../model/address.ts'
import type { Config } from '../model/config.ts'
import { errorChain } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'
import type { HostAddress, HostNetwork } from '../ports/network.ts'
import type { PrimaryRole } from '../ports/primary.ts'

/** The floating addresses of a configuration, upstream first: there the outside waits. */
export function floatingAddresses({ cluster: { floating } }: Pick<Config, 'cluster'>): readonly HostAddress[] {
  return [floating.upstream, floating.cluster, floating.storage].flatMap((entry) => {
    if (entry === undefined) return []
    const [address = '', prefix = ''] = entry.address.split('/')
    return [{ address, prefix: Number(prefix), device: entry.device }]
  })
}

/** Those of `wanted` that are missing on this host. */
export function missingAddresses(
  wanted: readonly HostAddress[],
  present: readonly HostAddress[],
): readonly HostAddress[] {
  return wanted.filter(
    ({ address, device }) => !present.some((each) => each.device === device && isSameAddress(each.address, address)),
  )
}

/**
 * Carries the floating addresses while this node is primary. They are on this host before the neighbours hear of it, and off it before the
 * lease can be taken by another (I9). In a planned handover the successor has them already then, by leave of the primary that
 * still reigns: both answer for a moment, so that none is silent. One that somebody removed is put back.
 */
export function createFloatingRole(
  addresses: readonly HostAddress[],
  { network, log }: { readonly network: HostNetwork; readonly log: Log },
): PrimaryRole {
  let announcing = new AbortController()
  /** All of them: after a handover, neighbours may believe somebody else. */
  const announce = (): void => {
    announcing.abort()
    announcing = new AbortController()
    // Nobody waits for it: it takes two seconds, and the first packet leaves at once.
    network.announce(addresses, announcing.signal).catch((error: unknown) => {
      log.error({ error: errorChain(error) }, 'neighbours could not be told of a floating address')
    })
  }
  const take = async (): Promise<void> => {
    const missing = missingAddresses(addresses, network.present())
    await network.add(missing)
    log.info({ addresses: missing.map(({ address }) => address) }, 'floating addresses added')
    announce()
  }
  return {
    name: 'floating-addresses',
    async prepare(isInvited) {
      // After a death they wait until what the dead one began must be over (T9).
      if (isInvited) await take()
    },
    async start(reign) {
      if (reign.validForMs() <= 0) return
      await take()
      if (reign.ended.aborted) announcing.abort()
      else reign.ended.addEventListener('abort', () => announcing.abort(), { once: true })
    },
    hush() {
      announcing.abort()
    },
    async reclaim() {
      announce()
    },
    async stop() {
      // An announcement of an address that is no longer here would take it away from its new holder.
      announcing.abort()
      await network.remove(addresses)
    },
    problem() {
      const missing = missingAddresses(addresses, network.present())
      if (missing.length === 0) return undefined
      return `${missing.map(({ address, device }) => `${address} is missing on ${device}`).join(', ')}`
    },
  }
}
