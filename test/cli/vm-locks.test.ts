import { describe } from 'vitest'
import { transcript } from './transcript.ts'

const broken = {
  message: "Broke 1 lock on the volumes of VM 'web' and shut the clients out of Ceph.",
  locks: [{ volume: 'vms/web', client: '10.0.2.2:0/123', node: 'hv2' }],
}
const refusal =
  'Nothing was done: node hv2 holds the VM, so its client 10.0.2.2:0/123 may be alive. Stop the VM, or fence the node. If you KNOW that the client is dead, force it with the sentence: nothing writes to the volumes of web'

describe('pvc vm flush-locks', () => {
  transcript('vm-flush-locks', [
    {
      title: 'What a dead client left',
      argv: ['vm', 'flush-locks', 'web'],
      routes: { 'POST /vm/web/locks': { json: broken } },
    },
    {
      title: 'The client may be alive',
      argv: ['-q', 'vm', 'flush-locks', 'web'],
      routes: { 'POST /vm/web/locks': { status: 400, json: { message: refusal } } },
    },
    {
      title: 'By force',
      argv: ['-q', 'vm', 'flush-locks', 'web', '--force', 'nothing writes to the volumes of web'],
      routes: { 'POST /vm/web/locks': { json: broken } },
    },
  ])
})
