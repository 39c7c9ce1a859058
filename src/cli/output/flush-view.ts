import type { FlushStep, NodeFlush } from '../../contract/node-flush.ts'
import type { ColourName, Palette } from './colour.ts'
import { formatElapsed } from './quantity.ts'
import { formatTable, type Section } from './table.ts'

const METHODS: Readonly<Record<string, string>> = {
  live: 'move live',
  'shutdown-move': 'shut down, start there',
  place: 'place',
  start: 'start',
  shutdown: 'shut down',
  wait: 'stay',
}

const METHOD_COLOURS: Readonly<Record<string, ColourName>> = { shutdown: 'red', wait: 'yellow' }

const SECTIONS: readonly Section<FlushStep>[] = [
  {
    title: '',
    columns: [
      { title: 'VM', cell: (step) => step.name },
      {
        title: 'What',
        cell: ({ method }) => ({ text: METHODS[method] ?? method, colour: METHOD_COLOURS[method] ?? 'green' }),
      },
      { title: 'Target', cell: (step) => step.target || '-' },
      { title: 'Why', cell: (step) => step.reason },
    ],
  },
]

/** The plan of a flush or ready before it is done. */
export function formatPlan(steps: readonly FlushStep[], palette: Palette): string {
  return formatTable(SECTIONS, steps, palette)
}

/** How far a VM is. The figures of a copy, which change all the time, only where `hasFigures`. */
export function formatStep(step: FlushStep, hasFigures: boolean): string {
  const { state, method, target, reason } = step
  const to = target === '' ? '' : ` to ${target}`
  switch (state) {
    case 'moving':
      return `${doingText(method)}${to}${hasFigures ? copyText(step) : ''}`
    case 'done':
      return target === '' ? `done${because(reason)}` : `done, on ${target}`
    case 'stopped':
      return `shut down, starts again when the node is ready${because(reason)}`
    case 'failed':
      return `stays${because(reason)}`
    default:
      return method === 'wait' ? `waits${because(reason)}` : `waits to ${METHODS[method] ?? method}${to}`
  }
}

function because(reason: string): string {
  return reason === '' ? '' : `: ${reason}`
}

function doingText(method: string): string {
  if (method === 'live') return 'moving live'
  if (method === 'shutdown-move') return 'shutting down, to start'
  if (method === 'shutdown') return 'shutting down'
  return method === 'start' ? 'starting, brought' : 'placing'
}

function copyText({ percent, remaining_mib, expected_s }: FlushStep): string {
  if (percent === null) return ''
  const parts = [`${Math.floor(percent)} %`]
  if (remaining_mib !== null) parts.push(`${Math.ceil(remaining_mib)} MiB left`)
  if (expected_s !== null) parts.push(`about ${formatElapsed(expected_s * 1000)}`)
  return `, ${parts.join(', ')}`
}

/** Where the whole of it stands. */
export function formatStage(flush: NodeFlush): string {
  if (!flush.current) {
    const why = flush.daemon_state === 'run' ? '' : `, its daemon is in state ${flush.daemon_state}`
    return `not taken up yet${why}`
  }
  const over = flush.steps.filter(({ state }) => state === 'done' || state === 'stopped').length
  const parts = [`${over + flush.hidden} of ${flush.steps.length + flush.hidden + flush.later} VMs done`]
  if (flush.waits_for !== '') parts.push(`waits for node ${flush.waits_for}`)
  if (flush.problem !== '') parts.push(flush.problem)
  return parts.join(', ')
}
