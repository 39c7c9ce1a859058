import { describe, expect, it } from 'vitest'
import type { Decision, VmMigration } from '../../src/contract/vm-move.ts'
import { networks, oldVm, vm } from './cluster.ts'
import { runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const decision: Decision = {
  at: 1795188997000,
  kind: 'migrate',
  from: 'hv1',
  choice: 'hv3',
  reason: 'best by mem: 312399 MiB free',
  candidates: [
    { node: 'hv1', eligible: false, reason: 'the VM is there now', score: null },
    { node: 'hv2', eligible: true, reason: '2048 MiB free, beside db2 of group db', score: 2048 },
    { node: 'hv3', eligible: true, reason: '312399 MiB free', score: 312399 },
  ],
}

const copy: VmMigration = {
  id: 'order-1',
  from: 'hv1',
  to: 'hv2',
  step: 'copy',
  started_at: 0,
  percent: 42.7,
  remaining_mib: 511.2,
  total_mib: 2048,
  dirty_mibps: 3.4,
  speed_mibps: 100,
  expected_s: 75,
}
const bare = {
  percent: null,
  remaining_mib: null,
  total_mib: null,
  dirty_mibps: null,
  speed_mibps: null,
  expected_s: null,
}
const at = (step: string, own: Partial<VmMigration> = {}) => ({ ...copy, ...bare, step, ...own })

const answer = (own: object = {}) => ({
  json: { message: "Migrating VM 'web' to node 'hv2'.", node: 'hv2', version: 8, order: 'order-1', ...own },
})
const seen = (own: Parameters<typeof vm>[0]) => ({ json: [vm(own)] })
const moving = (migration: VmMigration) => seen({ state: 'migrate', version: 8, migration })
const there = seen({ node: 'hv2', last_node: 'hv1', migrated: 'from hv1', version: 8 })
const order = { 'POST /vm/web/node': answer() }

describe('pvc vm move, migrate, unmigrate', () => {
  transcript('vm-move', [
    { title: 'Migrate, the node is chosen', argv: ['vm', 'migrate', 'web'], routes: order },
    {
      title: 'Migrate with everything',
      argv: 'vm migrate web -t hv2 -f --force-live --bandwidth 100 --auto-converge --parallel 4'.split(' '),
      routes: order,
    },
    { title: 'Move', argv: ['vm', 'move', 'web', '-t', 'hv2'], routes: order },
    { title: 'Bring home', argv: ['vm', 'unmigrate', 'web'], routes: order },
    {
      title: 'Refused',
      argv: ['vm', 'move', 'web', '-t', 'hv2', '-w'],
      routes: {
        'POST /vm/web/node': {
          status: 400,
          json: { message: "Node 'hv2' cannot take VM 'web': its domain state is flushed." },
        },
      },
    },
    {
      title: 'What would be done',
      argv: ['vm', 'migrate', 'web', '--dry-run', '-w'],
      routes: { 'POST /vm/web/node': answer({ message: "VM 'web' would be migrated to node 'hv3'.", decision }) },
    },
    { title: 'Taken back', argv: ['vm', 'migrate', 'web', '--cancel'], routes: order },
    {
      title: 'Taken back, and waited for',
      argv: ['vm', 'migrate', 'web', '--cancel', '-w'],
      routes: {
        'POST /vm/web/node': answer({ message: "Cancelled the move of VM 'web'.", order: '' }),
        'GET /vm/web': [moving(at('cancel')), seen({ version: 8 })],
      },
    },
    { title: 'Taken back and more', argv: ['vm', 'move', 'web', '--cancel', '-t', 'hv2'], routes: order },
    { title: 'A bandwidth that is no number', argv: ['vm', 'move', 'web', '--bandwidth', 'much'] },
  ])

  transcript('vm-move-wait', [
    {
      title: 'Until the VM runs there',
      argv: ['vm', 'migrate', 'web', '-w'],
      routes: {
        ...order,
        'GET /vm/web': [
          seen({ version: 7 }),
          moving(at('waiting')),
          moving(at('prepare')),
          moving(copy),
          moving({ ...copy, percent: 80 }),
          seen({ state: 'migrate', version: 8, node: 'hv2', migration: at('resume', { from: '' }) }),
          there,
        ],
      },
    },
    {
      title: 'On a terminal, one line',
      argv: ['vm', 'move', 'web', '--wait'],
      isTty: true,
      routes: {
        ...order,
        'GET /vm/web': [moving(at('prepare')), moving(copy), moving({ ...copy, percent: 80, expected_s: null }), there],
      },
    },
    {
      title: 'Through a shutdown',
      argv: ['-q', 'vm', 'unmigrate', 'web', '-w'],
      routes: {
        ...order,
        'GET /vm/web': [moving(at('shutdown')), seen({ node: 'hv2', version: 8, settled: false }), there],
      },
    },
    {
      title: 'Nothing runs that had to be moved',
      argv: ['vm', 'migrate', 'web', '-w'],
      routes: { 'POST /vm/web/node': answer({ message: "Migrated VM 'web' to node 'hv2'.", order: '' }) },
    },
    {
      title: 'A copy that fails',
      argv: ['vm', 'migrate', 'web', '-w'],
      routes: {
        ...order,
        'GET /vm/web': [moving(copy), seen({ version: 8, move_failed_reason: 'no route to host' })],
      },
    },
    {
      title: 'A VM that does not start there',
      argv: ['-q', 'vm', 'migrate', 'web', '-w'],
      routes: {
        ...order,
        'GET /vm/web': seen({ node: 'hv2', version: 8, state: 'fail', failed_reason: 'No secret.' }),
      },
    },
    {
      title: 'Sent elsewhere meanwhile',
      argv: ['-q', 'vm', 'migrate', 'web', '-w'],
      routes: {
        ...order,
        'GET /vm/web': [moving(at('cancel')), moving(at('copy', { id: 'order-2', to: 'hv3' }))],
      },
    },
    {
      title: 'Taken back meanwhile',
      argv: ['-q', 'vm', 'migrate', 'web', '-w'],
      routes: { ...order, 'GET /vm/web': [moving(copy), seen({ version: 9 })] },
    },
    {
      title: 'Stopped meanwhile',
      argv: ['-q', 'vm', 'migrate', 'web', '-w'],
      routes: { ...order, 'GET /vm/web': seen({ node: 'hv2', version: 9, state: 'stop' }) },
    },
    {
      title: 'Removed meanwhile',
      argv: ['-q', 'vm', 'migrate', 'web', '-w'],
      routes: { ...order, 'GET /vm/web': [moving(copy), { status: 404, json: { message: "VM 'web' not found." } }] },
    },
    {
      title: 'Longer than one wants to wait',
      argv: ['-q', 'vm', 'migrate', 'web', '-w', '--timeout', '1'],
      routes: { ...order, 'GET /vm/web': moving(copy) },
    },
    {
      title: 'A server that goes away for a moment',
      argv: ['-q', 'vm', 'migrate', 'web', '-w'],
      routes: { ...order, 'GET /vm/web': [moving(copy), { hangUp: true }, there] },
    },
  ])

  it('understands a server that has no orders', async () => {
    const routes = {
      'POST /vm/web/node': { json: { message: "Migrating VM 'web' to node 'hv2'." } },
      'GET /vm/web': [{ json: oldVm({ state: 'migrate', node: 'hv2' }) }, { json: oldVm({ node: 'hv2' }) }],
    }
    const { exitCode, stdout } = await runCli({ argv: ['vm', 'migrate', 'web', '-t', 'hv2', '-w'], routes })
    expect([exitCode, stdout]).toEqual([
      0,
      "Migrating VM 'web' to node 'hv2'.\nMigrated VM \"web\" to node hv2 in 0.1 s.\n",
    ])
  })
})

describe('pvc vm why', () => {
  const define = { ...decision, kind: 'define', from: '', choice: '', reason: 'hv1: 0 MiB free', at: 1795188000000 }
  const kept = (...decisions: Decision[]) => ({ 'GET /vm/web/decisions': { json: { name: 'web', decisions } } })

  transcript('vm-why', [
    { title: 'The latest choice', argv: ['vm', 'why', 'web'], routes: kept(decision) },
    { title: 'On a terminal', argv: ['-q', 'vm', 'why', 'web'], routes: kept(decision), isTty: true },
    { title: 'Several', argv: ['-q', 'vm', 'why', 'web', '--last', '5'], routes: kept(decision, define) },
    { title: 'None', argv: ['-q', 'vm', 'why', 'web'], routes: kept() },
    { title: 'For programs', argv: ['-q', 'vm', 'why', 'web', '-f', 'json'], routes: kept(decision) },
    { title: 'A count that is none', argv: ['vm', 'why', 'web', '--last', '0'] },
  ])
})

describe('pvc vm define --dry-run, meta, tag, info', () => {
  const message = (text: string) => ({ json: { message: text } })
  transcript('vm-place', [
    {
      title: 'Where a VM would be defined',
      argv: 'vm define --dry-run --priority 90 --group db -'.split(' '),
      input: '<domain/>',
      routes: {
        'POST /vm': {
          json: {
            message: "VM 'web' would be defined on node 'hv3'.",
            decision: { ...decision, kind: 'define', from: '' },
          },
        },
      },
    },
    {
      title: 'Priority and group',
      argv: 'vm meta web --priority 0 --group db'.split(' '),
      routes: { 'POST /vm/web/meta': message('Done.') },
    },
    {
      title: 'No group any more',
      argv: ['vm', 'meta', 'web', '--group', ''],
      routes: { 'POST /vm/web/meta': message('Done.') },
    },
    { title: 'A priority out of range', argv: ['vm', 'meta', 'web', '--priority', '101'] },
    {
      title: 'Add a tag',
      argv: ['vm', 'tag', 'add', 'web', 'prod', '-p'],
      routes: { 'POST /vm/web/tags': message("Successfully added tag 'prod' to VM 'web'.") },
    },
    {
      title: 'Remove a tag that is protected',
      argv: ['vm', 'tag', 'remove', 'web', 'prod'],
      routes: { 'POST /vm/web/tags': { status: 400, json: { message: "Tag 'prod' of VM 'web' is protected." } } },
    },
    {
      title: 'A VM on its way',
      argv: ['-q', 'vm', 'info', 'web'],
      routes: { 'GET /vm/web': moving(copy), 'GET /network': { json: networks } },
    },
    {
      title: 'A VM whose move failed',
      argv: ['-q', 'vm', 'info', 'web'],
      routes: {
        'GET /vm/web': seen({ move_failed_reason: 'no route to host', anti_affinity_group: 'db', start_priority: 90 }),
        'GET /network': { json: networks },
      },
    },
  ])
})
