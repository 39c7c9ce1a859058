/**
 * The simulator as a program: `npm run sim -- --seed S --runs R --steps N --nodes K`. Each run has a seed of its own, from
 * S on. Exit status 1 when an invariant was broken: then it prints the seed, the shortest script found and the timeline.
 */

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { sealGlobals } from './engine/seal.ts'
import { parseScript, stepText } from './fault/script.ts'
import { type RunOptions, type RunResult, simulate, unhandled } from './run.ts'
import { shrink } from './shrink.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
    steps: { type: 'string', default: '60000' },
    nodes: { type: 'string' },
    vms: { type: 'string' },
    profile: { type: 'string' },
    /** A file with a script, instead of the one that follows from the seed. */
    script: { type: 'string' },
    /** Prints the whole history. */
    trace: { type: 'boolean', default: false },
    /** One JSON line per run instead of words. */
    json: { type: 'boolean', default: false },
    /** Ends with the first run that breaks something. */
    first: { type: 'boolean', default: false },
    /** Steps of all runs together. */
    budget: { type: 'string', default: 'Infinity' },
    /** Leaves a script that breaks something as it is. */
    'no-shrink': { type: 'boolean', default: false },
  },
})

process.on('unhandledRejection', (error) => unhandled.push(error))
process.on('uncaughtException', (error) => unhandled.push(error))
// Where an error came from is only read when there is time for it, and is much of the work of making one.
if (values.json) Error.stackTraceLimit = 0
const begunMs = performance.now()
sealGlobals()

function optionsOf(seed: number): RunOptions {
  const script = values.script === undefined ? undefined : parseScript(readFileSync(values.script, 'utf8'))
  // Small clusters are quick, and show most of what large ones do.
  const nodes = values.nodes === undefined ? 3 + (seed % 8 === 0 ? 2 : 0) : Number(values.nodes)
  const vms = values.vms === undefined ? 2 + (seed % 2) : Number(values.vms)
  return { seed, nodes, vms, maxSteps: Number(values.steps), profile: values.profile, script }
}

async function report(options: RunOptions, result: RunResult): Promise<void> {
  const { violation } = result
  if (violation === undefined) return
  const line = `seed ${result.seed}: ${violation.id} at ${(violation.atMs / 1000).toFixed(3)} s, step ${result.steps}: ${violation.message}`
  console.log(line)
  if (values['no-shrink']) return
  const small = await shrink(options, result)
  console.log(`\nscript (profile ${result.profile}, ${options.nodes} nodes, ${options.vms} VMs):`)
  for (const step of small.script) console.log(`  ${stepText(step)}`)
  console.log('\ntimeline:')
  await simulate({ ...options, script: small.script, trace: timeline })
}

/** What a reader wants to see of a history: what was done, and what daemons and the world say of it. */
function timeline(line: string): void {
  if (/^ *\d+\.\d{3} ( |>)/.test(line)) console.log(line.length > 300 ? `${line.slice(0, 300)} …` : line)
}

async function main(): Promise<number> {
  let steps = 0
  let broken = 0
  let unfinished = 0
  const first = Number(values.seed)
  const runs = Number(values.runs)
  for (let seed = first; seed < first + runs; seed += 1) {
    const left = Number(values.budget) - steps
    if (left <= 0) break
    const options = { ...optionsOf(seed), maxSteps: Math.min(Number(values.steps), left) }
    const result = await simulate(values.trace ? { ...options, trace: (line) => console.log(line) } : options)
    steps += result.steps
    if (!result.isWhole) unfinished += 1
    if (values.json) {
      const { violation, hash, virtualMs, isWhole, profile } = result
      console.log(JSON.stringify({ seed, profile, steps: result.steps, virtualMs, isWhole, hash, violation }))
    } else await report(options, result)
    if (result.violation !== undefined) {
      broken += 1
      if (values.first || (!values.json && !values['no-shrink'])) break
    }
  }
  const seconds = (performance.now() - begunMs) / 1000
  const unfinishedWords = unfinished === 0 ? '' : `, ${unfinished} stopped by --steps`
  const words = `${runs} runs, ${steps} steps, ${broken} violations${unfinishedWords}, ${seconds.toFixed(1)} s`
  if (!values.json) console.log(words)
  return broken === 0 ? 0 : 1
}

process.exitCode = await main()
