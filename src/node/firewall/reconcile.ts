/**
 * Keeps the packet filter of guest networks on this node, also where the gateways are not: they may come at any moment, and then
 * the rules are there already.
 */
import type { Clock } from '../../base/clock.ts'
import { Reconciler } from '../../base/reconciler.ts'
import { errorChain, PvcError } from '../../model/errors.ts'
import type { Links } from '../../ports/links.ts'
import type { Log } from '../../ports/log.ts'
import type { PacketFilter } from '../../ports/packet-filter.ts'
import { tree } from '../../schema/tree.ts'
import type { Index } from '../../view/index.ts'
import { readAcls, readLeases, readNetworks, readReservations, unreadableNetworks } from '../../view/networks.ts'
import { CardReader } from '../../view/vm-cards.ts'
import type { FaultBoard } from '../faults.ts'
import { decideFilter, keyOf, type TableChange, type WantedTable, wantedTables } from './decide.ts'
import { SPOOFING_TABLE, spoofingTable } from './spoofing.ts'

export type FirewallDeps = {
  readonly index: Pick<Index, 'isReady' | 'get' | 'children' | 'refused' | 'onChange'>
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
const SPOOFING_KEY = keyOf({ family: 'bridge', name: SPOOFING_TABLE })

export function createFirewall(deps: FirewallDeps): Firewall {
  const { index, links, faults, clock, log } = deps
  const state: State = { applied: new Map(), refused: new Map(), lookedAtMs: undefined, cards: new CardReader(index) }
  const loop = new Reconciler({
    clock,
    rescanMs: RESCAN_MS,
    retryMs: RETRY_MS,
    pass: async () => {
      const wakeInMs = index.isReady.value ? await pass(deps, state) : RESCAN_MS
      faults.clear('NETWORK_FILTER')
      return { wakeInMs }
    },
    onError(error) {
      // What was done before the error is not known.
      state.lookedAtMs = undefined
      log.error({ error: errorChain(error) }, 'the packet filter could not be looked at')
      faults.set('NETWORK_FILTER', 'error', `The packet filter of this node cannot be kept: ${errorChain(error)}.`)
    },
  })
  const stops: (() => void)[] = []
  return {
    start() {
      stops.push(
        index.isReady.subscribe(() => loop.trigger()),
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
  /** Text of each table as it was last made, by key. */
  readonly applied: Map<string, string>
  /** Texts that nftables would not take, with its words. */
  readonly refused: Map<string, Refusal>
  /** When the tables there are were last looked at; undefined: not since something failed. */
  lookedAtMs: number | undefined
  readonly cards: CardReader
}

type Refusal = { readonly text: string; readonly message: string; readonly vni: number | undefined }

function isHolding(index: FirewallDeps['index']): boolean {
  return readNetworks(index).some(({ antiSpoofing }) => antiSpoofing)
}

/** Most triggers change no table: then nft is not started. @returns time until somebody's change of a table is looked for, in ms */
async function pass(deps: FirewallDeps, state: State): Promise<number> {
  const { index, filter, faults, clock, log } = deps
  const nowMs = clock.nowMs()
  const lookInMs = state.lookedAtMs === undefined ? 0 : state.lookedAtMs + RESCAN_MS - nowMs
  const networks = readNetworks(index).map((network) => ({ network, acls: readAcls(index, network.vni) }))
  // Networks get their rules also while guests' devices cannot be listed.
  const spoofing = await spoofingText(deps, state).then(
    (text) => ({ text }),
    (error: unknown) => ({ text: state.applied.get(SPOOFING_KEY), error }),
  )
  const unreadable = unreadableNetworks(index)
  const wanted = wantedTables(networks, spoofing.text, unreadable.specs)
  const present = lookInMs > 0 ? undefined : await filter.tables()
  const changes = decideFilter(wanted, present, state, unreadable.rules)
  const refusals = await applyChanges(filter, changes)
  forgetOutdated(state.refused, wanted)
  for (const { key, wanted: table } of changes) {
    const message = refusals.get(key)
    if (message === undefined) state.refused.delete(key)
    else state.refused.set(key, { text: table?.text ?? '', message, vni: table?.vni })
    if (table === undefined) state.applied.delete(key)
    else if (message === undefined) state.applied.set(key, table.text)
  }
  if (present !== undefined) state.lookedAtMs = nowMs
  if (changes.length > 0)
    log.info({ tables: changes.map(({ key }) => key), refused: [...refusals.keys()] }, 'packet filter changed')
  report(faults, state.refused)
  if ('error' in spoofing) throw spoofing.error
  return lookInMs > 0 ? lookInMs : RESCAN_MS
}

/** A refusal counts as long as its text is wanted: rules may have gone back to those in force. */
function forgetOutdated(refused: Map<string, Refusal>, wanted: readonly WantedTable[]): void {
  const texts = new Map(wanted.map((table) => [keyOf(table), table.text]))
  for (const [key, { text }] of refused) if (texts.get(key) !== text) refused.delete(key)
}

/** @throws PVC_NETWORK_FAILED when a text of ours was refused, which is no matter of one network */
function report(faults: FaultBoard, refused: ReadonlyMap<string, Refusal>): void {
  const all = [...refused.values()]
  const faultsNow = all.flatMap(({ vni, message }) => {
    if (vni === undefined) return []
    const text = `The packet filter rules of network ${vni} are not in force on this node: ${message}.`
    return [{ id: `NETWORK_RULES:${vni}`, severity: 'error' as const, message: text }]
  })
  faults.replace('NETWORK_RULES', faultsNow)
  const ours = all.find(({ vni }) => vni === undefined)
  if (ours !== undefined) throw new PvcError('PVC_NETWORK_FAILED', `nftables refuses a table of PVC: ${ours.message}`)
}

/** Text of the table of guests that may only use their own addresses. */
async function spoofingText({ index, links }: FirewallDeps, state: State): Promise<string | undefined> {
  const networks = readNetworks(index).filter(({ antiSpoofing, type }) => antiSpoofing && type === 'managed')
  if (networks.length === 0) return undefined
  const cards = state.cards.read()
  const held = networks.map((network) => ({
    network,
    leases: readLeases(index, network.vni),
    reservations: readReservations(index, network.vni),
    macs: cards.filter(({ vni }) => vni === network.vni).map(({ mac }) => mac),
  }))
  return spoofingTable(held, await links.list())
}

/**
 * All in one transaction, because each start of nft costs time with the number of tables. When it is refused, each half by
 * itself, so that a bad table disturbs no other and is found in few steps. @returns nftables' words on each that it refused, by key
 */
async function applyChanges(
  filter: PacketFilter,
  changes: readonly TableChange[],
): Promise<ReadonlyMap<string, string>> {
  const [first] = changes
  if (first === undefined) return new Map()
  const objection = await filter.apply(changes.map(({ text }) => text).join(''))
  if (objection === undefined) return new Map()
  if (changes.length === 1) return new Map([[first.key, objection]])
  const middle = Math.ceil(changes.length / 2)
  const left = await applyChanges(filter, changes.slice(0, middle))
  return new Map([...left, ...(await applyChanges(filter, changes.slice(middle)))])
}
