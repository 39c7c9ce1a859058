import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { bundleSimulator } from './bundle.ts'
import type { Mutation } from './mutation.ts'
import { MUTATIONS } from './mutations.ts'

const run = promisify(execFile)

/** A planted bug must show within so many steps of a run. */
const MAX_STEPS = 10_000
/** Runs until then at most. */
const MAX_RUNS = 6

type Line = { readonly seed: number; readonly steps: number; readonly violation?: { readonly id: string } }

/** Runs so many seeds, or until one breaks something. */
async function play(program: string, mutation: Mutation, runs: number): Promise<readonly Line[]> {
  const { id, profile, script, nodes, vms, seed } = mutation
  const args = [program, '--json', '--first', '--seed', String(seed), '--steps', String(MAX_STEPS)]
  if (nodes !== undefined) args.push('--nodes', String(nodes))
  if (vms !== undefined) args.push('--vms', String(vms))
  if (profile !== undefined) args.push('--profile', profile, '--runs', String(runs))
  if (script !== undefined) {
    const file = `${program}.${id}.script`
    writeFileSync(file, script)
    args.push('--script', file)
  }
  const { stdout } = await run(process.execPath, args, { timeout: 60_000 }).catch((error: unknown) => {
    const failed = error as { readonly stdout?: string; readonly code?: number }
    if (failed.code !== 1) throw error
    return { stdout: failed.stdout ?? '' }
  })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

let sound = ''
beforeAll(async () => {
  sound = await bundleSimulator('as-it-is', [])
}, 60_000)

describe('the museum of counterexamples', () => {
  it.each(MUTATIONS)('$id: $what', { timeout: 120_000 }, async (mutation) => {
    const found = await play(await bundleSimulator(mutation.id, mutation.patches), mutation, MAX_RUNS)
    expect(found.at(-1)?.violation).toBeDefined()
    const clean = await play(sound, mutation, found.length)
    expect(clean.filter(({ violation }) => violation !== undefined)).toEqual([])
  })
})
