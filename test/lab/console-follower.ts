/** Who follows a console in a story: at any coordinator's API, or only at the floating address, which goes where the primary is. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clientEnv } from './daemons.ts'
import { type Heartbeat, parseHeartbeats } from './guest-record.ts'
import type { Lab } from './lab.ts'
import { floatingAddress, repoDir } from './plan.ts'
import { pollUntil } from './poll.ts'
import { expectThat } from './story.ts'

/** Longer than the story: the follower ends with it. */
const FOLLOW_S = 900

/** Ways to reach the API, by name. */
export const FOLLOWERS = ['coordinators', 'floating'] as const
export type Follower = (typeof FOLLOWERS)[number]

const output = (lab: Lab, who: Follower): string => join(lab.dir, 'shared', `followed-${who}.txt`)
const pidFile = (who: Follower): string => `/run/console-follower-${who}`

/** What `pvc vm log -f` has printed so far. */
function followed(lab: Lab, who: Follower): string {
  return existsSync(output(lab, who)) ? readFileSync(output(lab, who), 'utf8') : ''
}

/** Environment of a `pvc` that knows the API by this way. */
function envOf(lab: Lab, who: Follower): Record<string, string> {
  const env = clientEnv(lab.instance)
  if (who === 'coordinators') return env
  const dir = join(lab.dir, 'client-floating')
  const saved: Record<string, object> = JSON.parse(readFileSync(join(env['PVC_CLIENT_DIR'] ?? '', 'pvc.json'), 'utf8'))
  const moved = Object.entries(saved).map(([name, each]) => [name, { ...each, host: floatingAddress('cluster') }])
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'pvc.json'), JSON.stringify(Object.fromEntries(moved)), { mode: 0o600 })
  return { ...env, PVC_CLIENT_DIR: dir }
}

/** Starts `pvc vm log -f` in the machine room, in both ways. Their end is asked for by {@link endFollowers}. */
export function startFollowers(lab: Lab, vm: string): void {
  for (const who of FOLLOWERS) {
    const command = `${process.execPath} ${join(repoDir, 'dist/cli/pvc.cjs')} -q vm log -f -l 1000 ${vm}`
    const script = `echo $$ >${pidFile(who)}; exec ${command} >${output(lab, who)} 2>&1`
    const options = { allowFailure: true, timeoutMs: FOLLOW_S * 1000, env: envOf(lab, who) }
    void lab.sh(['bash', '-c', script], options)
  }
}

/** Presses Ctrl-C for all of them. */
export async function endFollowers(lab: Lab): Promise<void> {
  for (const who of FOLLOWERS) await lab.sh(['bash', '-c', `kill -INT $(cat ${pidFile(who)})`])
}

/**
 * Every heartbeat once, none missing within a boot, and each boot in its order. What a node that died had printed but not
 * told comes when the guest is there again, so the last lines of an earlier boot may stand among those of a later one.
 */
export function expectEachOnce(
  lab: Lab,
  who: Follower,
): { readonly seen: readonly Heartbeat[]; readonly boots: number } {
  const seen = parseHeartbeats(followed(lab, who))
  const newest = new Map<string, Heartbeat>()
  for (const heartbeat of seen) {
    const before = newest.get(heartbeat.boot)
    const show = `${who}: ${heartbeat.boot}/${heartbeat.n} comes after ${before?.n ?? 'none'} of its boot`
    expectThat(heartbeat.n === (before?.n ?? 0) + 1, show)
    newest.set(heartbeat.boot, heartbeat)
  }
  return { seen, boots: newest.size }
}

/** Counter of the newest heartbeat a follower has printed. */
const newestCounter = (lab: Lab, who: Follower): number =>
  Math.max(0, ...parseHeartbeats(followed(lab, who)).map(({ c }) => c))

/** Waits until the followers have printed `more` heartbeats after the newest one so far, and checks all. */
export async function untilFollowed(
  lab: Lab,
  more: number,
  { timeoutMs = 60_000, who = FOLLOWERS as readonly Follower[] } = {},
): Promise<string> {
  const last = Math.max(...who.map((each) => newestCounter(lab, each)))
  for (const each of who)
    await pollUntil(
      { what: `${more} more heartbeats by way of ${each}`, timeoutMs },
      async () => newestCounter(lab, each) >= last + more,
    )
  const [count, boots] =
    who.map((each) => expectEachOnce(lab, each)).map((all) => [all.seen.length, all.boots])[0] ?? []
  return `${count} heartbeats of ${boots} ${boots === 1 ? 'boot' : 'boots'}, each once`
}
