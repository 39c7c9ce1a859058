import type { Node } from '../../contract/node.ts'
import { type ColourName, healthColour, type Palette } from './colour.ts'
import { FENCE_GRADES } from './fence-test-view.ts'
import { type Cell, type Field, formatFields, formatTable, type Section } from './table.ts'

const DAEMON_COLOURS: Readonly<Record<string, ColourName>> = {
  run: 'green',
  init: 'yellow',
  shutdown: 'yellow',
  stop: 'red',
  dead: 'red',
  fenced: 'red',
}

const COORDINATOR_COLOURS: Readonly<Record<string, ColourName>> = { primary: 'green', secondary: 'blue' }

function daemonCell(node: Node): Cell {
  return { text: node.daemon_state, colour: DAEMON_COLOURS[node.daemon_state] ?? 'blue' }
}

function coordinatorCell(node: Node): Cell {
  return { text: node.coordinator_state, colour: COORDINATOR_COLOURS[node.coordinator_state] ?? 'cyan' }
}

function domainCell(node: Node): Cell {
  return { text: node.domain_state, colour: node.domain_state === 'ready' ? 'green' : 'blue' }
}

function healthCell(node: Node): Cell {
  const isKnown = typeof node.health === 'number'
  return { text: isKnown ? `${node.health}%` : 'N/A', colour: healthColour(node.health) }
}

/** Memory promised to guests: yellow when it is more than the node has. */
function promisedCell(node: Node, amount: number): Cell {
  return amount > node.memory.total ? { text: String(amount), colour: 'yellow' } : String(amount)
}

const SECTIONS: readonly Section<Node>[] = [
  {
    title: 'Nodes',
    columns: [
      { title: 'Name', cell: (node) => node.name },
      { title: 'Version', cell: (node) => node.pvc_version ?? 'N/A' },
      { title: 'Health', cell: healthCell },
      { title: 'Daemon', cell: daemonCell },
      { title: 'Coordinator', cell: coordinatorCell },
      { title: 'Domain', cell: domainCell },
    ],
  },
  {
    title: 'Resources',
    columns: [
      { title: 'VMs', cell: (node) => String(node.domains_count) },
      { title: 'vCPUs', cell: (node) => String(node.vcpu.allocated) },
      { title: 'Load', cell: (node) => String(node.load) },
    ],
  },
  {
    title: 'Memory (M)',
    columns: [
      { title: 'Total', cell: (node) => String(node.memory.total) },
      { title: 'Used', cell: (node) => String(node.memory.used) },
      { title: 'Free', cell: (node) => String(node.memory.free) },
      { title: 'Alloc', cell: (node) => promisedCell(node, node.memory.allocated) },
      { title: 'Prov', cell: (node) => promisedCell(node, node.memory.provisioned) },
    ],
  },
]

/** `pvc node list`. */
export function formatNodeList(nodes: readonly Node[], palette: Palette): string {
  if (nodes.length === 0) return 'No nodes found.'
  return formatTable(
    SECTIONS,
    nodes.toSorted((a, b) => a.name.localeCompare(b.name)),
    palette,
  )
}

function healthDetails(node: Node, isLong: boolean): string[] {
  return (node.health_details ?? [])
    .filter((detail) => isLong || detail.health_delta > 0)
    .map((detail) => `${detail.name}: ${detail.message}`)
}

/** Servers of older versions say nothing of it. */
function fenceTestFields({ fence_test: test }: Node): readonly Field[] {
  if (test === undefined) return []
  if (test === null) return [['Fence Test', { text: 'was not made yet', colour: 'yellow' }]]
  const [colour, words] = FENCE_GRADES[test.grade] ?? ['yellow', test.grade]
  const text = `${words} (${new Date(test.tested_at).toISOString()})`
  const others = test.coordinator_problems ?? []
  const problems = [...test.problems, ...others.map((problem) => `as primary, ${problem}`)]
  return [
    ['Fence Test', { text, colour }],
    ['Fence Problems', problems.length > 0 ? problems : undefined],
  ]
}

/** `pvc node info`; long adds all health checks, system facts and interfaces. */
export function formatNodeInfo(node: Node, isLong: boolean, palette: Palette): string {
  const details = healthDetails(node, isLong)
  const interfaces = Object.entries(node.interfaces ?? {})
  const long: readonly Field[] = [
    undefined,
    ['Architecture', node.arch],
    ['Operating System', node.os],
    ['Kernel Version', node.kernel],
  ]
  const links: readonly Field[] = [
    undefined,
    ['Interfaces', interfaces.map(([name, facts]) => `${name}: ${facts['state'] ?? 'unknown'}`)],
  ]
  return formatFields(
    [
      ['Name', node.name],
      ['PVC Version', node.pvc_version ?? 'N/A'],
      ['Health', healthCell(node)],
      ['Health Details', details.length > 0 ? details : undefined],
      undefined,
      ['Daemon State', daemonCell(node)],
      ['Coordinator State', coordinatorCell(node)],
      ['Domain State', domainCell(node)],
      ...fenceTestFields(node),
      ...(isLong ? long : []),
      undefined,
      ['Active VM Count', String(node.domains_count)],
      ['Running VMs', isLong && node.running_domains.length > 0 ? node.running_domains.join(', ') : undefined],
      ['Host CPUs', String(node.vcpu.total)],
      ['vCPUs', String(node.vcpu.allocated)],
      ['Load', String(node.load)],
      ['Total RAM (MiB)', String(node.memory.total)],
      ['Used RAM (MiB)', String(node.memory.used)],
      ['Free RAM (MiB)', String(node.memory.free)],
      ['Allocated RAM (MiB)', promisedCell(node, node.memory.allocated)],
      ['Provisioned RAM (MiB)', promisedCell(node, node.memory.provisioned)],
      ...(isLong && interfaces.length > 0 ? links : []),
    ],
    palette,
  )
}
