import type { ClusterStatus } from '../../contract/cluster.ts'
import { type ColourName, healthColour, type Palette } from './colour.ts'
import { type Field, formatFields } from './table.ts'

function isMaintained(status: ClusterStatus): boolean {
  return status.maintenance === 'true'
}

function healthText(status: ClusterStatus): string {
  const { health } = status.cluster_health
  const figure = typeof health === 'number' && health >= 0 ? `${health}%` : 'N/A'
  return isMaintained(status) ? `${figure} (maintenance on)` : figure
}

function faultColour(delta: number): ColourName {
  if (delta >= 50) return 'red'
  return delta >= 10 ? 'yellow' : 'green'
}

function faultLines(status: ClusterStatus, palette: Palette): string[] {
  return status.cluster_health.messages.map(({ id, health_delta, text }) => {
    const delta = palette[faultColour(health_delta)](`-${health_delta}%`)
    return `${id} (${delta}) ${text}`
  })
}

function formatTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** Why, by whom and since when maintenance is on; undefined when it is off or the server does not say. */
function maintenanceText(status: ClusterStatus): string | undefined {
  const detail = status.maintenance_detail
  if (!isMaintained(status) || !detail || detail.since === 0) return undefined
  const since = formatTime(detail.since)
  const until = detail.until == null ? '' : `, until ${formatTime(detail.until)}`
  // An older server does not say.
  const unconfirmed = detail.acknowledged === false ? ', not confirmed by the primary yet' : ''
  return `since ${since} by ${detail.by}${until}${unconfirmed}${detail.reason === '' ? '' : `: ${detail.reason}`}`
}

function nodeColour(state: string): ColourName {
  if (state === 'run,ready') return 'green'
  if (/^run,(flush|unflush|flushed)$/.test(state)) return 'blue'
  return /dead|fenced|stop/.test(state) ? 'red' : 'yellow'
}

function vmColour(state: string): ColourName {
  if (state === 'start') return 'green'
  if (['migrate', 'migrate-live', 'disable', 'provision', 'mirror', 'import', 'restore'].includes(state)) return 'blue'
  return state === 'stop' || state === 'fail' ? 'red' : 'yellow'
}

function osdColour(state: string): ColourName {
  if (state === 'up,in') return 'green'
  return state === 'down,out' ? 'red' : 'yellow'
}

/** `3/3 run,ready, 1/3 stop,flushed`: the good state first, then the others as the server names them. */
function countsText(
  counts: Readonly<Record<string, number>>,
  first: readonly string[],
  colourOf: (state: string) => ColourName,
  palette: Palette,
): string {
  const states = [...first, ...Object.keys(counts).filter((state) => state !== 'total' && !first.includes(state))]
  const shown = states.filter((state) => (counts[state] ?? 0) > 0)
  if (shown.length === 0) return String(counts['total'] ?? 0)
  return shown.map((state) => `${counts[state]}/${counts['total'] ?? 0} ${palette[colourOf(state)](state)}`).join(', ')
}

function headFields(status: ClusterStatus, palette: Palette): readonly Field[] {
  const faults = faultLines(status, palette)
  const colour = isMaintained(status) ? 'blue' : healthColour(status.cluster_health.health)
  return [
    ['Health', { text: healthText(status), colour }],
    ['Maintenance', maintenanceText(status)],
    ['Active Faults', faults.length > 0 ? faults : undefined],
  ]
}

/** `pvc cluster status`; short is health and faults only. */
export function formatClusterStatus(status: ClusterStatus, isShort: boolean, palette: Palette): string {
  const title = `${palette.bold('PVC cluster status:')}\n\n`
  if (isShort) return title + formatFields(headFields(status, palette), palette)
  const fields: readonly Field[] = [
    ['Cluster', status.cluster_name],
    ['Primary node', status.primary_node || 'none'],
    ['PVC version', status.pvc_version],
    ['Upstream IP', status.upstream_ip || 'N/A'],
    undefined,
    ...headFields(status, palette),
    undefined,
    ['Nodes', countsText(status.nodes, ['run,ready'], nodeColour, palette)],
    ['VMs', countsText(status.vms, ['start', 'disable'], vmColour, palette)],
    ['OSDs', countsText(status.osds, ['up,in'], osdColour, palette)],
    ['Pools', String(status.pools)],
    ['Volumes', String(status.volumes)],
    ['Snapshots', String(status.snapshots)],
    ['Networks', String(status.networks)],
  ]
  return title + formatFields(fields, palette)
}
