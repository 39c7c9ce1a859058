/**
 * Keeps the packet filter of guest networks on this node, also where the gateways are not: they may come at any moment, and then
 * the rules are there already.
 */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain, PvcError } from '../../model/errors.ts'
import type { Links } from '../../ports/links.ts'
import type { Log } from '../../ports/log.ts'
import type { FilterTable, PacketFilter } from '../../ports/packet-filter.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import { readAcls, readLeases, readNetworks, readReservations } from '../../view/networks.ts'
import { CardReader } from '../../view/vm-cards.ts'
import type { FaultBoard } from '../faults.ts'
import { decideFilter } from './decide.ts'
import { SPOOFING_TABLE, spoofingTable } from './spoofing.ts'

export type FirewallDeps = {
  readonly index: Pick<Index, 'isReady' | 'get' | 'children' | 'onChange'>
  readonly filter: PacketFilter
  readonly links: Pick<Links, 'list' | 'subscribe'>
  readonly faults: FaultBoard
  readonly clock: Clock
  readonly log: Log
}

export type Firewall = { start(): void; stop(): Promise<void> }

const FOLLOWED = [tree.networks.path, tree.vms.path]
const RESCAN_MS = 30_000
const RETRY_MS = 2000

export function createFirewall(deps: FirewallDeps): Firewall {
  const { index, links, faults, clock, log } = deps
  const state: State = { applied: new Map(), held: undefined, cards: new CardReader(index) }
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    pass: async () => {
      if (index.isReady.value) await pass(deps, state)
      faults.clear('NETWORK_FILTER')
      return {}
    },
    onError(error) {
      log.error({ error: errorChain(error) }, 'the packet filter could not be looked at')
      faults.set('NETWORK_FILTER', 'error', `The packet filter of this node cannot be kept: ${errorChain(error)}.`)
    },
  })
  const stops: (() => void)[] = []
  return {
    start() {
      stops.push(
        index.onChange((changes) => {
          if ([...changes.keys()].some((path) => FOLLOWED.some((above) => path.startsWith(above)))) loop.trigger()
        }),
        // A guest plugs in, or out.
        links.subscribe(() => isHolding(index) && loop.trigger()),
      )
      loop.trigger()
    },
    async stop() {
      for (const stop of stops.splice(0)) stop()
      await loop.stop()
    },
  }
}

type State = {
  /** Text of each network's table as it was last made. */
  readonly applied: Map<number, string>
  /** The same of the table of held guests. */
  held: string | undefined
  readonly cards: CardReader
}

function isHolding(index: FirewallDeps['index']): boolean {
  return readNetworks(index).some(({ antiSpoofing }) => antiSpoofing)
}

async function pass(deps: FirewallDeps, state: State): Promise<void> {
  const { index, filter, faults, log } = deps
  const { applied } = state
  const networks = readNetworks(index).map((network) => ({ network, acls: readAcls(index, network.vni) }))
  const present = await filter.tables()
  const { replace, remove } = decideFilter(networks, present, applied)
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
  await holdGuests(deps, state, present)
}

/** Makes the table of guests that may only use their own addresses as it is to be. */
async function holdGuests(
  { index, filter, links, log }: FirewallDeps,
  state: State,
  present: readonly FilterTable[],
): Promise<void> {
  const isThere = present.some(({ family, name }) => family === 'bridge' && name === SPOOFING_TABLE)
  const networks = readNetworks(index).filter(({ antiSpoofing, type }) => antiSpoofing && type === 'managed')
  const cards = networks.length === 0 ? [] : state.cards.read()
  const held = networks.map((network) => ({
    network,
    leases: readLeases(index, network.vni),
    reservations: readReservations(index, network.vni),
    macs: cards.filter(({ vni }) => vni === network.vni).map(({ mac }) => mac),
  }))
  const text = held.length === 0 ? undefined : spoofingTable(held, await links.list())
  if (text === state.held && isThere === (text !== undefined)) return
  const objection = await filter.apply(text ?? (isThere ? `delete table bridge ${SPOOFING_TABLE}\n` : ''))
  if (objection !== undefined)
    throw new PvcError('PVC_NETWORK_FAILED', `guests cannot be held to their addresses: ${objection}`)
  state.held = text
  log.info({ networks: networks.map(({ vni }) => vni) }, 'guests are held to their addresses')
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
