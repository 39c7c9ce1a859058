import { describe, expect, it } from 'vitest'
import { vm, webXml } from './cluster.ts'
import { runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const files = { 'web.xml': webXml, 'bad.xml': '<domain>\n  <name>web</nam>\n</domain>\n', 'other.xml': '<network/>' }
const message = (text: string) => ({ json: { message: text } })
const defined = { 'POST /vm': message("Added new VM with Name 'web'.") }
const removed = { 'DELETE /vm/web': message("Removed VM 'web'.") }
const state = { 'POST /vm/web/state': message("Doing it to VM 'web'.") }

describe('pvc vm define, meta, undefine, remove', () => {
  transcript('vm-define', [
    { title: 'With defaults', argv: ['vm', 'define', 'DIR/web.xml'], files, routes: defined },
    {
      title: 'With everything',
      argv: 'vm define -t hv1 -l hv1,hv2 -s mem -a -m live -d 250 -g tag1 -g tag2 -G ptag DIR/web.xml'.split(' '),
      files: { 'web.xml': '<domain/>' },
      routes: defined,
    },
    { title: 'From standard input', argv: ['vm', 'define', '-'], input: '<domain/>', routes: defined },
    { title: 'XML that is wrong is not sent', argv: ['vm', 'define', 'DIR/bad.xml'], files, routes: defined },
    { title: 'XML of something else', argv: ['vm', 'define', 'DIR/other.xml'], files, routes: defined },
    { title: 'A file that is not there', argv: ['vm', 'define', 'DIR/no.xml'], routes: defined },
    { title: 'A selector that does not exist', argv: ['vm', 'define', '-s', 'best', 'DIR/web.xml'], files },
    { title: 'A downtime that is no number', argv: ['vm', 'define', '-d', '1s', 'DIR/web.xml'], files },
    {
      title: 'A server that refuses several arguments',
      argv: ['vm', 'define', '-t', 'x', 'DIR/web.xml'],
      files: { 'web.xml': '<domain/>' },
      routes: {
        'POST /vm': { status: 400, json: { message: { node: 'is not known', limit: 'No such node' } } },
      },
    },
  ])

  transcript('vm-meta', [
    {
      title: 'Everything',
      argv: 'vm meta web -l hv1,hv2 -s memprov -a -m shutdown -d 200 -p default'.split(' '),
      routes: { 'POST /vm/web/meta': message('Done.') },
    },
    {
      title: 'One thing: the others are not sent',
      argv: ['vm', 'meta', 'web', '-A'],
      routes: { 'POST /vm/web/meta': message('Done.') },
    },
    {
      title: 'Any node',
      argv: ['vm', 'meta', 'web', '-l', ''],
      routes: { 'POST /vm/web/meta': message('Done.') },
    },
    { title: 'Nothing', argv: ['vm', 'meta', 'web'] },
  ])

  transcript('vm-remove', [
    { title: 'Undefine', argv: ['vm', 'undefine', 'web', '-y'], routes: removed },
    { title: 'Remove', argv: ['vm', 'remove', 'web', '--yes'], routes: removed },
    { title: 'Asked and confirmed', argv: ['vm', 'remove', 'web'], answers: ['maybe', 'y'], routes: removed },
    { title: 'Asked and declined', argv: ['vm', 'remove', 'web'], answers: [''], routes: removed },
    { title: 'Nobody to ask', argv: ['vm', 'remove', 'web'], routes: removed },
    { title: 'Unsafe', argv: ['-u', 'vm', 'remove', 'web'], routes: removed },
    { title: 'Unsafe by environment', argv: ['vm', 'undefine', 'web'], env: { PVC_UNSAFE: 'true' }, routes: removed },
    { title: 'Not unsafe', argv: ['vm', 'undefine', 'web'], env: { PVC_UNSAFE: '0' }, routes: removed },
  ])

  transcript('vm-state', [
    { title: 'Start', argv: ['vm', 'start', 'web'], routes: state },
    { title: 'Start by force', argv: ['vm', 'start', 'web', '--force'], routes: state },
    { title: 'Restart', argv: ['vm', 'restart', 'web', '-y'], routes: state },
    { title: 'Shut down', argv: ['vm', 'shutdown', 'web', '-y'], routes: state },
    { title: 'Stop', argv: ['vm', 'stop', 'web', '-y'], routes: state },
    { title: 'Stop by force', argv: ['vm', 'stop', 'web', '--force', '-y'], routes: state },
    { title: 'Disable', argv: ['vm', 'disable', 'web', '-y'], routes: state },
    { title: 'Disable by force', argv: ['vm', 'disable', 'web', '--force', '-y'], routes: state },
    { title: 'Declined', argv: ['vm', 'stop', 'web'], answers: ['no'], routes: state },
    {
      title: 'Refused',
      argv: ['vm', 'start', 'web'],
      routes: { 'POST /vm/web/state': { status: 400, json: { message: "VM 'web' is held." } } },
    },
  ])

  it('gives up an answer when the input ends', async () => {
    const { exitCode, requests } = await runCli({ argv: ['vm', 'stop', 'web'], answers: [], routes: state })
    expect([exitCode, requests]).toEqual([1, []])
  })
})

const waiting = (own: Parameters<typeof vm>[0]) => ({ json: [vm(own)] })
const starting = waiting({ version: 8, settled: false })
const stopped = waiting({ state: 'stop', version: 7 })

describe('pvc vm … --wait', () => {
  transcript('vm-wait', [
    {
      title: 'Until the guest runs',
      argv: ['vm', 'start', 'web', '-w'],
      routes: { ...state, 'GET /vm/web': [stopped, stopped, starting, starting, waiting({ version: 8 })] },
    },
    {
      title: 'On a terminal',
      argv: ['vm', 'start', 'web', '--wait'],
      isTty: true,
      routes: { ...state, 'GET /vm/web': [stopped, starting, starting, waiting({ version: 8 })] },
    },
    {
      title: 'Quietly',
      argv: ['-q', 'vm', 'shutdown', 'web', '-y', '-w'],
      routes: {
        ...state,
        'GET /vm/web': [
          waiting({}),
          waiting({ state: 'shutdown', version: 8, settled: false }),
          waiting({ state: 'stop', version: 8 }),
        ],
      },
    },
    {
      title: 'A start that fails',
      argv: ['vm', 'start', 'web', '-w'],
      routes: {
        ...state,
        'GET /vm/web': [
          stopped,
          waiting({ version: 8, settled: false, failed_reason: 'Volume vms/web_sda is locked.' }),
          waiting({ version: 8, state: 'fail', failed_reason: 'Volume vms/web_sda is locked.' }),
        ],
      },
    },
    {
      title: 'A failure of before is not the answer',
      argv: ['vm', 'start', 'web', '-w'],
      routes: {
        ...state,
        'GET /vm/web': [
          waiting({ state: 'fail', version: 7 }),
          waiting({ state: 'fail', version: 7 }),
          waiting({ state: 'fail', version: 8, settled: false }),
          waiting({ version: 8 }),
        ],
      },
    },
    {
      title: 'A restart of a VM that is in its end state already',
      argv: ['vm', 'restart', 'web', '-y', '-w'],
      routes: {
        ...state,
        'GET /vm/web': [
          waiting({}),
          waiting({}),
          waiting({ state: 'restart', version: 8, settled: false }),
          waiting({ version: 8 }),
        ],
      },
    },
    {
      title: 'Longer than one wants to wait',
      argv: ['vm', 'start', 'web', '-w', '--timeout', '2'],
      routes: { ...state, 'GET /vm/web': [stopped, starting] },
    },
    {
      title: 'A change that changed nothing',
      argv: ['-q', 'vm', 'start', 'web', '-w'],
      routes: { ...state, 'GET /vm/web': waiting({ version: 7 }) },
    },
    {
      title: 'A server that goes away for a moment',
      argv: ['vm', 'start', 'web', '-w'],
      routes: {
        ...state,
        'GET /vm/web': [stopped, { hangUp: true }, { status: 503, json: { message: 'No.' } }, waiting({ version: 8 })],
      },
    },
  ])

  it('understands a server that has no versions', async () => {
    const { version: _v, settled: _s, ...old } = vm()
    const routes = { ...state, 'GET /vm/web': [{ json: { ...old, state: 'stop' } }, { json: old }] }
    const { exitCode, stdout } = await runCli({ argv: ['vm', 'start', 'web', '-w'], routes })
    expect([exitCode, stdout]).toEqual([0, 'Doing it to VM \'web\'.\nStarted VM "web".\n'])
  })
})
