import type { ClusterStatus } from '../../contract/cluster.ts'
import { addressesOf, originOf, type StoredConnection } from '../connection.ts'
import { type ColourName, healthColour, type Palette } from './colour.ts'
import { type Cell, formatTable } from './table.ts'

/** A connection as `connection list` shows it. */
export type ConnectionRow = {
  readonly name: string
  readonly description: string
  readonly address: string
  readonly port: number
  readonly scheme: string
  readonly api_key: string | null
}

const HIDDEN_KEY = 'xxxxxxxx'

/** A row of the list; the key is hidden unless it was asked for. */
export function connectionRow(name: string, connection: StoredConnection, showsKeys: boolean): ConnectionRow {
  const { description, host, port, scheme, api_key } = connection
  const key = api_key === null || showsKeys ? api_key : HIDDEN_KEY
  return { name, description, address: host, port, scheme, api_key: key }
}

/** `pvc connection list`. */
export function formatConnectionList(rows: readonly ConnectionRow[], palette: Palette): string {
  if (rows.length === 0) return 'No connections found.'
  const columns = [
    { title: 'Name', cell: (row: ConnectionRow) => row.name },
    { title: 'Description', cell: (row: ConnectionRow) => row.description },
    { title: 'Address', cell: (row: ConnectionRow) => row.address },
    { title: 'Port', cell: (row: ConnectionRow) => String(row.port) },
    { title: 'Scheme', cell: (row: ConnectionRow) => row.scheme },
    { title: 'API Key', cell: (row: ConnectionRow) => row.api_key ?? 'N/A' },
  ]
  return formatTable([{ title: '', columns }], rows, palette)
}

/** `pvc connection list -f json-prometheus`: targets of Prometheus file service discovery. */
export function formatPrometheusTargets(rows: readonly ConnectionRow[]): string {
  const targets = rows.map((row) => ({
    targets: addressesOf({ host: row.address }).map((address) => originOf('', address, row.port).slice('://'.length)),
    labels: { job: 'pvc', pvc_cluster_name: `${row.name}: ${row.description}`, pvc_cluster_id: row.name },
  }))
  return JSON.stringify(targets, undefined, 2)
}

/** A connection with what its cluster says of itself; `status` is undefined when it did not answer. */
export type ConnectionDetail = {
  readonly name: string
  readonly description: string
  readonly health: number | string
  readonly maintenance: string
  readonly primary_node: string
  readonly pvc_version: string
  readonly nodes: number | string
  readonly vms: number | string
  readonly networks: number | string
  readonly osds: number | string
  readonly pools: number | string
  readonly volumes: number | string
  readonly snapshots: number | string
}

/** A row of `connection detail`. */
export function connectionDetail(
  name: string,
  description: string,
  status: ClusterStatus | undefined,
): ConnectionDetail {
  const known = (value: number | undefined) => value ?? 'N/A'
  return {
    name,
    description,
    health: known(status?.cluster_health.health),
    maintenance: status?.maintenance ?? 'N/A',
    primary_node: status?.primary_node || 'N/A',
    pvc_version: status?.pvc_version ?? 'N/A',
    nodes: known(status?.nodes['total']),
    vms: known(status?.vms['total']),
    networks: known(status?.networks),
    osds: known(status?.osds['total']),
    pools: known(status?.pools),
    volumes: known(status?.volumes),
    snapshots: known(status?.snapshots),
  }
}

function healthCell({ health, maintenance }: ConnectionDetail): Cell {
  const isFigure = typeof health === 'number' && health >= 0
  const colour: ColourName = maintenance === 'true' ? 'blue' : healthColour(health)
  return { text: isFigure ? `${health}%` : 'N/A', colour }
}

/** `pvc connection detail`. */
export function formatConnectionDetail(details: readonly ConnectionDetail[], palette: Palette): string {
  if (details.length === 0) return 'No connections found.'
  const plain = (title: string, key: keyof ConnectionDetail) => ({
    title,
    cell: (row: ConnectionDetail) => String(row[key]),
  })
  const columns = [
    plain('Name', 'name'),
    plain('Description', 'description'),
    { title: 'Health', cell: healthCell },
    plain('Primary', 'primary_node'),
    plain('Version', 'pvc_version'),
    plain('Nodes', 'nodes'),
    plain('VMs', 'vms'),
    plain('Networks', 'networks'),
    plain('OSDs', 'osds'),
    plain('Pools', 'pools'),
    plain('Volumes', 'volumes'),
    plain('Snapshots', 'snapshots'),
  ]
  return formatTable([{ title: '', columns }], details, palette)
}
