import { describe, expect, it } from 'vitest'
import type { CoordinatorFenceTest, FenceTest } from '../../src/contract/node-fence-test.ts'
import { node } from './cluster.ts'
import { runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const checks = [
  { name: 'power', ok: true, message: 'Its power controller answers and reads on.' },
  { name: 'blocklist', ok: true, message: 'Its addresses can be kept from writing to Ceph.' },
  { name: 'self-fence', ok: true, message: 'Its guard is armed and feeds a watchdog.' },
]

function coordinator(name: string, over: Partial<CoordinatorFenceTest> = {}): CoordinatorFenceTest {
  return { name, running: true, answered: true, tested_at: 1000, ok: true, problems: [], ...over }
}

function test(
  node: string,
  grade: string,
  own = checks,
  coordinators = [coordinator('hv1'), coordinator('hv2'), coordinator('hv3')],
): { readonly json: FenceTest } {
  return { json: { node, run: 3, tested_at: 1000, grade, checks: own, tested_by: 'hv1', coordinators } }
}

const silent = { answered: false, ok: false }
const unreachable = { ok: false, problems: ['Its power cannot be read: the BMC does not answer.'] }

const refused = [{ name: 'power', ok: false, message: 'Its power cannot be read: the BMC refuses the login.' }]
const denied = [
  ...refused,
  { name: 'blocklist', ok: false, message: 'Its addresses cannot be kept from writing to Ceph: denied.' },
]

describe('pvc node fence-test', () => {
  transcript('node-fence-test', [
    {
      title: 'One node that is ready',
      argv: ['node', 'fence-test', 'hv1'],
      routes: { 'POST /node/hv1/fence-test': test('hv1', 'ready') },
    },
    {
      title: 'In one way only, and a node that cannot reach its own controller',
      argv: ['node', 'fence-test', 'hv2'],
      routes: {
        'POST /node/hv2/fence-test': test(
          'hv2',
          'weak',
          [...refused, ...checks.slice(1)],
          [coordinator('hv1'), coordinator('hv2', unreachable), coordinator('hv3')],
        ),
      },
    },
    {
      title: 'Colours',
      argv: ['node', 'fence-test', 'hv3'],
      routes: { 'POST /node/hv3/fence-test': test('hv3', 'unready', denied) },
      isTty: true,
    },
    {
      title: 'As JSON',
      argv: ['-q', 'node', 'fence-test', 'hv1', '-f', 'json'],
      routes: { 'POST /node/hv1/fence-test': test('hv1', 'ready') },
    },
    {
      title: 'Other coordinators could not',
      argv: ['node', 'fence-test', 'hv9'],
      routes: {
        'POST /node/hv9/fence-test': test('hv9', 'ready', checks, [
          coordinator('hv1'),
          coordinator('hv2', unreachable),
          coordinator('hv3', { ...silent, tested_at: null }),
          coordinator('hv4', { ...silent, problems: unreachable.problems }),
          coordinator('hv5', { running: false, answered: false }),
        ]),
      },
    },
    {
      title: 'The primary itself did not answer in time',
      argv: ['node', 'fence-test', 'hv2'],
      routes: {
        'POST /node/hv2/fence-test': test('hv2', 'ready', checks, [
          coordinator('hv1', { answered: false }),
          coordinator('hv2'),
          coordinator('hv3'),
        ]),
      },
    },
    {
      title: 'An older server',
      argv: ['node', 'fence-test', 'hv1'],
      routes: {
        'POST /node/hv1/fence-test': { json: { node: 'hv1', run: 3, tested_at: 1000, grade: 'ready', checks } },
      },
    },
    {
      title: 'No primary',
      argv: ['node', 'fence-test', 'hv1'],
      routes: {
        'POST /node/hv1/fence-test': {
          status: 504,
          json: { message: "Node 'hv1' was not tested within 40 s: is there a primary?" },
        },
      },
    },
  ])

  it('tests every node, and fails when one of them could not be fenced', async () => {
    const routes = {
      'GET /node': { json: [node(), node({ name: 'hv2' })] },
      'POST /node/hv1/fence-test': test('hv1', 'ready'),
      'POST /node/hv2/fence-test': test('hv2', 'unready', denied),
    }
    const result = await runCli({ argv: ['node', 'fence-test'], routes })
    expect(result.stdout).toMatch(
      /^Node "hv1" could be fenced by another coordinator \(it is the primary\)\.\n[\s\S]*\n\nNode "hv2" could NOT be fenced by/,
    )
    expect(result.stderr).toContain('Node "hv2" could not be fenced now.')
    expect(result.exitCode).toBe(1)
  })
})
