import { compatState, isMoving } from './compat-state.ts'
import type { VmSpec, VmStatus } from './domain.ts'
import type { DomainFacts, DomainNetwork } from './domain-xml.ts'
import { orderOf, whereabouts } from './move.ts'
import type { GuestStats } from './node.ts'

/**
 * VM documents as the API v1 shows them. The parts that change only with the definition are kept apart from those that
 * change with every heartbeat, so that a list of a thousand VMs need not be written out anew for each request.
 */

const NO_DISK_STATS = { readRequests: 0, readBytes: 0, writeRequests: 0, writeBytes: 0 }
const NO_INTERFACE_STATS = {
  rxBytes: 0,
  rxPackets: 0,
  rxErrors: 0,
  rxDrops: 0,
  txBytes: 0,
  txPackets: 0,
  txErrors: 0,
  txDrops: 0,
}

/** Where and how a VM may run. An unlimited node list is null, as it always was. */
export function compatMeta(spec: VmSpec) {
  const { meta } = spec
  return {
    node_limit: meta.nodeLimit.length > 0 ? [...meta.nodeLimit] : null,
    node_selector: meta.selector === 'none' ? null : meta.selector,
    node_autostart: meta.autostart,
    migration_method: meta.migrationMethod === 'none' ? null : meta.migrationMethod,
    migration_max_downtime: meta.migrationMaxDowntimeMs,
    start_priority: meta.startPriority,
    anti_affinity_group: meta.antiAffinityGroup === '' ? null : meta.antiAffinityGroup,
  }
}

/** The move under way as clients see it; null when there is none. */
export function compatMigration(spec: VmSpec, status: VmStatus) {
  if (!isMoving(spec, status)) return null
  const { migration, handedOver } = status
  const { node, goingTo } = whereabouts({ spec, status })
  const progress = migration?.progress ?? null
  return {
    id: migration?.id ?? handedOver ?? orderOf(spec).id,
    from: (migration?.from.node ?? (handedOver === null ? node : '')) as string,
    to: (migration?.to.node ?? goingTo ?? node) as string,
    step: moveStep(spec, status),
    started_at: migration?.startedAt ?? null,
    percent: progress?.percent ?? null,
    remaining_mib: progress?.remainingMiB ?? null,
    total_mib: progress?.totalMiB ?? null,
    dirty_mibps: progress?.dirtyMiBps ?? null,
    speed_mibps: progress?.speedMiBps ?? null,
    expected_s: progress?.expectedS ?? null,
  }
}

function moveStep(spec: VmSpec, { migration, handedOver, phase }: VmStatus): string {
  if (migration !== null) return migration.id === orderOf(spec).id ? migration.step : 'cancel'
  if (handedOver !== null) return 'resume'
  return phase === 'stopping' ? 'shutdown' : 'waiting'
}

/** Fields that change only with the specification. */
export function compatVmStatic(spec: VmSpec, facts: DomainFacts) {
  return {
    name: spec.name,
    uuid: spec.uuid as string,
    ...compatMeta(spec),
    tags: spec.tags.map(({ name, type, protected: isProtected }) => ({ name, type, protected: isProtected })),
    snapshots: [],
    description: spec.description,
    profile: spec.meta.profile,
    memory: spec.memoryMiB,
    vcpu: spec.vcpus,
    vcpu_topology: facts.topology,
    type: facts.osType,
    arch: facts.arch,
    machine: facts.machine,
    console: facts.console,
    emulator: facts.emulator,
    features: [...facts.features],
    controllers: facts.controllers.map(({ type, model }) => ({ type, model })),
    xml: spec.xml,
    version: spec.generation,
  }
}

/** Fields that change with the status and with every report of statistics. */
export function compatVmDynamic(spec: VmSpec, status: VmStatus, facts: DomainFacts, stats: GuestStats | undefined) {
  // While a VM moves or is held elsewhere, the node shown is the one that runs it, and its home that of before.
  const { home, failure } = whereabouts({ spec, status })
  return {
    state: compatState(spec, status) as string,
    node: (status.run?.node ?? spec.node) as string,
    last_node: home ?? '',
    migrated: home === null ? 'no' : `from ${home}`,
    migration: compatMigration(spec, status),
    move_failed_reason: failure,
    failed_reason: status.failedReason,
    settled: status.observedGeneration >= spec.generation,
    vnc: {
      listen: status.vnc?.listen ?? null,
      port: status.vnc === null ? null : String(status.vnc.port),
    },
    memory_stats: stats?.memoryKiB ?? {},
    vcpu_stats: (stats === undefined
      ? {}
      : { cpu_time: stats.cpuTimeNs, user_time: stats.cpuUserNs, system_time: stats.cpuSystemNs }) as Record<
      string,
      number
    >,
    networks: compatNetworks(facts.networks, stats),
    disks: facts.disks.map(({ type, name, dev, bus }) => {
      const counters = stats?.disks.find((disk) => disk.dev === dev) ?? NO_DISK_STATS
      return {
        type,
        name,
        dev,
        bus,
        rd_req: counters.readRequests,
        rd_bytes: counters.readBytes,
        wr_req: counters.writeRequests,
        wr_bytes: counters.writeBytes,
      }
    }),
  }
}

/** libvirt reports interfaces in the order of the definition, but not those passed through as a PCI device. */
function compatNetworks(networks: readonly DomainNetwork[], stats: GuestStats | undefined) {
  let reported = 0
  return networks.map(({ type, vni, mac, source, model }) => {
    const counters = (type === 'hostdev' ? undefined : stats?.interfaces[reported++]) ?? NO_INTERFACE_STATS
    return {
      type,
      vni,
      mac,
      source,
      model,
      rd_bytes: counters.rxBytes,
      rd_packets: counters.rxPackets,
      rd_errors: counters.rxErrors,
      rd_drops: counters.rxDrops,
      wr_bytes: counters.txBytes,
      wr_packets: counters.txPackets,
      wr_errors: counters.txErrors,
      wr_drops: counters.txDrops,
    }
  })
}
