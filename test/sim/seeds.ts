/**
 * Runs many seeds on all cores: `node --import tsx test/sim/seeds.ts --seed S --runs R`. What a seed breaks is printed, with
 * the command that shows it; exit status 1 then.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { bundleSimulator } from './museum/bundle.ts'
import type { RunResult } from './run.ts'

export type Seeds = {
  readonly runs: number
  readonly steps: number
  readonly seconds: number
  /** Seeds that broke an invariant, or did not come to an end. */
  readonly broken: readonly number[]
}

export async function runSeeds(options: {
  readonly seed: number
  readonly runs: number
  readonly processes: number
}): Promise<Seeds> {
  const { seed, runs, processes } = options
  const program = await bundleSimulator('as-it-is', [])
  const begunMs = performance.now()
  const share = Math.ceil(runs / processes)
  const shares = Array.from({ length: processes }, (_, index) => {
    const from = seed + index * share
    return playShare(program, from, Math.max(0, Math.min(share, seed + runs - from)))
  })
  const results = (await Promise.all(shares)).flat()
  const seconds = (performance.now() - begunMs) / 1000
  const bad = results.filter(({ violation, isWhole }) => violation !== undefined || !isWhole)
  for (const { seed: each, violation } of bad) {
    console.log(
      `seed ${each}: ${violation === undefined ? 'did not come to an end' : `${violation.id} ${violation.message}`}`,
    )
    console.log(`  npm run -s sim -- --seed ${each}`)
  }
  const steps = results.reduce((sum, result) => sum + result.steps, 0)
  return { runs: results.length, steps, seconds, broken: bad.map((result) => result.seed) }
}

type Line = Pick<RunResult, 'seed' | 'steps' | 'violation' | 'isWhole'>

/** One process plays some seeds. @throws Error when it ends before it has played all of them */
async function playShare(program: string, seed: number, runs: number): Promise<readonly Line[]> {
  if (runs === 0) return []
  const args = [program, '--json', '--seed', String(seed), '--runs', String(runs)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const lines: Line[] = []
  for await (const line of createInterface({ input: child.stdout })) lines.push(JSON.parse(line) as Line)
  const code = await ended
  if (lines.length !== runs) throw new Error(`the simulator ended with ${code} after ${lines.length} of ${runs} seeds`)
  return lines
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { seed: { type: 'string', default: '1' }, runs: { type: 'string', default: '2000' } },
  })
  const processes = availableParallelism()
  const result = await runSeeds({ seed: Number(values.seed), runs: Number(values.runs), processes })
  const { runs, steps, seconds, broken } = result
  console.log(`${runs} seeds, ${steps} steps, ${broken.length} broken, ${seconds.toFixed(1)} s`)
  process.exitCode = broken.length === 0 ? 0 : 1
}
