import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const run = promisify(execFile)
const main = join(import.meta.dirname, 'main.ts')

/** Runs the simulator as a program, because it takes time and chance away from its process. */
async function sim(...args: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', main, '--json', ...args], { timeout: 60_000 })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('the simulator', () => {
  it('makes the same history of the same seed, byte for byte, and another one of another', {
    timeout: 60_000,
  }, async () => {
    const [first, second] = await Promise.all([sim('--seed', '7', '--runs', '4'), sim('--seed', '7', '--runs', '4')])
    expect(first.map(({ hash }) => hash)).toEqual(second.map(({ hash }) => hash))
    expect(new Set(first.map(({ hash }) => hash)).size).toBe(4)
    expect(first.every(({ violation, isWhole }) => violation === undefined && isWhole === true)).toBe(true)
  })
})
