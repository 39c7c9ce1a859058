import type { FenceVictim, NodeFence } from '../../contract/node-fence.ts'
import type { ColourName, Palette } from './colour.ts'
import { formatFields, formatTable, type Section } from './table.ts'

const STATES: Readonly<Record<string, string>> = {
  closed: 'not being fenced',
  open: 'gathering proof that it is over',
  evidence: 'proven over, its VMs are being recovered',
  recovered: 'its VMs were recovered; it may come back',
}

const VICTIM_COLOURS: Readonly<Record<string, ColourName>> = { moved: 'green', off: 'yellow', failed: 'red' }

function seconds(value: number): string {
  return `${value.toFixed(1)} s`
}

const SECTIONS: readonly Section<FenceVictim>[] = [
  {
    title: '',
    columns: [
      { title: 'VM', cell: (vm) => vm.name },
      { title: 'State', cell: (vm) => ({ text: vm.state, colour: VICTIM_COLOURS[vm.state] ?? 'blue' }) },
      { title: 'Target', cell: (vm) => vm.target || '-' },
      { title: 'After', cell: (vm) => seconds(vm.after_s) },
      { title: 'Why', cell: (vm) => vm.reason },
    ],
  },
]

/** One line of the history. */
export function formatEvent({ after_s, step, text }: NodeFence['events'][number]): string {
  return `${seconds(after_s).padStart(9)}  ${step.padEnd(9)}  ${text}`
}

/** `pvc node fence-status`. */
export function formatFence(fence: NodeFence, palette: Palette): string {
  const { state, pending_order: order } = fence
  const isClosed = state === 'closed'
  const fields = formatFields(
    [
      ['Node', fence.node],
      ['Daemon State', fence.daemon_state],
      ['Fence', { text: STATES[state] ?? state, colour: isClosed ? 'green' : 'red' }],
      ['Ordered', order === '' ? undefined : `${order}: waits for the primary`],
      ['Number', fence.seq === 0 ? undefined : String(fence.seq)],
      ['Since', fence.opened_at === null ? undefined : new Date(fence.opened_at).toISOString()],
      ['Asked By', fence.seq === 0 ? undefined : fence.ordered_by || 'the cluster itself'],
      ['Stuck', fence.stuck === '' ? undefined : { text: fence.stuck, colour: 'red' }],
      ['Proof', fence.evidence.length === 0 ? undefined : fence.evidence.map(({ text }) => text)],
      ['Node Says', isClosed || !fence.acknowledged ? undefined : 'nothing runs on it any more'],
    ],
    palette,
  )
  const parts = [fields]
  if (fence.victims.length > 0) parts.push(formatTable(SECTIONS, fence.victims, palette))
  if (fence.events.length > 0) parts.push(fence.events.map(formatEvent).join('\n'))
  return parts.join('\n\n')
}
