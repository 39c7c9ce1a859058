import { describe, expect, it } from 'vitest'
import type { FlushStep, NodeFlush } from '../../src/contract/node-flush.ts'
import { runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const accepted = {
  'POST /node/hv1/domain-state': { json: { message: 'Removing node hv1 from active service.', wish: 3 } },
}
const restoring = {
  'POST /node/hv1/domain-state': { json: { message: 'Restoring node hv1 to active service.', wish: 3 } },
}

function step(name: string, own: Partial<FlushStep> = {}): FlushStep {
  const figures = { percent: null, remaining_mib: null, expected_s: null }
  return {
    uuid: name,
    name,
    target: 'hv2',
    method: 'live',
    state: 'waiting',
    reason: 'best by mem',
    ...figures,
    ...own,
  }
}

const copying = { state: 'moving', reason: '', percent: 42.7, remaining_mib: 511.2, expected_s: 75 }

function flush(own: Partial<NodeFlush> = {}): { readonly json: NodeFlush } {
  return {
    json: {
      node: 'hv1',
      daemon_state: 'run',
      domain_state: 'flush',
      kind: 'flush',
      wish: 3,
      current: true,
      started_at: 0,
      ended_at: null,
      waits_for: '',
      problem: '',
      parallel: 2,
      steps: [],
      hidden: 0,
      later: 0,
      ...own,
    },
  }
}

const waiting = [step('web'), step('database', { target: 'hv3' }), step('dns')]
const underWay = [step('web', copying), step('database', { target: 'hv3', ...copying, percent: 1 }), step('dns')]
const nearlyDone = [
  step('web', { state: 'done', reason: '' }),
  step('database', { target: 'hv3', state: 'done', reason: '' }),
  step('dns', { method: 'shutdown', target: '', state: 'moving', reason: 'hv2: 100 MiB free, 500 MiB needed' }),
]
const over = [...nearlyDone.slice(0, 2), { ...nearlyDone[2], state: 'stopped' } as FlushStep]

/** The way of a whole flush, as the API shows it. */
const way = {
  ...accepted,
  'GET /node/hv1/flush': [
    flush({ wish: 2, kind: 'ready', domain_state: 'ready', ended_at: 5 }),
    flush({ current: false, kind: 'ready' }),
    flush({ waits_for: 'hv2', steps: waiting }),
    flush({ steps: underWay }),
    flush({ steps: nearlyDone, hidden: 4, later: 2 }),
    flush({ steps: over, problem: 'one domain still runs here' }),
    flush({ steps: over, domain_state: 'flushed', ended_at: 9 }),
  ],
}

describe('pvc node flush and ready', () => {
  transcript('node-flush', [
    { title: 'Asked for, not waited for', argv: ['node', 'flush', 'hv1'], routes: accepted },
    { title: 'This machine', argv: ['-q', 'node', 'ready'], routes: restoring },
    {
      title: 'The plan',
      argv: ['-q', 'node', 'flush', 'hv1', '--dry-run'],
      isTty: true,
      routes: {
        'POST /node/hv1/domain-state': {
          json: {
            message: 'Node hv1 would be emptied: 3 VMs would move, 1 VM would be shut down.',
            wish: 2,
            plan: flush({
              steps: [
                ...waiting.slice(0, 2),
                step('old', { method: 'shutdown-move' }),
                step('tape', { method: 'shutdown', target: '', reason: 'its disk /var/tape.img is on this node only' }),
                step('copy', { method: 'wait', target: '', reason: 'it is held by restore' }),
              ],
            }).json,
          },
        },
      },
    },
    {
      title: 'A plan of nothing',
      argv: ['-q', 'node', 'ready', 'hv1', '--dry-run'],
      routes: {
        'POST /node/hv1/domain-state': {
          json: {
            message: 'Node hv1 would be taken back into service: nothing has to be done.',
            wish: 2,
            plan: flush().json,
          },
        },
      },
    },
    {
      title: 'No such node',
      argv: ['-q', 'node', 'flush', 'hv9'],
      routes: { 'POST /node/hv9/domain-state': { status: 404, json: { message: "Node 'hv9' not found." } } },
    },
  ])

  transcript('node-flush-wait', [
    { title: 'Until the node is empty', argv: ['node', 'flush', 'hv1', '-w'], routes: way },
    { title: 'On a terminal, a line for each VM', argv: ['node', 'flush', 'hv1', '-w'], routes: way, isTty: true },
    { title: 'Quietly', argv: ['-q', 'node', 'flush', 'hv1', '-w'], routes: way },
    {
      title: 'A VM that cannot leave',
      argv: ['-q', 'node', 'flush', 'hv1', '-w'],
      routes: {
        ...accepted,
        'GET /node/hv1/flush': [
          flush({
            steps: [step('web', { state: 'failed', target: '', reason: 'No route to host' }), step('dns', copying)],
          }),
          flush({ steps: [step('web', { state: 'failed', target: '', reason: 'No route to host' })] }),
        ],
      },
    },
    {
      title: 'Somebody asked for something else',
      argv: ['-q', 'node', 'flush', 'hv1', '-w'],
      routes: { ...accepted, 'GET /node/hv1/flush': flush({ wish: 4, kind: 'ready' }) },
    },
    {
      title: 'A daemon that does not run',
      argv: ['node', 'flush', 'hv1', '-w', '--timeout', '1'],
      routes: { ...accepted, 'GET /node/hv1/flush': flush({ current: false, daemon_state: 'dead' }) },
    },
    {
      title: 'Home again, but for one that does not fit',
      argv: ['node', 'ready', 'hv1', '-w'],
      routes: {
        ...restoring,
        'GET /node/hv1/flush': [
          flush({ kind: 'ready', domain_state: 'unflush', steps: [step('web', { ...copying, target: 'hv1' })] }),
          { status: 503, json: { message: 'ZooKeeper cannot be reached at the moment.' } },
          flush({
            kind: 'ready',
            domain_state: 'ready',
            ended_at: 5,
            steps: [
              step('web', { target: 'hv1', state: 'done', reason: '' }),
              step('dns', { target: '', method: 'wait', state: 'failed', reason: 'hv1: 100 MiB free, 500 MiB needed' }),
            ],
          }),
        ],
      },
    },
  ])

  it('leaves a large node some lines of the terminal', async () => {
    const steps = Array.from({ length: 60 }, (_, index) => step(`vm${index}`))
    const routes = {
      ...accepted,
      'GET /node/hv1/flush': [flush({ steps }), flush({ domain_state: 'flushed', steps: [] })],
    }
    const { stderr } = await runCli({ argv: ['node', 'flush', 'hv1', '-w'], routes, isTty: true })
    const [frame = ''] = stderr.split('\n\n').at(-1)?.split('\x1b') ?? []
    expect(frame.split('\n')).toHaveLength(21)
    expect(frame).toContain('… and 42 more\n')
  })

  it('leaves the flush running at Ctrl-C, and says so', async () => {
    let isOver = false
    const interrupt = (press: () => void) => {
      const timer = setTimeout(press, 20)
      return () => {
        isOver = true
        clearTimeout(timer)
      }
    }
    const run = await runCli({
      argv: ['-q', 'node', 'flush', 'hv1', '-w'],
      routes: { ...accepted, 'GET /node/hv1/flush': flush({ steps: waiting }) },
      interrupt,
    })
    expect([run.exitCode, run.stderr, isOver]).toEqual([
      1,
      'The node goes on with it; follow it with "pvc node flush hv1 -w".\n',
      true,
    ])
    expect(run.requests.filter((request) => request.startsWith('POST'))).toHaveLength(1)
  })
})
