/** Keeps the network devices of this node as the cluster's networks want them. */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain } from '../../model/errors.ts'
import type { Links } from '../../ports/links.ts'
import type { Log } from '../../ports/log.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import { readNetworks, unreadableNetworks } from '../../view/networks.ts'
import type { FaultBoard } from '../faults.ts'
import { decideLinks, type GuestPorts, type NetworkGround, rememberPorts } from './decide.ts'

export type NetworkLinksDeps = {
  readonly ground: NetworkGround
  readonly index: Pick<Index, 'isReady' | 'get' | 'children' | 'refused' | 'onChange'>
  readonly links: Links
  readonly faults: FaultBoard
  readonly clock: Clock
  readonly log: Log
}

export type NetworkLinks = { start(): void; stop(): Promise<void> }

const RESCAN_MS = 30_000
const RETRY_MS = 2000
/** Devices change in bursts, also by our own hand. */
const SETTLE_MS = 200

/** The reconciler of this node's devices; it does nothing until the index knows all networks. */
export function createNetworkLinks(deps: NetworkLinksDeps): NetworkLinks {
  const { index, links, faults, clock, log } = deps
  const memory: Memory = { ports: new Map() }
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    pass: async () => {
      if (!index.isReady.value) return {}
      const isRetryNeeded = await pass(deps, memory)
      faults.clear('NETWORK_LINKS')
      return isRetryNeeded ? { wakeInMs: RETRY_MS } : {}
    },
    onError(error) {
      log.error({ error: errorChain(error) }, 'the devices of networks could not be looked at')
      faults.set('NETWORK_LINKS', 'error', `The devices of networks cannot be kept: ${errorChain(error)}.`)
    },
  })
  const stops: (() => void)[] = []
  let settling = false
  const soon = (): void => {
    if (settling) return
    settling = true
    const timer = clock.setTimer(SETTLE_MS, () => {
      settling = false
      loop.trigger()
    })
    stops.push(() => timer.cancel())
    if (stops.length > 16) stops.splice(2, stops.length - 4)
  }
  return {
    start() {
      stops.push(
        index.isReady.subscribe(() => loop.trigger()),
        index.onChange((changes) => [...changes.keys()].some(isOfNetwork) && loop.trigger()),
        links.subscribe(soon),
      )
      loop.trigger()
    },
    async stop() {
      for (const stop of stops.splice(0)) stop()
      await loop.stop()
      links.close()
    },
  }
}

/** Leases and reservations below a network change often, and mean nothing to devices. */
function isOfNetwork(path: string): boolean {
  const above = `${tree.networks.path}/`
  return path.startsWith(above) && !path.slice(above.length).includes('/')
}

type Memory = { ports: GuestPorts }

/** @returns whether something has to be tried again soon */
async function pass(deps: NetworkLinksDeps, memory: Memory): Promise<boolean> {
  const { ground, index, links, faults, log } = deps
  const severity = 'error' as const
  const networks = readNetworks(index)
  const present = await links.list()
  memory.ports = rememberPorts(memory.ports, present)
  const decision = decideLinks(networks, present, ground, memory.ports, unreadableNetworks(index).specs)
  const failures = await links.apply(decision.changes)
  const unkept = await links.keep(decision.settings)
  if (decision.changes.length > 0) log.info({ changes: decision.changes.length, failures }, 'network devices changed')
  const missing = decision.problems.map(({ vni, message }) => ({ id: `NETWORK_MISSING:${vni}`, severity, message }))
  faults.replace('NETWORK_MISSING', missing)
  const broken = [...failures, ...unkept].map(({ name, reason }) => ({
    id: `NETWORK_LINK:${name.replaceAll(/[^A-Za-z0-9_./-]/g, '_')}`,
    severity,
    message: `Device or setting ${name} cannot be set up: ${reason}.`,
  }))
  faults.replace('NETWORK_LINK', broken)
  return failures.length + unkept.length > 0
}
