import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { toStatsSample } from '../../../../src/adapters/libvirt/hypervisor-stats.ts'
import { GuestStats } from '../../../../src/model/node.ts'

const uuid = 'aaaaaaaa-0000-4000-8000-000000000001'

/** `virsh domstats` prints the very fields that the binding gives. */
function captured(): Record<string, number | string> {
  const text = readFileSync(new URL('../../../data/libvirt-9.0.0/domstats.txt', import.meta.url), 'utf8')
  const pairs = [...text.matchAll(/^\s+(\S+?)=(.*)$/gm)].map(([, field = '', value = '']) => [
    field,
    /^\d+$/.test(value) ? Number(value) : value,
  ])
  return Object.fromEntries(pairs)
}

it('reads the statistics of libvirt 9.0.0', () => {
  const sample = toStatsSample([{ uuid, name: 'g1', values: captured() }])
  expect(sample).toMatchObject({ memoryAllocatedMiB: 64, memoryProvisionedMiB: 64, vcpusAllocated: 1 })
  expect(sample.guests).toEqual([
    {
      uuid,
      cpuTimeNs: 260000000,
      cpuUserNs: 110000000,
      cpuSystemNs: 150000000,
      memoryKiB: { actual: 65536, last_update: 0, rss: 76024 },
      vcpus: 1,
      disks: [{ dev: 'vda', readRequests: 1, readBytes: 512, writeRequests: 0, writeBytes: 0 }],
      interfaces: [],
    },
  ])
  expect(GuestStats.safeParse(sample.guests[0]).success).toBe(true)
})

it('counts interfaces by name, and takes numbers of any size', () => {
  const values = {
    'net.count': 2,
    'net.0.name': 'vnet0',
    'net.0.rx.bytes': 2n ** 60n,
    'net.1.name': 'vnet1',
    'net.1.tx.drop': 3,
    'cpu.time': 12n,
  }
  const [guest] = toStatsSample([{ uuid, name: 'g1', values }]).guests
  expect(guest?.interfaces).toMatchObject([
    { dev: 'vnet0', rxBytes: 2 ** 60, txDrops: 0 },
    { dev: 'vnet1', rxBytes: 0, txDrops: 3 },
  ])
  expect(guest?.cpuTimeNs).toBe(12)
})

it('adds up what a busy domain told, the rest as 0', () => {
  const busy = { uuid, name: 'busy', values: { 'state.state': 1, 'balloon.maximum': 2048 } }
  const other = {
    uuid: uuid.replace(/1$/, '2'),
    name: 'o',
    values: { 'balloon.current': 1024, 'balloon.maximum': 2048, 'vcpu.current': 2 },
  }
  expect(toStatsSample([busy, other])).toMatchObject({
    memoryAllocatedMiB: 1,
    memoryProvisionedMiB: 4,
    vcpusAllocated: 2,
  })
  expect(toStatsSample([])).toEqual({ guests: [], memoryAllocatedMiB: 0, memoryProvisionedMiB: 0, vcpusAllocated: 0 })
})
