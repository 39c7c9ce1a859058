/** That nobody was fenced: what is noted before a trouble, and what must be so after it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FenceView, fenceView } from './failover.ts'
import type { Lab } from './lab.ts'
import { pollUntil } from './poll.ts'
import { expectThat } from './story.ts'

/** Power actions, boots and fence journals of all hosts at one moment. */
export type Calm = {
  readonly power: readonly string[]
  readonly boots: readonly string[]
  readonly fences: ReadonlyMap<string, FenceView>
}

/** What has been done to the power switch of a host so far, by anybody; being asked is not counted. */
export function powerActions(lab: Lab, host: string): readonly string[] {
  const file = join(lab.host(host).dir, 'log/power.log')
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter((line) => line !== '' && !line.endsWith(' status')).map((line) => `${host} ${line}`)
}

async function fences(lab: Lab): Promise<ReadonlyMap<string, FenceView>> {
  const seen = await Promise.all(lab.hosts.map(async ({ name }) => [name, await fenceView(lab, name)] as const))
  return new Map(seen)
}

/** Call it before the trouble. */
export async function takeCalm(lab: Lab): Promise<Calm> {
  return {
    power: lab.hosts.flatMap(({ name }) => powerActions(lab, name)),
    boots: lab.hosts.map((each) => each.bootId()),
    fences: await fences(lab),
  }
}

/**
 * No power switch was touched, no host was booted, and no life was proven over. A node may have been suspected, if that was
 * taken back. @returns a sentence about it
 */
export async function expectCalm(lab: Lab, before: Calm): Promise<string> {
  const after = await pollUntil(
    { what: 'every fence journal closed', timeoutMs: 30_000, intervalMs: 300 },
    async () => {
      const seen = await fences(lab)
      return [...seen.values()].every(({ state }) => state === 'closed') && seen
    },
  )
  const power = lab.hosts.flatMap(({ name }) => powerActions(lab, name))
  expectThat(power.join() === before.power.join(), `power was switched: ${power.join(', ')}`)
  expectThat(lab.hosts.map((each) => each.bootId()).join() === before.boots.join(), 'a host was booted anew')
  const suspected = [...after].filter(([name, { seq }]) => seq !== before.fences.get(name)?.seq)
  for (const [name, { evidence }] of suspected)
    expectThat(evidence.length === 0, `${name} was fenced: ${evidence.map(({ kind }) => kind).join(', ')}`)
  if (suspected.length === 0) return 'nobody was suspected'
  return `${suspected.map(([name]) => name).join(', ')} was suspected, and that was taken back`
}
