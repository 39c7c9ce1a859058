/** The inspector of a daemon, to do to its event loop what no signal can. */
import { join } from 'node:path'
import type { Lab } from './lab.ts'
import { labSourceDir } from './plan.ts'
import { pollUntil } from './poll.ts'
import { expectThat } from './story.ts'

/** Opens the inspector of a running service; it listens inside the host only, until the service ends. */
async function openInspector(lab: Lab, host: string, service: string): Promise<string> {
  const state = (await lab.host(host).services()).find(({ name }) => name === service)
  expectThat(state?.pid !== undefined, `${service} does not run at ${host}`)
  await lab.host(host).sh(['kill', '-USR1', String(state.pid)])
  return pollUntil({ what: `the inspector of ${service} at ${host}`, timeoutMs: 10_000 }, async () => {
    const { stdout } = await lab.host(host).sh(['curl', '-s', '-m', '2', 'http://127.0.0.1:9229/json/list'], {
      allowFailure: true,
      timeoutMs: 5000,
    })
    return /"webSocketDebuggerUrl": "([^"]+)"/.exec(stdout)?.[1]
  })
}

/**
 * Keeps the event loop of a service busy with one turn: its timers, sockets and answers wait, its sockets stay open.
 * @returns for how many ms it was, by the service's own clock
 */
export async function blockEventLoop(lab: Lab, host: string, service: string, ms: number): Promise<number> {
  const url = await openInspector(lab, host, service)
  const expression = `{ const from = performance.now(); while (performance.now() < from + ${ms}); performance.now() - from }`
  const argv = [process.execPath, join(labSourceDir, 'init/evaluate.mjs'), url, expression]
  const { stdout } = await lab.host(host).sh(argv, { timeoutMs: ms + 20_000 })
  return Number(stdout)
}
