/** Older clients read these fields with these types; a list must also be what the contract says, field by field. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { RouteId } from '../../src/contract/paths.ts'
import { CONTRACT } from '../../src/contract/routes.ts'
import { BootId, LifeId, NodeName } from '../../src/model/ids.ts'
import type { GuestStats } from '../../src/model/node.ts'
import { tree } from '../../src/schema/tree.ts'
import { define, startCluster, type TestCluster } from './cluster.ts'
import {
  misfits,
  NODE,
  POOL,
  type Shape,
  STATUS,
  VM,
  VM_CPU_STATS,
  VM_MEMORY_STATS,
  VM_META,
  VM_TAGS,
  VOLUME,
} from './shapes.ts'

const HV1 = NodeName.parse('hv1')

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
  const { uuid } = await define(cluster, 'web', { limit: 'hv1,hv2', user_tags: 'prod' })
  await define(cluster, 'plain')
  await cluster.call('POST', '/storage/ceph/volume', { pool: 'vms', volume: 'web_sda', size: '20G' })
  const run = { node: HV1, life: LifeId.parse('l'), holder: null }
  await cluster.call('POST', '/vm/web/state', { state: 'start' })
  await cluster.report('web', (status, spec) => ({
    run,
    seq: status.seq + 1,
    phase: 'running',
    observedGeneration: spec.generation,
    vnc: { listen: '0.0.0.0', port: 5900 },
  }))
  await cluster.change(tree.node(HV1).stats, (stats) => ({
    ...stats,
    guests: [guestStats(uuid)],
    interfaces: { bond0: { rx_bytes: 1, tx_bytes: 2, rx_bps: 1.5, link_speed: 10_000, state: 'up' } },
  }))
  const since = cluster.clock.wallMs()
  const fault = { id: 'DISK:sda', severity: 'warning' as const, message: 'Disk sda is slow.', since }
  await cluster.change(tree.node(HV1).status, (status) => ({
    ...status,
    runningDomains: [uuid],
    domainsCount: 1,
    faults: [fault],
  }))
})
afterEach(() => cluster.close())

function guestStats(uuid: GuestStats['uuid']): GuestStats {
  const memoryKiB = Object.fromEntries(VM_MEMORY_STATS.map((name, index) => [name, 1000 + index]))
  const counters = { rxErrors: 1, rxDrops: 2, txErrors: 3, txDrops: 4 }
  return {
    uuid,
    cpuTimeNs: 8_123_456_789_012,
    cpuUserNs: 123_450_000_000,
    cpuSystemNs: 654_320_000_000,
    memoryKiB,
    vcpus: 2,
    disks: [{ dev: 'sda', readRequests: 11, readBytes: 12, writeRequests: 13, writeBytes: 14 }],
    interfaces: [{ dev: 'vnet0', rxBytes: 21, rxPackets: 22, txBytes: 23, txPackets: 24, ...counters }],
  }
}

const READS: readonly [RouteId, string, Shape][] = [
  ['vmList', '/vm', [VM]],
  ['vmInfo', '/vm/web', [VM]],
  ['vmMeta', '/vm/web/meta', VM_META],
  ['vmTags', '/vm/web/tags', VM_TAGS],
  ['vmState', '/vm/web/state', { name: 'str', state: 'str' }],
  ['vmDecisions', '/vm/web/decisions', { name: 'str', decisions: 'list' }],
  ['vmNode', '/vm/web/node', { name: 'str', node: 'str', last_node: 'str' }],
  ['nodeList', '/node', [NODE]],
  ['nodeInfo', '/node/hv1', [NODE]],
  ['nodeDaemonState', '/node/hv1/daemon-state', { name: 'str', daemon_state: 'str' }],
  ['nodeCoordinatorState', '/node/hv1/coordinator-state', { name: 'str', coordinator_state: 'str' }],
  ['nodeDomainState', '/node/hv1/domain-state', { name: 'str', domain_state: 'str' }],
  ['status', '/status', STATUS],
  ['poolList', '/storage/ceph/pool', [POOL]],
  ['poolInfo', '/storage/ceph/pool/vms', [POOL]],
  ['volumeList', '/storage/ceph/volume', [VOLUME]],
  ['volumeInfo', '/storage/ceph/volume/vms/web_sda', [VOLUME]],
  ['networkList', '/network', 'list'],
  ['root', '/', { message: 'str' }],
]

describe.each(READS)('%s', (id, path, shape) => {
  it('has every recorded field with its type', async () => {
    const { status, body } = await cluster.call('GET', path)
    expect(status).toBe(200)
    if (Array.isArray(body) && id !== 'networkList') expect(body.length).toBeGreaterThan(0)
    expect(misfits(body, shape)).toEqual([])
  })

  it('is what the contract says, and nothing else', async () => {
    const { body } = await cluster.call('GET', path)
    expect(strict(CONTRACT[id].output).safeParse(body).error?.issues ?? []).toEqual([])
  })
})

/** The same schema, refusing unknown fields at the top. */
function strict(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodArray && schema.element instanceof z.ZodObject) return z.array(schema.element.strict())
  return schema instanceof z.ZodObject ? schema.strict() : schema
}

describe('GET /vm/{vm}', () => {
  it('shows the statistics that its node reports', async () => {
    const { body } = await cluster.call('GET', '/vm/web')
    const [vm] = body as [Record<string, unknown>]
    expect(Object.keys(vm['memory_stats'] as object)).toEqual([...VM_MEMORY_STATS])
    expect(Object.keys(vm['vcpu_stats'] as object)).toEqual([...VM_CPU_STATS])
    expect(vm).toMatchObject({
      state: 'start',
      node: 'hv1',
      last_node: '',
      migrated: 'no',
      node_limit: ['hv1', 'hv2'],
      node_selector: null,
      vcpu_topology: '1/2/1',
      vnc: { listen: '0.0.0.0', port: '5900' },
      features: ['acpi', 'apic', 'pae'],
      controllers: [
        { type: 'usb', model: null },
        { type: 'scsi', model: 'virtio-scsi' },
      ],
      networks: [{ vni: '100', source: 'vmbr100', rd_bytes: 21, wr_bytes: 23, rd_errors: 1, wr_drops: 4 }],
      disks: [{ type: 'rbd', name: 'vms/web_sda', dev: 'sda', bus: 'scsi', rd_req: 11, wr_bytes: 14 }],
    })
  })

  it('shows zeros and nulls for a VM that does not run', async () => {
    const { body } = await cluster.call('GET', '/vm/plain')
    expect(body).toMatchObject([
      {
        state: 'stop',
        node_limit: null,
        memory_stats: {},
        vcpu_stats: {},
        vnc: { listen: null, port: null },
        networks: [{ rd_bytes: 0 }],
        disks: [{ rd_req: 0 }],
      },
    ])
  })

  it('finds a VM by its UUID in any case', async () => {
    const { uuid } = cluster.spec('web')
    expect((await cluster.call('GET', `/vm/${uuid.toUpperCase()}`)).body).toMatchObject([{ name: 'web' }])
  })

  it('answers 404 with a sentence for an unknown one', async () => {
    expect(await cluster.call('GET', '/vm/nosuchvm')).toMatchObject({
      status: 404,
      body: { message: "VM 'nosuchvm' not found." },
    })
  })

  it('follows each change of specification, status and statistics', async () => {
    const show = async () => ((await cluster.call('GET', '/vm/web')).body as [Record<string, unknown>])[0]
    expect((await show())['tags']).toHaveLength(1)
    await cluster.call('POST', '/vm/web/tags', { action: 'add', tag: 'second' })
    expect((await show())['tags']).toHaveLength(2)
    await cluster.change(tree.node(HV1).stats, (stats) => ({
      ...stats,
      guests: stats.guests.map((guest) => ({ ...guest, cpuTimeNs: 5 })),
    }))
    expect((await show())['vcpu_stats']).toMatchObject({ cpu_time: 5 })
    await cluster.report('web', () => ({ phase: 'failed', failedReason: 'no disk' }))
    expect(await show()).toMatchObject({ state: 'fail', failed_reason: 'no disk' })
  })
})

describe('GET /status', () => {
  it('counts, adds up and names faults', async () => {
    const { body } = await cluster.call('GET', '/status')
    expect(body).toMatchObject({
      cluster_name: 'pvc1',
      cluster_health: { health: 90, messages: [{ id: 'DISK:sda', health_delta: 10, text: 'Disk sda is slow.' }] },
      node_health: { hv1: { health: 90 }, hv2: { health: 100, messages: [] } },
      maintenance: 'false',
      nodes: { total: 3, 'run,ready': 3 },
      vms: { total: 2, start: 1, stop: 1 },
      pools: 1,
      volumes: 1,
      resources: {
        memory: { total: 3 * 515_743, utilization: 39.43 },
        cpu: { total: 96, load: 10.26, utilization: 10.69 },
      },
      detail: {
        faults: [{ id: 'DISK:sda', status: 'new', first_reported: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:/) }],
      },
    })
  })

  it('shows a node without proof of life as dead', async () => {
    await cluster.session.remove(tree.node(HV1).alive.path)
    expect(await cluster.index.removed(tree.node(HV1).alive.path, 1000)).toBe(true)
    expect((await cluster.call('GET', '/node/hv1/daemon-state')).body).toEqual({ name: 'hv1', daemon_state: 'dead' })
    expect((await cluster.call('GET', '/status')).body).toMatchObject({
      nodes: { total: 3, 'run,ready': 2, 'dead,ready': 1 },
      cluster_health: { messages: expect.arrayContaining([expect.objectContaining({ id: 'NODE_STATE:hv1' })]) },
    })
  })
})

describe('GET /status/primary_node', () => {
  it('names the holder of the lease, without a token', async () => {
    const none = await cluster.call('GET', '/status/primary_node', {}, { token: null })
    expect(none).toMatchObject({ status: 404, body: { message: 'No coordinator is primary.' } })
    const lease = { node: HV1, bootId: BootId.parse('boot-1'), epoch: 1 }
    await cluster.session.create(tree.primary.lease, lease, 'ephemeral')
    await cluster.index.reached(tree.primary.lease.path, 0n, 1000)
    const found = await cluster.call('GET', '/status/primary_node', {}, { token: null })
    expect(found).toMatchObject({ status: 200, body: { primary_node: 'hv1' } })
    expect((await cluster.call('GET', '/node/hv1')).body).toMatchObject([{ coordinator_state: 'primary' }])
  })
})
