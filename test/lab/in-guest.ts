/** Commands inside a guest, through its QEMU agent (guestXml with `agent`). */
import type { Host } from './host.ts'
import { pollUntil } from './poll.ts'

/** What a command in a guest said. */
export type GuestRun = { readonly exitCode: number; readonly stdout: string; readonly stderr: string }

const AGENT_MS = 5000

async function agent(host: Host, vm: string, command: object): Promise<unknown> {
  const argv = ['virsh', '-q', 'qemu-agent-command', vm, '--timeout', '4', JSON.stringify(command)]
  const { stdout } = await host.sh(argv, { timeoutMs: AGENT_MS })
  const answer: { return: unknown } = JSON.parse(stdout)
  return answer.return
}

/** Waits until the agent of a guest answers. */
export async function untilAgent(host: Host, vm: string, timeoutMs = 30_000): Promise<void> {
  await pollUntil({ what: `the agent of ${vm}`, timeoutMs }, async () => {
    const argv = ['virsh', '-q', 'qemu-agent-command', vm, '--timeout', '2', '{"execute":"guest-ping"}']
    return (await host.sh(argv, { timeoutMs: AGENT_MS, allowFailure: true })).exitCode === 0
  })
}

/** Runs a line of shell in a guest that is on `host`, and waits for its end. A failure is an answer, not an error. */
export async function inGuest(host: Host, vm: string, script: string, timeoutMs = 20_000): Promise<GuestRun> {
  const started = (await agent(host, vm, {
    execute: 'guest-exec',
    arguments: { path: '/bin/sh', arg: ['-c', script], 'capture-output': true, env: ['PATH=/bin:/sbin'] },
  })) as { pid: number }
  return pollUntil({ what: `the end of ${script} in ${vm}`, timeoutMs, intervalMs: 50 }, async () => {
    const state = (await agent(host, vm, { execute: 'guest-exec-status', arguments: { pid: started.pid } })) as {
      exited: boolean
      exitcode?: number
      'out-data'?: string
      'err-data'?: string
    }
    if (!state.exited) return undefined
    const text = (data: string | undefined): string => Buffer.from(data ?? '', 'base64').toString()
    return { exitCode: state.exitcode ?? -1, stdout: text(state['out-data']), stderr: text(state['err-data']) }
  })
}
