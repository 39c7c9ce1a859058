/**
 * Shapes of the answers that clients of PVC 1.0.3 read: every field with its JSON type, as recorded from that release.
 * `str`, `int`, `float` (any number), `bool`; a trailing `?` allows null; `*` stands for any key.
 */
export type Shape = string | readonly [Shape] | { readonly [key: string]: Shape }

const MESSAGES = [{ id: 'str', health_delta: 'int', text: 'str' }] as const
const TAG = { name: 'str', type: 'str', protected: 'bool' } as const

export const VM: Shape = {
  name: 'str',
  uuid: 'str',
  state: 'str',
  node: 'str',
  last_node: 'str',
  migrated: 'str',
  failed_reason: 'str',
  node_limit: 'list?',
  node_selector: 'str?',
  node_autostart: 'bool',
  migration_method: 'str?',
  migration_max_downtime: 'int',
  tags: [TAG],
  snapshots: 'list',
  description: 'str',
  profile: 'str',
  memory: 'int',
  memory_stats: { '*': 'int' },
  vcpu: 'int',
  vcpu_topology: 'str',
  vcpu_stats: { '*': 'int' },
  networks: [
    {
      type: 'str',
      vni: 'str',
      mac: 'str',
      source: 'str',
      model: 'str',
      rd_bytes: 'int',
      rd_packets: 'int',
      rd_errors: 'int',
      rd_drops: 'int',
      wr_bytes: 'int',
      wr_packets: 'int',
      wr_errors: 'int',
      wr_drops: 'int',
    },
  ],
  type: 'str',
  arch: 'str',
  machine: 'str',
  console: 'str',
  vnc: { listen: 'str?', port: 'str?' },
  emulator: 'str',
  features: ['str'],
  disks: [
    {
      type: 'str',
      name: 'str',
      dev: 'str',
      bus: 'str',
      rd_req: 'int',
      rd_bytes: 'int',
      wr_req: 'int',
      wr_bytes: 'int',
    },
  ],
  controllers: [{ type: 'str', model: 'str?' }],
  xml: 'str',
}

export const VM_MEMORY_STATS = [
  'actual',
  'swap_in',
  'swap_out',
  'major_fault',
  'minor_fault',
  'unused',
  'available',
  'usable',
  'last_update',
  'disk_caches',
  'hugetlb_pgalloc',
  'hugetlb_pgfail',
  'rss',
] as const

export const VM_CPU_STATS = ['cpu_time', 'user_time', 'system_time'] as const

export const VM_META: Shape = {
  name: 'str',
  node_limit: 'list?',
  node_selector: 'str?',
  node_autostart: 'bool',
  migration_method: 'str?',
  migration_max_downtime: 'int',
}

export const VM_TAGS: Shape = { name: 'str', tags: [TAG] }

export const NODE: Shape = {
  name: 'str',
  daemon_state: 'str',
  coordinator_state: 'str',
  domain_state: 'str',
  pvc_version: 'str',
  cpu_count: 'int',
  kernel: 'str',
  os: 'str',
  arch: 'str',
  health: 'int',
  health_plugins: ['str'],
  health_details: [{ name: 'str', last_run: 'int', health_delta: 'int', message: 'str', data: { '*': 'any' } }],
  load: 'float',
  domains_count: 'int',
  running_domains: ['str'],
  vcpu: { total: 'int', allocated: 'int' },
  memory: { total: 'int', allocated: 'int', provisioned: 'int', used: 'int', free: 'int' },
  interfaces: { '*': { '*': 'any' } },
}

export const STATUS: Shape = {
  cluster_name: 'str',
  cluster_health: { health: 'int', messages: MESSAGES },
  node_health: { '*': { health: 'int', messages: MESSAGES } },
  maintenance: 'str',
  primary_node: 'str',
  pvc_version: 'str',
  upstream_ip: 'str',
  nodes: { '*': 'int' },
  vms: { '*': 'int' },
  networks: 'int',
  osds: { '*': 'int' },
  pools: 'int',
  volumes: 'int',
  snapshots: 'int',
  resources: {
    memory: {
      total: 'int',
      free: 'int',
      used: 'int',
      allocated: 'int',
      provisioned: 'int',
      utilization: 'float',
    },
    cpu: { total: 'int', load: 'float', allocated: 'int', utilization: 'float' },
    disk: { total: 'int', used: 'int', free: 'int', utilization: 'float' },
  },
  detail: {
    node: [{ name: 'str', daemon_state: 'str', domain_state: 'str' }],
    vm: [{ uuid: 'str', name: 'str', state: 'str' }],
    osd: [{ id: 'str', up: 'str', in: 'str' }],
    faults: [
      {
        id: 'str',
        last_reported: 'str',
        first_reported: 'str',
        acknowledged_at: 'str',
        status: 'str',
        health_delta: 'int',
        message: 'str',
      },
    ],
  },
}

export const POOL: Shape = {
  name: 'str',
  volume_count: 'int',
  tier: 'str',
  pgs: 'str',
  stats: {
    id: 'int',
    stored_bytes: 'int',
    free_bytes: 'int',
    used_bytes: 'int',
    used_percent: 'float',
    num_objects: 'int',
    num_object_clones: 'int',
    num_object_copies: 'int',
    num_objects_missing_on_primary: 'int',
    num_objects_unfound: 'int',
    num_objects_degraded: 'int',
    read_ops: 'int',
    read_bytes: 'int',
    write_ops: 'int',
    write_bytes: 'int',
  },
}

export const VOLUME: Shape = {
  name: 'str',
  pool: 'str',
  stats: {
    name: 'str',
    id: 'str',
    size: 'str',
    objects: 'int',
    order: 'int',
    object_size: 'int',
    snapshot_count: 'int',
    block_name_prefix: 'str',
    format: 'int',
    features: ['str'],
    op_features: ['str'],
    flags: ['str'],
    create_timestamp: 'str',
    access_timestamp: 'str',
    modify_timestamp: 'str',
  },
}

const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  str: (value) => typeof value === 'string',
  int: Number.isInteger,
  float: (value) => typeof value === 'number',
  bool: (value) => typeof value === 'boolean',
  list: Array.isArray,
  any: () => true,
}

/** Every place where `value` lacks a field of the shape or has another type there. More fields are allowed. */
export function misfits(value: unknown, shape: Shape, at = '$'): string[] {
  if (typeof shape === 'string') {
    const isNullable = shape.endsWith('?')
    const fits = SCALARS[isNullable ? shape.slice(0, -1) : shape]
    if (fits === undefined) throw new Error(`no such type: ${shape}`)
    return (isNullable && value === null) || fits(value) ? [] : [`${at}: ${JSON.stringify(value)} is not ${shape}`]
  }
  if (isListShape(shape)) {
    if (!Array.isArray(value)) return [`${at} is not a list`]
    return value.flatMap((item, index) => misfits(item, shape[0], `${at}[${index}]`))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is not an object`]
  const fields = value as Record<string, unknown>
  return Object.entries(shape).flatMap(([key, inner]) => {
    if (key === '*') return Object.entries(fields).flatMap(([name, item]) => misfits(item, inner, `${at}.${name}`))
    return key in fields ? misfits(fields[key], inner, `${at}.${key}`) : [`${at}.${key} is missing`]
  })
}

function isListShape(shape: Exclude<Shape, string>): shape is readonly [Shape] {
  return Array.isArray(shape)
}
