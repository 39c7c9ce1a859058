/** What PowerDNS asks of its remote backend, and the answers. Pure. */
import { z } from 'zod'
import type { DnsZone } from '../../ports/dns.ts'

/** A line of PowerDNS 4.7 to a remote backend. */
export const Question = z.object({
  method: z.string(),
  parameters: z
    .object({
      qname: z.string().optional(),
      qtype: z.string().optional(),
      zonename: z.string().optional(),
      name: z.string().optional(),
      kind: z.string().optional(),
      'zone-id': z.number().optional(),
    })
    .default({}),
})
export type Question = z.infer<typeof Question>

type Zones = ReadonlyMap<string, DnsZone>

/** The value of `result` in the answer; false: there is nothing, or we do not do that. */
export function answerQuestion({ method, parameters }: Question, zones: Zones): unknown {
  switch (method) {
    case 'initialize':
      return true
    case 'lookup':
      return lookup(zones, fullName(parameters.qname), parameters.qtype ?? 'ANY', parameters['zone-id'])
    case 'list': {
      const zone = zones.get(fullName(parameters.zonename))
      return zone === undefined
        ? false
        : [...zone.records.keys()].flatMap((name) => recordsOf(zones, zone, name, 'ANY'))
    }
    case 'getDomainInfo': {
      const zone = zones.get(fullName(parameters.name))
      return zone === undefined ? false : domainInfo(zones, zone)
    }
    case 'getAllDomains':
      return [...zones.values()].map((zone) => domainInfo(zones, zone))
    case 'getDomainMetadata':
      return []
    case 'getAllDomainMetadata':
      return {}
    default:
      return false
  }
}

function fullName(name = ''): string {
  const lower = name.toLowerCase()
  return lower.endsWith('.') ? lower : `${lower}.`
}

function lookup(zones: Zones, name: string, type: string, zoneId = -1): unknown {
  for (const zone of zones.values()) {
    if (name !== zone.name && !name.endsWith(`.${zone.name}`)) continue
    if (zoneId > 0 && idOf(zones, zone) !== zoneId) continue
    const found = recordsOf(zones, zone, name, type)
    if (found.length > 0) return found
  }
  return false
}

function recordsOf(zones: Zones, zone: DnsZone, name: string, type: string) {
  return (zone.records.get(name) ?? [])
    .filter((record) => type === 'ANY' || record.type === type)
    .map(({ type: qtype, content, ttlS }) => {
      return { qtype, qname: name, content, ttl: ttlS, auth: 1, domain_id: idOf(zones, zone) }
    })
}

/** Numbers of the moment are enough: PowerDNS is told to ask for a zone anew each time. */
function idOf(zones: Zones, zone: DnsZone): number {
  return [...zones.keys()].indexOf(zone.name) + 1
}

function domainInfo(zones: Zones, zone: DnsZone) {
  const { name, serial } = zone
  return {
    id: idOf(zones, zone),
    zone: name,
    kind: 'native',
    serial,
    notified_serial: serial,
    last_check: 0,
    masters: [],
  }
}
