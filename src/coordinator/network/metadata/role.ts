/** The role that tells guests about themselves, at an address that every network routes to the primary. */
import type { Clock } from '../../../base/clock.ts'
import { contains, parseSubnet } from '../../../model/ip.ts'
import { bridgeName, METADATA_ADDRESS, type Network } from '../../../model/network.ts'
import type { Log } from '../../../ports/log.ts'
import type { MetadataAnswer, MetadataQuestion, MetadataServer } from '../../../ports/metadata.ts'
import type { HostAddress, HostNetwork } from '../../../ports/network.ts'
import type { PrimaryRole } from '../../../ports/primary.ts'
import { readLeases, readNetworks, readReservations } from '../../../view/networks.ts'
import { userDataOfProfile } from '../../../view/provisioner.ts'
import { CardReader } from '../../../view/vm-cards.ts'
import { missingAddresses } from '../../floating.ts'
import { createNetworkRole, type NetworkIndex } from '../network-role.ts'
import { type GuestFacts, metadataAnswer } from './plan.ts'

export type MetadataDeps = {
  readonly index: NetworkIndex
  readonly server: MetadataServer
  readonly network: HostNetwork
  readonly clock: Clock
  readonly log: Log
}

const ON_HOST: HostAddress = { address: METADATA_ADDRESS, prefix: 32, device: 'lo' }
const PORT = 80
const UNKNOWN: MetadataAnswer = { status: 404, body: '' }

export function createMetadataRole(deps: MetadataDeps): PrimaryRole {
  const { index, server, network, clock, log } = deps
  const cards = new CardReader(index)
  const answer = async ({ path, peer }: MetadataQuestion): Promise<MetadataAnswer> => {
    const guest = await guestBehind(deps, cards, peer)
    const body = guest === undefined ? undefined : metadataAnswer(path, guest)
    return body === undefined ? UNKNOWN : { status: 200, body }
  }
  const serve = async (): Promise<void> => {
    await network.add(missingAddresses([ON_HOST], network.present()))
    await server.start({ address: METADATA_ADDRESS, port: PORT }, answer)
  }
  return createNetworkRole({
    name: 'metadata',
    index,
    follows: [],
    clock,
    log,
    // Guests come here by their gateway only, so it may be here before that.
    prepare: serve,
    pass: serve,
    async giveUp() {
      await server.stop()
      await network.remove([ON_HOST])
    },
  })
}

/**
 * The VM behind an address: by its lease or reservation, and only when the neighbour that answers at this address now has the
 * same MAC. A guest that takes its neighbour's address is told nothing.
 */
async function guestBehind(
  { index, network, log }: MetadataDeps,
  cards: CardReader,
  peer: string,
): Promise<GuestFacts | undefined> {
  const home = readNetworks(index).find((each) => isIn(each, peer))
  if (home === undefined) return undefined
  const known = [...readReservations(index, home.vni), ...readLeases(index, home.vni)]
  const macs = new Set(
    known.flatMap(({ address, mac }) => (address === peer && mac !== undefined ? [mac as string] : [])),
  )
  const neighbour = await network.neighbour(peer, bridgeName(home.vni))
  if (neighbour === undefined || !macs.has(neighbour)) {
    log.warn({ peer, neighbour, vni: home.vni }, 'somebody asked for metadata from an address that is not its own')
    return undefined
  }
  const card = cards.read().find(({ vni, mac }) => vni === home.vni && mac === neighbour)
  if (card === undefined) return undefined
  const { uuid, name, meta, tags } = card.vm
  return {
    uuid,
    name,
    profile: meta.profile,
    tags: tags.map((tag) => tag.name),
    vni: home.vni,
    domain: home.domain,
    address: peer,
    mac: neighbour,
    userData: meta.userData ?? userDataOfProfile(index, meta.profile),
  }
}

function isIn({ type, ip4, ip6 }: Network, address: string): boolean {
  if (type !== 'managed') return false
  return [ip4, ip6].some((part) => {
    const subnet = parseSubnet(part?.network ?? '')
    return subnet !== undefined && contains(subnet, address)
  })
}
