import { describe, expect, it } from 'vitest'
import { runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const closed = {
  node: 'hv1',
  daemon_state: 'run',
  state: 'closed',
  seq: 0,
  opened_at: null,
  ordered_by: '',
  stuck: '',
  acknowledged: false,
  pending_order: '',
  evidence: [],
  victims: [],
  events: [],
}
const first = { after_s: 0, at: 1000, step: 'suspect', text: 'its proof of life vanished' }
const second = { after_s: 6.25, at: 7250, step: 'evidence', text: 'power is off' }
const fenced = {
  ...closed,
  daemon_state: 'fenced',
  state: 'evidence',
  seq: 3,
  opened_at: 1000,
  evidence: [{ kind: 'power-off', text: 'power is off (ipmi)', at: 7000 }],
  victims: [
    { uuid: 'u1', name: 'web', state: 'moved', target: 'hv2', reason: 'most free memory', after_s: 6.5 },
    { uuid: 'u2', name: 'db', state: 'off', target: '', reason: 'it fits nowhere', after_s: 6.6 },
  ],
  events: [first, second],
}
const opened = {
  ...fenced,
  state: 'open',
  evidence: [],
  victims: [],
  events: [first],
  stuck: 'power cannot be switched',
}
const status = (...answers: readonly object[]) => ({ 'GET /node/hv1/fence': answers.map((json) => ({ json })) })
const ordered = { 'POST /node/hv1/fence': { json: { message: 'Fencing node hv1.', seq: 1 } } }
const confirmed = {
  ...status(opened),
  'POST /node/hv1/fence-confirm': { json: { message: 'Confirmed that node hv1 is off or cut off.', seq: 3 } },
}

describe('pvc node fence', () => {
  transcript('node-fence', [
    { title: 'On purpose', argv: ['node', 'fence', 'hv1', '--yes'], routes: ordered },
    { title: 'Nobody to ask', argv: ['node', 'fence', 'hv1'], routes: ordered },
    { title: 'Somebody looked at it', argv: ['node', 'fence-confirm', 'hv1', '-y'], routes: confirmed },
    { title: 'Never fenced', argv: ['node', 'fence-status', 'hv1'], routes: status(closed) },
    { title: 'Fenced', argv: ['node', 'fence-status', 'hv1'], routes: status(fenced) },
    {
      title: 'Followed until it is over',
      argv: ['-q', 'node', 'fence-status', 'hv1', '--follow'],
      routes: status(opened, opened, fenced, { ...fenced, state: 'closed' }),
    },
  ])

  it('keeps JSON as the server sent it', async () => {
    const argv = ['-q', 'node', 'fence-status', 'hv1', '-f', 'json']
    expect(JSON.parse((await runCli({ argv, routes: status(fenced) })).stdout)).toEqual(fenced)
  })
})
