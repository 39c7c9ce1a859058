/** Where pvcapid listens: on its own addresses at once, on floating ones whenever they come to this host. */
import { networkInterfaces } from 'node:os'
import type { FastifyInstance } from 'fastify'
import type { LoadedConfig } from '../adapters/config/config-file.ts'
import { type Clock, sleep } from '../base/clock.ts'
import { floatingAddresses } from '../coordinator/floating.ts'
import { isSameAddress } from '../model/address.ts'
import { errorChain } from '../model/errors.ts'
import type { Log } from '../ports/log.ts'

/** A floating address that comes here for the first time is answered on after this; later at once. */
const LOOK_MS = 200
/** After a failed attempt. */
const RETRY_MS = 5000

export type ListenDeps = {
  readonly config: LoadedConfig
  readonly build: () => FastifyInstance
  readonly clock: Clock
  readonly log: Log
  /** Ends the waiting for floating addresses. */
  readonly signal: AbortSignal
}

/** The configured addresses of this node. */
export function ownAddresses({ api, node }: Pick<LoadedConfig, 'api' | 'node'>): readonly string[] {
  return api.listen ?? [node.clusterAddress]
}

/**
 * Listens on all own addresses, or throws. Floating addresses cannot be bound before they are here, and binding to every
 * address instead would show the API to the networks of guests. So each is waited for once; the socket then stays, and
 * answers again whenever the address returns.
 * @returns all servers; those of floating addresses are added to the list when they listen
 */
export async function listen(deps: ListenDeps): Promise<readonly FastifyInstance[]> {
  const { config, build } = deps
  const apps: FastifyInstance[] = []
  for (const host of ownAddresses(config)) {
    const app = build()
    await app.listen({ host, port: config.api.port })
    apps.push(app)
  }
  const { cluster, upstream } = config.cluster.floating
  const floating = floatingAddresses({ cluster: { ...config.cluster, floating: { cluster, upstream } } })
  for (const { address } of floating) {
    if (!ownAddresses(config).some((own) => isSameAddress(own, address))) void listenLater(deps, address, apps)
  }
  return apps
}

async function listenLater(deps: ListenDeps, host: string, apps: FastifyInstance[]): Promise<void> {
  const { config, build, clock, log, signal } = deps
  while (!signal.aborted) {
    if (!isHere(host)) {
      await sleep(clock, LOOK_MS, signal)
      continue
    }
    const app = build()
    try {
      await app.listen({ host, port: config.api.port })
      apps.push(app)
      log.info({ address: host }, 'listening on a floating address')
      return
    } catch (error) {
      log.warn({ address: host, error: errorChain(error) }, 'cannot listen on a floating address, trying again')
      await app.close()
      await sleep(clock, RETRY_MS, signal)
    }
  }
}

function isHere(host: string): boolean {
  return Object.values(networkInterfaces()).some((entries) =>
    entries?.some(({ address }) => isSameAddress(address, host)),
  )
}
