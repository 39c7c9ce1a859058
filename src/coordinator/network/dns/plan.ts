/** The zones of guest networks: names of VMs, reservations and leases, forward and reverse. Pure. */
import { fingerprint } from '../../../base/fingerprint.ts'
import { addressFamily, addressNumber, parseSubnet, reverseName } from '../../../model/ip.ts'
import {
  type DhcpLease,
  type DhcpReservation,
  type DnsSerials,
  HOST_NAME,
  type Network,
} from '../../../model/network.ts'

/** A record; its name is that of the entry it is found under. */
export type ZoneRecord = { readonly type: string; readonly content: string; readonly ttlS: number }

/** A zone by its name with the final dot; records by full name with the final dot, in lower case, without the SOA. */
export type ZoneContent = { readonly name: string; readonly records: ReadonlyMap<string, readonly ZoneRecord[]> }

/** What is known of one network's guests. */
export type NetworkNames = {
  readonly network: Network
  readonly leases: readonly DhcpLease[]
  readonly reservations: readonly DhcpReservation[]
}

/** A card of a VM, by the VM's name. */
export type NamedCard = { readonly vm: string; readonly vni: number; readonly mac: string }

/** How long an answer may be kept: an address may belong to somebody else soon after. */
const TTL_S = 30
const ZONE_TTL_S = 3600

/** Names of all zones, with the final dot: one per domain, and those of the addresses. */
export function zoneNames(networks: readonly Network[]): readonly string[] {
  const names = networks
    .filter(({ type }) => type === 'managed')
    .flatMap(({ domain, ip4, ip6 }) => [
      ...(domain === '' ? [] : [`${domain}.`]),
      ...[ip4, ip6].flatMap((part) => (part === null ? [] : reverseZones(part.network))),
    ])
  return [...new Set(names)].sort()
}

/**
 * Zones that hold the addresses of a network. They end where a label ends: a network of 20 bits has 16 zones, one of 26 bits
 * shares the zone of 24 bits with its neighbours.
 */
export function reverseZones(network: string): readonly string[] {
  const subnet = parseSubnet(network)
  if (subnet === undefined) return []
  const { family, first, prefixLength } = subnet
  const bitsPerLabel = family === 4 ? 8 : 4
  const bits = family === 4 ? 32 : 128
  const longest = family === 4 ? 24 : 64
  const labels = Math.min(Math.ceil(prefixLength / bitsPerLabel), longest / bitsPerLabel)
  const zoneBits = labels * bitsPerLabel
  const count = zoneBits > prefixLength ? 2 ** (zoneBits - prefixLength) : 1
  const step = 1n << BigInt(bits - zoneBits)
  const dropped = bits / bitsPerLabel - labels
  return Array.from({ length: count }, (_, index) => {
    const name = reverseNameOf(addressNumber(first) + BigInt(index) * step, family)
    return name.split('.').slice(dropped).join('.')
  })
}

function reverseNameOf(value: bigint, family: 4 | 6): string {
  const size = family === 4 ? 4 : 8
  const width = family === 4 ? 8 : 16
  const parts = Array.from(
    { length: size },
    (_, index) => (value >> BigInt(width * (size - 1 - index))) & ((1n << BigInt(width)) - 1n),
  )
  return reverseName(family === 4 ? parts.join('.') : parts.map((part) => part.toString(16)).join(':'))
}

/** All zones with their records, but without serials; `nameServer` with the final dot. */
export function planZones(
  all: readonly NetworkNames[],
  cards: readonly NamedCard[],
  nameServer: string,
): readonly ZoneContent[] {
  const names = zoneNames(all.map(({ network }) => network))
  const zones = new Map(names.map((name) => [name, new Map<string, ZoneRecord[]>()]))
  const add = (zone: string | undefined, name: string, record: ZoneRecord): void => {
    const records = zone === undefined ? undefined : zones.get(zone)
    const present = records?.get(name) ?? []
    if (present.some(({ type, content }) => type === record.type && content === record.content)) return
    records?.set(name, [...present, record])
  }
  for (const name of names) add(name, name, { type: 'NS', content: nameServer, ttlS: ZONE_TTL_S })
  for (const one of all) {
    const zone = `${one.network.domain}.`
    for (const { name, address, isMain } of hostsOf(one, cards)) {
      const full = `${name}.${zone}`
      add(zone, full, { type: addressFamily(address) === 6 ? 'AAAA' : 'A', content: address, ttlS: TTL_S })
      if (!isMain) continue
      const reverse = reverseName(address)
      add(enclosing(names, reverse), reverse, { type: 'PTR', content: full, ttlS: TTL_S })
    }
  }
  return [...zones].map(([name, records]) => ({ name, records }))
}

function enclosing(names: readonly string[], name: string): string | undefined {
  return names.find((zone) => name.endsWith(`.${zone}`))
}

type HostEntry = {
  readonly name: string
  readonly address: string
  /** The name that the address itself is asked for. */
  readonly isMain: boolean
}

/**
 * Names of a network's guests. Those that the operator chose come first, VMs and reservations; a name that a guest gave itself
 * counts only where nobody else has it.
 */
function hostsOf({ network, leases, reservations }: NetworkNames, cards: readonly NamedCard[]): readonly HostEntry[] {
  const addresses = new Map<string, Set<string>>()
  const note = (mac: string, address: string) => addresses.set(mac, (addresses.get(mac) ?? new Set()).add(address))
  for (const { mac, address } of reservations) note(mac, address)
  for (const { mac, address } of leases) if (mac !== undefined) note(mac, address)

  const owners = new Map<string, string>()
  const entries: HostEntry[] = []
  const named = new Set<string>()
  const give = (name: string, owner: string, to: readonly string[]): void => {
    const label = name.toLowerCase()
    if (!HOST_NAME.test(label) || (owners.get(label) ?? owner) !== owner) return
    owners.set(label, owner)
    for (const address of to) {
      entries.push({ name: label, address, isMain: !named.has(address) })
      named.add(address)
    }
  }
  for (const { mac, hostname } of reservations) give(hostname, mac, [...(addresses.get(mac) ?? [])])
  for (const { vm, vni, mac } of cards) if (vni === network.vni) give(vm, mac, [...(addresses.get(mac) ?? [])])
  for (const lease of leases.toSorted((a, b) => (a.address < b.address ? -1 : 1)))
    give(lease.hostname, lease.mac ?? lease.clientId, [lease.address])
  return entries
}

/** Contents of a zone as a short text that changes with them. */
export function zoneFingerprint({ records }: ZoneContent): string {
  const lines = [...records].flatMap(([name, entries]) =>
    entries.map(({ type, content, ttlS }) => `${name} ${ttlS} ${type} ${content}`),
  )
  return fingerprint(lines.sort().join('\n'))
}

/**
 * Serials after a look at all zones: raised by one where the contents changed. A new zone begins above everything a zone ever
 * had, and at the time, so that one that comes back is newer than any copy of it. @returns the same object when nothing changed
 */
export function nextSerials(before: DnsSerials, zones: readonly ZoneContent[], wallMs: number): DnsSerials {
  const gone = Object.entries(before.zones).filter(([name]) => !zones.some((zone) => zone.name === name))
  const floor = Math.max(before.floor, ...gone.map(([, { serial }]) => serial))
  let isChanged = gone.length > 0
  const next = zones.map((zone) => {
    const known = before.zones[zone.name]
    const print = zoneFingerprint(zone)
    if (known?.fingerprint === print) return [zone.name, known] as const
    isChanged = true
    const serial = known === undefined ? Math.max(floor + 1, Math.floor(wallMs / 1000)) : known.serial + 1
    return [zone.name, { serial, fingerprint: print }] as const
  })
  return isChanged ? { zones: Object.fromEntries(next), floor } : before
}

/** The first record of a zone. Other name servers look for a new serial every minute. */
export function soaContent(zone: string, nameServer: string, serial: number): string {
  return `${nameServer} hostmaster.${zone} ${serial} 60 30 604800 5`
}
export const SOA_TTL_S = ZONE_TTL_S
