import { describe, expect, it } from 'vitest'
import { type GuestStats, NodeStats, NodeStatus } from '../../../../src/model/node.ts'
import {
  documentBytes,
  fitStats,
  fitStatus,
  STATS_LIMIT_BYTES,
  STATUS_LIMIT_BYTES,
  statusNewsKey,
} from '../../../../src/node/keepalive/documents.ts'

const uuid = (index: number) => `11111111-1111-4111-8111-${String(index).padStart(12, '0')}`

function status(domains: number, faults = 0): NodeStatus {
  return NodeStatus.parse({
    name: 'hypervisor-number-12',
    heartbeat: 123_456,
    life: uuid(1),
    bootId: uuid(2),
    selfFence: 'off',
    watchdog: 'absent',
    storageAddrs: ['10.100.0.112', 'fd00:1:2:3:4:5:6:7'],
    clusterAddr: '10.100.0.12',
    ack: 3,
    daemon: 'run',
    certified: true,
    domainState: 'ready',
    coordinator: 'secondary',
    versions: { pvc: '2.0.0', libvirt: '9.0.0', qemu: '7.2.9', kernel: '6.1.0-28-amd64' },
    os: 'Debian GNU/Linux 12 (bookworm)',
    arch: 'x86_64',
    resources: {
      cpuCount: 128,
      load1: 12.34,
      memoryTotalMiB: 1_048_576,
      memoryUsedMiB: 700_000,
      memoryFreeMiB: 348_576,
      memoryAllocatedMiB: 600_000,
      memoryProvisionedMiB: 800_000,
      vcpusAllocated: 700,
    },
    runningDomains: Array.from({ length: domains }, (_, index) => uuid(index)),
    domainsCount: domains,
    incoming: [],
    faults: Array.from({ length: faults }, (_, index) => ({
      id: `VM_IO_ERROR:${uuid(index)}`,
      severity: 'error',
      message: 'x'.repeat(index === 0 ? 5000 : 120),
      since: 1_700_000_000_000,
    })),
  })
}

describe('fitStatus', () => {
  it('lists 300 running VMs', () => {
    const fitted = fitStatus(status(300))
    expect(fitted.runningDomains).toHaveLength(300)
    expect(documentBytes(fitted)).toBeLessThanOrEqual(STATUS_LIMIT_BYTES)
  })
  it('gives only the count when the list does not fit', () => {
    const fitted = fitStatus(status(450))
    expect(fitted.runningDomains).toEqual([])
    expect(fitted.domainsCount).toBe(450)
  })
  it('stays within its limit with trouble everywhere, and keeps saying that there is trouble', () => {
    for (const [domains, faults] of [
      [250, 250],
      [1000, 1000],
      [0, 2000],
    ] as const) {
      const fitted = NodeStatus.parse(fitStatus(status(domains, faults)))
      expect(documentBytes(fitted)).toBeLessThanOrEqual(STATUS_LIMIT_BYTES)
      expect(fitted.faults.length).toBeGreaterThan(0)
      expect(fitted.domainsCount).toBe(domains)
    }
  })
  it('says how many faults it left out', () => {
    const fitted = fitStatus(status(0, 100))
    expect(fitted.faults.at(-1)).toMatchObject({ id: 'MORE_FAULTS', severity: 'error' })
    expect(fitted.faults.at(-1)?.message).toContain('61 more faults')
  })
})

describe('statusNewsKey', () => {
  it('changes with what others act on', () => {
    const base = statusNewsKey(status(2, 1))
    expect(statusNewsKey({ ...status(2, 1), daemon: 'stop' })).not.toBe(base)
    expect(statusNewsKey({ ...status(2, 1), certified: false })).not.toBe(base)
    expect(statusNewsKey(status(3, 1))).not.toBe(base)
    expect(statusNewsKey(status(2, 2))).not.toBe(base)
  })
  it('does not change with what only moves', () => {
    const one = status(2, 1)
    const resources = one.resources && { ...one.resources, load1: 99, memoryUsedMiB: 1 }
    const other = { ...one, heartbeat: 9, resources }
    const faults = one.faults.map((fault) => ({ ...fault, message: 'other words' }))
    expect(statusNewsKey({ ...other, faults })).toBe(statusNewsKey(one))
  })
})

describe('fitStats', () => {
  const guest = (index: number, devices: number): GuestStats => ({
    uuid: NodeStatus.shape.runningDomains.element.parse(uuid(index)),
    cpuTimeNs: 1e15,
    cpuUserNs: 1e14,
    cpuSystemNs: 1e14,
    memoryKiB: { actual: 1e6, unused: 1e6, rss: 1e6, available: 1e6, usable: 1e6 },
    vcpus: 4,
    disks: Array.from({ length: devices }, (_, n) => ({
      dev: `vd${n}`,
      readRequests: 1e9,
      readBytes: 1e13,
      writeRequests: 1e9,
      writeBytes: 1e13,
    })),
    interfaces: Array.from({ length: devices }, (_, n) => ({
      dev: `vnet${n}`,
      rxBytes: 1e13,
      rxPackets: 1e10,
      rxErrors: 0,
      rxDrops: 0,
      txBytes: 1e13,
      txPackets: 1e10,
      txErrors: 0,
      txDrops: 0,
    })),
  })
  const stats = (guests: GuestStats[]): NodeStats => ({ heartbeat: 1, guests, interfaces: {} })

  it('keeps everything of 400 ordinary guests', () => {
    const all = stats(Array.from({ length: 400 }, (_, index) => guest(index, 3)))
    expect(fitStats(all)).toEqual({ stats: all, isReduced: false })
    expect(documentBytes(all)).toBeLessThan(STATS_LIMIT_BYTES)
  })
  it('takes the device figures of the largest guests only', () => {
    const guests = Array.from({ length: 250 }, (_, index) => guest(index, index < 25 ? 200 : 2))
    const fitted = fitStats(stats(guests))
    expect(fitted.isReduced).toBe(true)
    expect(documentBytes(fitted.stats)).toBeLessThanOrEqual(STATS_LIMIT_BYTES)
    expect(fitted.stats.guests).toHaveLength(250)
    expect(fitted.stats.guests[0]?.disks).toEqual([])
    expect(fitted.stats.guests[30]).toEqual(guests[30])
    expect(NodeStats.parse(fitted.stats)).toEqual(fitted.stats)
  })
})
