import type { Network } from '../../contract/network.ts'
import type { Vm } from '../../contract/vm.ts'
import type { VmMigration } from '../../contract/vm-move.ts'
import type { ColourName, Palette } from './colour.ts'
import { formatCopy } from './migration-view.ts'
import { formatBytes } from './quantity.ts'
import { type Cell, type Field, formatFields, formatTable, type Section } from './table.ts'

const STATE_COLOURS: Readonly<Record<string, ColourName>> = {
  start: 'green',
  restart: 'yellow',
  shutdown: 'yellow',
  stop: 'red',
  fail: 'red',
  disable: 'blue',
}

function stateCell(vm: Vm): Cell {
  return { text: vm.state, colour: STATE_COLOURS[vm.state] ?? 'blue' }
}

/** Networks of the cluster by VNI; undefined when the API has none to tell of, and then nothing is marked. */
export type KnownNetworks = ReadonlySet<string> | undefined

/** What GET /network answered, for {@link formatVmList} and {@link formatVmInfo}. */
export function knownNetworks(networks: readonly Network[]): KnownNetworks {
  return networks.length === 0 ? undefined : new Set(networks.map((network) => String(network.vni)))
}

/** True for an interface on a managed network that does not exist; the three fixed networks have names, not numbers. */
function isMissing(vni: string, known: KnownNetworks): boolean {
  return known !== undefined && /^\d+$/.test(vni) && !known.has(vni)
}

function networksCell(vm: Vm, known: KnownNetworks): Cell {
  const vnis = vm.networks.map((network) => network.vni)
  const text = vnis.join(',')
  return vnis.some((vni) => isMissing(vni, known)) ? { text, colour: 'red' } : text
}

function migratedCell(vm: Vm): Cell {
  return vm.migrated === 'no' || vm.migrated === '' ? 'no' : { text: vm.migrated, colour: 'yellow' }
}

function joined(names: readonly string[]): string {
  return names.length === 0 ? 'N/A' : names.join(',')
}

function listSections(known: KnownNetworks): readonly Section<Vm>[] {
  return [
    {
      title: 'VMs',
      columns: [
        { title: 'Name', cell: (vm) => vm.name },
        { title: 'State', cell: stateCell },
        { title: 'Tags', cell: (vm) => joined(vm.tags.map((tag) => tag.name)) },
        { title: 'Snapshots', cell: (vm) => String(vm.snapshots?.length ?? 0) },
      ],
    },
    {
      title: 'Resources',
      columns: [
        { title: 'Networks', cell: (vm) => networksCell(vm, known) },
        { title: 'RAM (M)', cell: (vm) => String(vm.memory) },
        { title: 'vCPUs', cell: (vm) => String(vm.vcpu) },
      ],
    },
    {
      title: 'Node',
      columns: [
        { title: 'Current', cell: (vm) => vm.node },
        { title: 'Migrated', cell: migratedCell },
      ],
    },
  ]
}

/** `pvc vm list`. */
export function formatVmList(vms: readonly Vm[], known: KnownNetworks, palette: Palette): string {
  if (vms.length === 0) return 'No VMs found.'
  const sorted = vms.toSorted((a, b) => a.name.localeCompare(b.name))
  return formatTable(listSections(known), sorted, palette)
}

/** Warning below a list in which some network does not exist; undefined when all is well. */
export function missingNetworkWarning(vms: readonly Vm[], known: KnownNetworks): string | undefined {
  const names = new Set(
    vms.flatMap((vm) => vm.networks.map((network) => network.vni)).filter((vni) => isMissing(vni, known)),
  )
  if (names.size === 0) return undefined
  return `Networks that do not exist are in use: ${[...names].toSorted().join(', ')}.`
}

/** A value that may be unset; older servers give null or the text "None". */
function orDefault(value: string | null | undefined, otherwise: string): string {
  return value === null || value === undefined || value === '' || value === 'None' ? otherwise : value
}

function longFields(vm: Vm): readonly Field[] {
  const stats = vm.memory_stats ?? {}
  const resident = stats['rss']
  return [
    undefined,
    ['Description', orDefault(vm.description, 'N/A')],
    ['Architecture', vm.arch],
    ['Machine', vm.machine],
    ['Features', vm.features.join(' ') || 'N/A'],
    ['Emulator', orDefault(vm.emulator, 'N/A')],
    ['Console', orDefault(vm.console, 'N/A')],
    ['VNC', vm.vnc?.port ? `${vm.vnc.listen ?? ''}:${vm.vnc.port}` : 'disabled'],
    ['Memory Resident', resident === undefined ? undefined : formatBytes(resident * 1024)],
    ['Controllers', vm.controllers.map((each) => (each.model ? `${each.type} (${each.model})` : each.type))],
    undefined,
    [
      'Interfaces',
      vm.networks.map(
        (each) =>
          `${each.vni}: ${each.type} ${each.model} ${each.mac} (${each.source}), ` +
          `read ${formatBytes(each.rd_bytes)}, written ${formatBytes(each.wr_bytes)}, ` +
          `errors ${each.rd_errors + each.wr_errors}, drops ${each.rd_drops + each.wr_drops}`,
      ),
    ],
    [
      'Disks',
      vm.disks.map(
        (each) =>
          `${each.dev}: ${each.type} ${each.name} (${each.bus}), ` +
          `read ${formatBytes(each.rd_bytes)}, written ${formatBytes(each.wr_bytes)}`,
      ),
    ],
  ]
}

function shortDevices(vm: Vm, known: KnownNetworks): readonly Field[] {
  return [
    undefined,
    ['Networks', vm.networks.length === 0 ? 'N/A' : networksCell(vm, known)],
    ['Volumes', vm.disks.length === 0 ? 'N/A' : vm.disks.map((disk) => `${disk.dev}: ${disk.name}`)],
  ]
}

function migrationText(migration: VmMigration): string {
  return `to node ${migration.to}: ${formatCopy(migration)}`
}

/** `pvc vm info`; long adds the virtual hardware and its counters. */
export function formatVmInfo(vm: Vm, isLong: boolean, known: KnownNetworks, palette: Palette): string {
  const snapshots = vm.snapshots ?? []
  return formatFields(
    [
      ['Name', vm.name],
      ['UUID', vm.uuid],
      ['State', stateCell(vm)],
      ['Failure Reason', vm.failed_reason ? { text: vm.failed_reason, colour: 'red' } : undefined],
      ['Migration', vm.migration ? { text: migrationText(vm.migration), colour: 'blue' } : undefined],
      ['Move Failure', vm.move_failed_reason ? { text: vm.move_failed_reason, colour: 'red' } : undefined],
      ['Profile', orDefault(vm.profile, 'N/A')],
      undefined,
      ['Current Node', vm.node],
      ['Previous Node', orDefault(vm.last_node, 'N/A')],
      ['Migrated', migratedCell(vm)],
      ['Node Limit', vm.node_limit === null || vm.node_limit.length === 0 ? 'any' : vm.node_limit.join(', ')],
      ['Node Selector', orDefault(vm.node_selector, 'none')],
      ['Autostart', vm.node_autostart ? 'yes' : 'no'],
      ['Migration Method', orDefault(vm.migration_method, 'none')],
      ['Max Live Downtime', `${vm.migration_max_downtime} ms`],
      ['Start Priority', vm.start_priority === undefined ? undefined : String(vm.start_priority)],
      ['Anti-Affinity', vm.anti_affinity_group === undefined ? undefined : (vm.anti_affinity_group ?? 'none')],
      undefined,
      ['Memory (M)', String(vm.memory)],
      ['vCPUs', String(vm.vcpu)],
      ['Topology (S/C/T)', vm.vcpu_topology],
      undefined,
      ['Tags', vm.tags.map((tag) => (tag.protected ? `${tag.name} (protected)` : tag.name)).join(', ') || 'N/A'],
      ['Snapshots', snapshots.length === 0 ? 'N/A' : snapshots.map((snapshot) => snapshot.name)],
      ...(isLong ? longFields(vm) : shortDevices(vm, known)),
    ],
    palette,
  )
}
