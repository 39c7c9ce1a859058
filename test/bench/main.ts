/**
 * Runs benches: `npm run -s bench -- NAME...`. A bench is test/bench/NAME.bench.ts, exporting `run`. Standard output has
 * one JSON line per figure and nothing else, so that a program can read it; everything else goes to standard error.
 */
import { Console } from 'node:console'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Bench, type Figure, figureLine } from './figure.ts'

/** Of a bench that exports no `limitMs` of its own. */
const defaultLimitMs = 15 * 60_000

function available(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.bench.ts'))
    .map((file) => file.slice(0, -'.bench.ts'.length))
    .sort()
}

async function runBench(name: string): Promise<void> {
  const module = (await import(join(import.meta.dirname, `${name}.bench.ts`))) as { run?: Bench; limitMs?: number }
  if (module.run === undefined) throw new Error(`bench ${name} does not export run`)
  const { limitMs = defaultLimitMs } = module
  const limit = setTimeout(() => {
    console.error(`bench ${name}: not finished after ${limitMs / 60_000} minutes`)
    process.exit(3)
  }, limitMs)
  let figures = 0
  await module.run((figure: Figure) => {
    figures++
    process.stdout.write(`${figureLine(name, figure)}\n`)
  })
  clearTimeout(limit)
  if (figures === 0) throw new Error(`bench ${name} reported no figure`)
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !existsSync(join(import.meta.dirname, `${name}.bench.ts`)))
  if (names.length === 0 || unknown.length > 0) {
    if (unknown.length > 0) console.error(`no such bench: ${unknown.join(', ')}`)
    console.error(`usage: npm run -s bench -- NAME...\nbenches: ${available().join(' ')}`)
    return 2
  }
  let failed = 0
  for (const name of names) {
    try {
      await runBench(name)
    } catch (error) {
      failed++
      console.error(`bench ${name}:`, error)
    }
  }
  return failed === 0 ? 0 : 1
}

// A library that logs must not break the lines on standard output.
globalThis.console = new Console({ stdout: process.stderr, stderr: process.stderr })
process.exit(await main(process.argv.slice(2)))
