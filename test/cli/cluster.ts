/** A small cluster as the API shows it: the fields and types recorded from the older API, values of our own. */
import type { ClusterStatus } from '../../src/contract/cluster.ts'
import type { Network } from '../../src/contract/network.ts'
import type { Node } from '../../src/contract/node.ts'
import type { Pool, Volume } from '../../src/contract/storage.ts'
import type { Vm } from '../../src/contract/vm.ts'

const baseNode: Node = {
  name: 'hv1',
  daemon_state: 'run',
  coordinator_state: 'primary',
  domain_state: 'ready',
  pvc_version: '2.0.0',
  cpu_count: 32,
  kernel: '6.1.0-18-amd64',
  os: 'GNU/Linux',
  arch: 'x86_64',
  health: 100,
  health_plugins: ['disk'],
  health_details: [{ name: 'disk', last_run: 1795192597, health_delta: 0, message: 'disk is well', data: {} }],
  load: 3.42,
  domains_count: 2,
  running_domains: ['web', 'db'],
  vcpu: { total: 32, allocated: 6 },
  memory: { total: 515743, allocated: 6144, provisioned: 6144, used: 203344, free: 312399 },
  fence_test: { grade: 'ready', tested_at: 1795188997000, problems: [], coordinator_problems: [] },
  interfaces: { ens4: { rx_bytes: 1, tx_bytes: 2, link_speed: 10000, state: 'up' } },
}

/** A node with some fields of its own. */
export function node(own: Partial<Node> = {}): Node {
  return { ...baseNode, ...own }
}

export const nodes: readonly Node[] = [
  node({
    name: 'hv2',
    coordinator_state: 'secondary',
    health: 75,
    health_details: [
      { name: 'disk', last_run: 1795192597, health_delta: 25, message: '/dev/sdb is failing', data: {} },
    ],
  }),
  node(),
  node({
    name: 'hypervisor10',
    daemon_state: 'dead',
    coordinator_state: 'client',
    domain_state: 'flushed',
    health: 0,
    memory: { total: 1000, allocated: 2000, provisioned: 2000, used: 10, free: 990 },
    running_domains: [],
    domains_count: 0,
  }),
]

export const webXml = `<domain type='kvm'>
  <!-- our web server -->
  <name>web</name>
  <uuid>11111111-2222-4333-8444-555555555555</uuid>
  <memory unit='KiB'>2097152</memory>
  <currentMemory unit='KiB'>2097152</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <cpu mode='host-model'>
    <topology sockets='1' cores='2' threads='1'/>
  </cpu>
  <devices>
    <disk type='network' device='disk'>
      <source protocol='rbd' name='vms/web_sda'/>
      <target dev='sda' bus='scsi'/>
    </disk>
  </devices>
</domain>`

const baseVm: Vm = {
  name: 'web',
  uuid: '11111111-2222-4333-8444-555555555555',
  state: 'start',
  node: 'hv1',
  last_node: '',
  migrated: 'no',
  failed_reason: '',
  node_limit: null,
  node_selector: null,
  node_autostart: false,
  migration_method: null,
  migration_max_downtime: 300,
  start_priority: 50,
  anti_affinity_group: null,
  tags: [
    { name: 'prod', type: 'user', protected: true },
    { name: 'team1', type: 'user', protected: false },
  ],
  snapshots: [],
  description: 'Web server',
  profile: '',
  memory: 2048,
  memory_stats: { actual: 2097152, rss: 1812345 },
  vcpu: 2,
  vcpu_topology: '1/2/1',
  vcpu_stats: {},
  networks: [
    {
      type: 'bridge',
      vni: '100',
      mac: '52:54:00:00:00:01',
      source: 'vmbr100',
      model: 'virtio',
      rd_bytes: 12345678901,
      rd_packets: 12345678,
      rd_errors: 0,
      rd_drops: 12,
      wr_bytes: 1023,
      wr_packets: 8765432,
      wr_errors: 0,
      wr_drops: 0,
    },
  ],
  type: 'hvm',
  arch: 'x86_64',
  machine: 'pc-q35-7.2',
  console: 'pty',
  vnc: { listen: '0.0.0.0', port: '5900' },
  emulator: '/usr/bin/kvm',
  features: ['acpi', 'apic'],
  disks: [
    { type: 'rbd', name: 'vms/web_sda', dev: 'sda', bus: 'scsi', rd_req: 1, rd_bytes: 2048, wr_req: 2, wr_bytes: 4096 },
  ],
  controllers: [
    { type: 'usb', model: null },
    { type: 'scsi', model: 'virtio-scsi' },
  ],
  xml: webXml,
  version: 7,
  settled: true,
  migration: null,
  move_failed_reason: '',
}

/** A VM with some fields of its own. */
export function vm(own: Partial<Vm> = {}): Vm {
  return { ...baseVm, ...own }
}

export const vms: readonly Vm[] = [
  vm(),
  vm({
    name: 'db',
    state: 'fail',
    failed_reason: 'Volume vms/db_sda is locked by 10.0.0.9.',
    node: 'hv2',
    last_node: 'hv1',
    migrated: 'from hv1',
    tags: [],
    memory: 4096,
    vcpu: 4,
    networks: [],
    node_limit: ['hv1', 'hv2'],
    node_selector: 'mem',
    node_autostart: true,
    migration_method: 'live',
    vnc: { listen: null, port: null },
  }),
  vm({ name: 'archive-server', state: 'disable', tags: [] }),
]

/** A VM as the older API shows it, which lacks what version 2 added. */
export function oldVm(own: Partial<Vm> = {}): Partial<Vm> {
  const { version, settled, migration, move_failed_reason, start_priority, anti_affinity_group, ...rest } = vm(own)
  return rest
}

export const networks: readonly Network[] = [
  {
    vni: 100,
    description: 'net100',
    type: 'managed',
    mtu: '1500',
    domain: 'net100.local',
    name_servers: [],
    ip4: { network: '10.100.0.0/24', gateway: '10.100.0.1', dhcp_flag: 'True', dhcp_start: '', dhcp_end: '' },
    ip6: { network: '', gateway: '', dhcp_flag: 'False' },
  },
]

export const pools: readonly Pool[] = [
  {
    name: 'vms',
    volume_count: 41,
    tier: 'default',
    pgs: '256',
    stats: {
      id: 2,
      stored_bytes: 812345678901,
      free_bytes: 2812345678901,
      used_bytes: 2437037036703,
      used_percent: 0.229,
      num_objects: 223344,
      num_object_clones: 0,
      num_object_copies: 670032,
      num_objects_missing_on_primary: 0,
      num_objects_unfound: 0,
      num_objects_degraded: 3,
      read_ops: 123456789,
      read_bytes: 1234567890123,
      write_ops: 987654321,
      write_bytes: 9876543210987,
    },
  },
]

/** A volume of pool vms. */
export function volume(name: string, size: string): Volume {
  return {
    name,
    pool: 'vms',
    stats: {
      name,
      id: 'abcdef73e7b437',
      size,
      objects: 5120,
      order: 22,
      object_size: 4194304,
      snapshot_count: 0,
      block_name_prefix: 'rbd_data.abcdef',
      format: 2,
      features: ['layering', 'exclusive-lock'],
      op_features: [],
      flags: [],
      create_timestamp: 'Fri Nov 20 12:00:00 2026',
      access_timestamp: 'Fri Nov 20 12:00:00 2026',
      modify_timestamp: 'Fri Nov 20 12:00:00 2026',
    },
  }
}

export const status: ClusterStatus = {
  cluster_name: 'pvc1',
  cluster_health: {
    health: 75,
    messages: [{ id: 'NODE_DISK_HV2', health_delta: 25, text: 'Node hv2: /dev/sdb is failing' }],
  },
  node_health: {},
  maintenance: 'false',
  maintenance_detail: { since: 0, by: '', reason: '', until: null, acknowledged: false },
  primary_node: 'hv1',
  pvc_version: '2.0.0',
  upstream_ip: '10.0.0.250',
  nodes: { total: 3, 'run,ready': 2, 'dead,flushed': 1 },
  vms: { total: 21, start: 18, stop: 1, fail: 1, disable: 1 },
  networks: 10,
  osds: { total: 6, 'up,in': 6 },
  pools: 1,
  volumes: 43,
  snapshots: 40,
  resources: {
    memory: { total: 1, free: 1, used: 0, allocated: 0, provisioned: 0, utilization: 0 },
    cpu: { total: 96, load: 10, allocated: 40, utilization: 10 },
    disk: { total: 1, used: 0, free: 1, utilization: 0 },
  },
  detail: { node: [], vm: [], osd: [], faults: [] },
}
