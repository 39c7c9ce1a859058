/**
 * Keeps the packet filter of guest networks on this node, also where the gateways are not: they may come at any moment, and then
 * the rules are there already.
 */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain } from '../../model/errors.ts'
import type { Log } from '../../ports/log.ts'
import type { PacketFilter } from '../../ports/packet-filter.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import { readAcls, readNetworks } from '../../view/networks.ts'
import type { FaultBoard } from '../faults.ts'
import { decideFilter } from './decide.ts'

export type FirewallDeps = {
  readonly index: Pick<Index, 'isReady' | 'get' | 'children' | 'onChange'>
  readonly filter: PacketFilter
  readonly faults: FaultBoard
  readonly clock: Clock
  readonly log: Log
}

export type Firewall = { start(): void; stop(): Promise<void> }

const RESCAN_MS = 30_000
const RETRY_MS = 2000

export function createFirewall(deps: FirewallDeps): Firewall {
  const { index, faults, clock, log } = deps
  const applied = new Map<number, string>()
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    pass: async () => {
      if (index.isReady.value) await pass(deps, applied)
      faults.clear('NETWORK_FILTER')
      return {}
    },
    onError(error) {
      log.error({ error: errorChain(error) }, 'the packet filter could not be looked at')
      faults.set('NETWORK_FILTER', 'error', `The packet filter of this node cannot be kept: ${errorChain(error)}.`)
    },
  })
  let unsubscribe: () => void = () => undefined
  return {
    start() {
      unsubscribe = index.onChange((changes) => {
        if ([...changes.keys()].some((path) => path.startsWith(tree.networks.path))) loop.trigger()
      })
      loop.trigger()
    },
    async stop() {
      unsubscribe()
      await loop.stop()
    },
  }
}

async function pass({ index, filter, faults, log }: FirewallDeps, applied: Map<number, string>): Promise<void> {
  const networks = readNetworks(index).map((network) => ({ network, acls: readAcls(index, network.vni) }))
  const { replace, remove } = decideFilter(networks, await filter.tables(), applied)
  if (remove.length > 0) await filter.apply(remove.map((name) => `delete table inet ${name}\n`).join(''))
  const problems = await replaceTables(filter, replace, applied)
  for (const vni of [...applied.keys()]) if (!networks.some(({ network }) => network.vni === vni)) applied.delete(vni)
  if (replace.length + remove.length > 0)
    log.info({ replaced: replace.map(({ vni }) => vni), removed: remove, problems }, 'packet filter changed')
  const faultsNow = problems.map(({ vni, message }) => ({
    id: `NETWORK_RULES:${vni}`,
    severity: 'error' as const,
    message: `The packet filter rules of network ${vni} are not in force on this node: ${message}.`,
  }))
  faults.replace('NETWORK_RULES', faultsNow)
}

type Table = { readonly vni: number; readonly text: string }

/** All in one go, which is quick; when that is refused one by one, so that a bad one disturbs no other. */
async function replaceTables(
  filter: PacketFilter,
  tables: readonly Table[],
  applied: Map<number, string>,
): Promise<readonly { readonly vni: number; readonly message: string }[]> {
  if (tables.length === 0) return []
  if ((await filter.apply(tables.map(({ text }) => text).join(''))) === undefined) {
    for (const { vni, text } of tables) applied.set(vni, text)
    return []
  }
  const problems: { vni: number; message: string }[] = []
  for (const { vni, text } of tables) {
    const message = await filter.apply(text)
    if (message === undefined) applied.set(vni, text)
    else problems.push({ vni, message })
  }
  return problems
}
