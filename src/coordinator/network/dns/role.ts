/** The role that answers for the names of guests. */
import type { Clock } from '../../../base/clock.ts'
import type { DnsSerials } from '../../../model/network.ts'
import type { DnsServer, DnsZone } from '../../../ports/dns.ts'
import type { Log } from '../../../ports/log.ts'
import type { PrimaryRole, Reign } from '../../../ports/primary.ts'
import type { StoreSession } from '../../../ports/store.ts'
import { tree } from '../../../schema/tree.ts'
import { readLeases, readNetworks, readReservations } from '../../../view/networks.ts'
import { CardReader } from '../../../view/vm-cards.ts'
import { createNetworkRole, type NetworkIndex } from '../network-role.ts'
import { nextSerials, planZones, SOA_TTL_S, soaContent, type ZoneContent } from './plan.ts'

export type DnsDeps = {
  readonly index: NetworkIndex
  readonly server: DnsServer
  /** Where it answers: the floating addresses, and this host itself for the forwarders of guests. */
  readonly addresses: readonly string[]
  /** Name of the name server, with the final dot. */
  readonly nameServer: string
  readonly clock: Clock
  readonly log: Log
}

const NO_SERIALS: DnsSerials = { zones: {}, floor: 0 }

export function createDnsRole({ index, server, addresses, nameServer, clock, log }: DnsDeps): PrimaryRole {
  const cards = new CardReader(index)
  let zones: ReadonlyMap<string, DnsZone> = new Map()
  let reigning: Reign | undefined
  /** What this reign wrote last: nobody else writes the document. */
  let known: { readonly reign: Reign; readonly document: SerialsDocument } | undefined

  const publish = (contents: readonly ZoneContent[], serials: DnsSerials): void => {
    zones = new Map(
      contents.map((zone) => [zone.name, answerOf(zone, serials.zones[zone.name]?.serial ?? 0, nameServer)]),
    )
  }
  const showProblem = (reign: Reign): void => {
    const problem = server.problem()
    if (problem === undefined) reign.faults.clear('DNS_SERVER')
    else reign.faults.set('DNS_SERVER', 'error', `The names of guests are not answered: ${problem}.`)
  }

  return createNetworkRole({
    name: 'dns',
    index,
    follows: [tree.networks.path, tree.vms.path],
    clock,
    log,
    async pass(reign) {
      reigning = reign
      const networks = readNetworks(index).filter(({ type }) => type === 'managed')
      const names = networks.map((network) => ({
        network,
        leases: readLeases(index, network.vni),
        reservations: readReservations(index, network.vni),
      }))
      const contents = planZones(
        names,
        cards.read().map(({ vm, vni, mac }) => ({ vm: vm.name, vni, mac })),
        nameServer,
      )
      const before = known?.reign === reign ? known.document : await reign.session.get(tree.dnsSerials)
      known = undefined
      // The names first, so that nobody waits for the number; a copy taken in between is replaced at its next look.
      publish(contents, before?.value ?? NO_SERIALS)
      await server.start(
        addresses,
        () => zones,
        () => showProblem(reign),
      )
      const serials = nextSerials(before?.value ?? NO_SERIALS, contents, clock.wallMs())
      const version = await writeSerials(reign.session, serials, before)
      known = { reign, document: { value: serials, version } }
      publish(contents, serials)
      showProblem(reign)
    },
    async giveUp() {
      await server.stop()
      reigning?.faults.clear('DNS_SERVER')
      reigning = undefined
      zones = new Map()
    },
  })
}

type SerialsDocument = { readonly value: DnsSerials; readonly version: number }

/** @returns version of the document as it is then */
async function writeSerials(
  session: StoreSession,
  serials: DnsSerials,
  before: SerialsDocument | undefined,
): Promise<number> {
  if (before === undefined) {
    await session.create(tree.dnsSerials, serials)
    return 0
  }
  if (serials === before.value) return before.version
  return (await session.set(tree.dnsSerials, serials, before.version)).version
}

function answerOf({ name, records }: ZoneContent, serial: number, nameServer: string): DnsZone {
  const apex = records.get(name) ?? []
  const soa = { type: 'SOA', content: soaContent(name, nameServer, serial), ttlS: SOA_TTL_S }
  return { name, serial, records: new Map([...records, [name, [soa, ...apex]]]) }
}
