import type { Pool, Volume } from '../../contract/storage.ts'
import type { Palette } from './colour.ts'
import { formatBytes, formatCount } from './quantity.ts'
import type { Cell } from './table.ts'
import { formatTable, type Section } from './table.ts'

function usageCell(pool: Pool): Cell {
  const percent = pool.stats.used_percent * 100
  const text = `${percent.toFixed(1)}%`
  if (percent >= 85) return { text, colour: 'red' }
  return percent >= 70 ? { text, colour: 'yellow' } : text
}

const POOL_SECTIONS: readonly Section<Pool>[] = [
  {
    title: 'Pools',
    columns: [
      { title: 'ID', cell: (pool) => String(pool.stats.id) },
      { title: 'Name', cell: (pool) => pool.name },
      { title: 'Tier', cell: (pool) => pool.tier },
      { title: 'PGs', cell: (pool) => String(pool.pgs) },
      { title: 'Used', cell: (pool) => formatBytes(pool.stats.used_bytes) },
      { title: 'Used%', cell: usageCell },
      { title: 'Free', cell: (pool) => formatBytes(pool.stats.free_bytes) },
    ],
  },
  {
    title: 'Objects',
    columns: [
      { title: 'Count', cell: (pool) => String(pool.stats.num_objects) },
      { title: 'Clones', cell: (pool) => String(pool.stats.num_object_clones) },
      { title: 'Copies', cell: (pool) => String(pool.stats.num_object_copies) },
      {
        title: 'Degraded',
        cell: ({ stats }) =>
          stats.num_objects_degraded > 0 ? { text: String(stats.num_objects_degraded), colour: 'yellow' } : '0',
      },
    ],
  },
  {
    title: 'Write',
    columns: [
      { title: 'OPS', cell: (pool) => formatCount(pool.stats.write_ops) },
      { title: 'Data', cell: (pool) => formatBytes(pool.stats.write_bytes) },
    ],
  },
  {
    title: 'Read',
    columns: [
      { title: 'OPS', cell: (pool) => formatCount(pool.stats.read_ops) },
      { title: 'Data', cell: (pool) => formatBytes(pool.stats.read_bytes) },
    ],
  },
]

/** `pvc storage pool list`. */
export function formatPoolList(pools: readonly Pool[], palette: Palette): string {
  if (pools.length === 0) return 'No pools found.'
  return formatTable(
    POOL_SECTIONS,
    pools.toSorted((a, b) => a.name.localeCompare(b.name)),
    palette,
  )
}

const VOLUME_SECTIONS: readonly Section<Volume>[] = [
  {
    title: '',
    columns: [
      { title: 'Name', cell: (volume) => volume.name },
      { title: 'Pool', cell: (volume) => volume.pool },
      { title: 'Size', cell: (volume) => volume.stats.size },
      { title: 'Objects', cell: (volume) => String(volume.stats.objects) },
      { title: 'Order', cell: (volume) => String(volume.stats.order) },
      { title: 'Format', cell: (volume) => String(volume.stats.format) },
      { title: 'Features', cell: (volume) => volume.stats.features.join(',') },
    ],
  },
]

/** `pvc storage volume list`. */
export function formatVolumeList(volumes: readonly Volume[], palette: Palette): string {
  if (volumes.length === 0) return 'No volumes found.'
  const sorted = volumes.toSorted((a, b) => a.pool.localeCompare(b.pool) || a.name.localeCompare(b.name))
  return formatTable(VOLUME_SECTIONS, sorted, palette)
}
