/**
 * Checks the model of the safety protocol exhaustively with Spin: `make model`, or with `--all` also the configurations that
 * take minutes. Each must end as expected: as built nothing is violated, and without a rule its counterexample is found.
 * A check that is not finished within its time has failed.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CHECKS, type ModelCheck } from './checks.ts'

const exec = promisify(execFile)

/** Building one verifier takes longer on a busy machine than the check itself. */
const BUILD_TIMEOUT_MS = 120_000
const QUICK_TIMEOUT_MS = 120_000
const LONG_TIMEOUT_MS = 30 * 60_000
/** Longest path, in steps; a search that reaches it says so and is not taken for a whole one. */
const DEPTH = '2000000'

type Result = { readonly states: number; readonly isViolated: boolean; readonly isWhole: boolean }

async function check({ model, options, isLong }: ModelCheck, dir: string, timeout: number): Promise<Result> {
  const source = join(import.meta.dirname, `${model}.pml`)
  mkdirSync(dir)
  const build = { cwd: dir, timeout: BUILD_TIMEOUT_MS }
  await exec('spin', ['-a', ...options, source], build)
  const flags = [isLong ? '-O2' : '-O1', '-DSAFETY', '-DCOLLAPSE', '-DVECTORSZ=2048', '-DNOREDUCE']
  await exec('gcc', [...flags, '-o', 'pan', 'pan.c'], build)
  const { stdout } = await exec(join(dir, 'pan'), ['-E', `-m${DEPTH}`], { cwd: dir, timeout, maxBuffer: 2 ** 24 })
  const states = Number(/^ *([\d.e+]+) states, stored/m.exec(stdout)?.[1] ?? Number.NaN)
  const errors = /errors: (\d+)/.exec(stdout)?.[1]
  if (errors === undefined || Number.isNaN(states)) throw new Error(`pan said nothing useful: ${stdout.slice(0, 500)}`)
  const isWhole = !/max search depth too small|search depth limit|Search not completed/.test(stdout)
  return { states, isViolated: errors !== '0', isWhole }
}

async function main(isAll: boolean): Promise<number> {
  const base = mkdtempSync(join(tmpdir(), 'pvc-model-'))
  let failed = 0
  try {
    for (const [index, each] of CHECKS.entries()) {
      if (each.isLong && !isAll) continue
      const begunMs = performance.now()
      const timeout = each.isLong ? LONG_TIMEOUT_MS : QUICK_TIMEOUT_MS
      const outcome = await check(each, join(base, String(index)), timeout).catch((error: unknown) => error)
      const seconds = ((performance.now() - begunMs) / 1000).toFixed(1)
      const words = judge(each, outcome)
      if (words !== 'ok') failed += 1
      console.log(`${words.padEnd(4)} ${each.model.padEnd(6)} ${each.what} (${statesOf(outcome)} states, ${seconds} s)`)
    }
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
  console.log(failed === 0 ? 'the model is as expected' : `${failed} checks are not as expected`)
  return failed === 0 ? 0 : 1
}

function judge({ expected }: ModelCheck, outcome: unknown): string {
  if (!isResult(outcome)) return `NO  ${outcome instanceof Error ? outcome.message : String(outcome)}:`
  if (outcome.isViolated !== (expected === 'violated')) return `NO  expected to be ${expected}:`
  if (!outcome.isViolated && !outcome.isWhole) return 'NO  the search is not whole:'
  return 'ok'
}

function isResult(outcome: unknown): outcome is Result {
  return typeof outcome === 'object' && outcome !== null && 'isViolated' in outcome
}

function statesOf(outcome: unknown): string {
  return isResult(outcome) ? outcome.states.toLocaleString('en') : 'no'
}

process.exitCode = await main(process.argv.includes('--all'))
