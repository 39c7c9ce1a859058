import type { VmMigration } from '../../contract/vm-move.ts'
import { formatElapsed } from './quantity.ts'

const STEPS: Readonly<Record<string, string>> = {
  waiting: 'its node has not begun',
  prepare: 'the target makes ready',
  copy: 'its memory is copied',
  shutdown: 'it is shut down to start there',
  resume: 'it has arrived and starts to run',
  cancel: 'the copy is called off',
}

/** What a move is at, in words. */
export function formatStep(migration: VmMigration): string {
  return STEPS[migration.step] ?? migration.step
}

/** How far a copy is: percent, MiB left, how fast the guest changes its memory, and the time expected. */
export function formatCopy(migration: VmMigration): string {
  const { percent, remaining_mib, dirty_mibps, expected_s } = migration
  if (percent === null) return formatStep(migration)
  const parts = [`${Math.floor(percent)} % copied`]
  if (remaining_mib !== null) parts.push(`${Math.ceil(remaining_mib)} MiB left`)
  if (dirty_mibps !== null) parts.push(`guest changes ${Math.round(dirty_mibps)} MiB/s`)
  if (expected_s !== null) parts.push(`about ${formatElapsed(expected_s * 1000)} to go`)
  return parts.join(', ')
}
