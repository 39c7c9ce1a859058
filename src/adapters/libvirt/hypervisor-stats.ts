import { VmUuid } from '../../model/ids.ts'
import type { GuestStats } from '../../model/node.ts'
import type { StatsSample } from '../../ports/hypervisor.ts'
import type { DomainStats, StatValues } from './addon.ts'
import { LIST, STATS } from './flag.ts'

/** What {@link toStatsSample} reads, and from which domains: running ones, without waiting for a busy one. */
export const STATS_GROUPS = STATS.STATE | STATS.CPU_TOTAL | STATS.BALLOON | STATS.VCPU | STATS.INTERFACE | STATS.BLOCK
export const STATS_FLAGS = LIST.ACTIVE | LIST.NOWAIT

/** libvirt's balloon fields under the names of its older memory statistics, which clients of the API know. KiB each. */
const MEMORY_FIELDS: Readonly<Record<string, string>> = {
  current: 'actual',
  swap_in: 'swap_in',
  swap_out: 'swap_out',
  major_fault: 'major_fault',
  minor_fault: 'minor_fault',
  unused: 'unused',
  available: 'available',
  usable: 'usable',
  'last-update': 'last_update',
  disk_caches: 'disk_caches',
  hugetlb_pgalloc: 'hugetlb_pgalloc',
  hugetlb_pgfail: 'hugetlb_pgfail',
  rss: 'rss',
}

/** One sample from libvirt's flat statistics of all domains. A field that a busy domain left out counts as 0. */
export function toStatsSample(domains: readonly DomainStats[]): StatsSample {
  const guests = domains.map(toGuestStats)
  const sumMiB = (field: string) => domains.reduce((sum, { values }) => sum + numberOf(values, field), 0) / 1024
  return {
    guests,
    memoryAllocatedMiB: sumMiB('balloon.current'),
    memoryProvisionedMiB: sumMiB('balloon.maximum'),
    vcpusAllocated: guests.reduce((sum, guest) => sum + guest.vcpus, 0),
  }
}

function toGuestStats({ uuid, values }: DomainStats): GuestStats {
  const memory = Object.entries(MEMORY_FIELDS).flatMap(([field, name]) =>
    values[`balloon.${field}`] === undefined ? [] : [[name, numberOf(values, `balloon.${field}`)] as const],
  )
  return {
    uuid: VmUuid.parse(uuid),
    cpuTimeNs: numberOf(values, 'cpu.time'),
    cpuUserNs: numberOf(values, 'cpu.user'),
    cpuSystemNs: numberOf(values, 'cpu.system'),
    memoryKiB: Object.fromEntries(memory),
    vcpus: numberOf(values, 'vcpu.current'),
    disks: each(values, 'block').map(({ dev, count }) => ({
      dev,
      readRequests: count('rd.reqs'),
      readBytes: count('rd.bytes'),
      writeRequests: count('wr.reqs'),
      writeBytes: count('wr.bytes'),
    })),
    interfaces: each(values, 'net').map(({ dev, count }) => ({
      dev,
      rxBytes: count('rx.bytes'),
      rxPackets: count('rx.pkts'),
      rxErrors: count('rx.errs'),
      rxDrops: count('rx.drop'),
      txBytes: count('tx.bytes'),
      txPackets: count('tx.pkts'),
      txErrors: count('tx.errs'),
      txDrops: count('tx.drop'),
    })),
  }
}

/** The numbered devices of a group, each with a reader of its counters. */
function each(values: StatValues, group: 'block' | 'net') {
  return Array.from({ length: numberOf(values, `${group}.count`) }, (_, index) => ({
    dev: String(values[`${group}.${index}.name`] ?? index),
    count: (field: string) => numberOf(values, `${group}.${index}.${field}`),
  }))
}

function numberOf(values: StatValues, field: string): number {
  const value = values[field]
  return value === undefined ? 0 : Number(value)
}
