/** The linter rules we rely on do fire: a renamed or moved rule would otherwise vanish without a word. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSource, repositoryRoot } from './source-files.ts'

const impure = [
  'Date.now()',
  'new Date()',
  'process.env',
  'setTimeout(() => 1, 1)',
  'setInterval(() => 1, 1)',
  'fetch("x")',
  'performance.now()',
  'globalThis.Date',
  'console.log(1)',
]

const bad: readonly (readonly [rule: string, text: string])[] = [
  ['noDefaultExport', 'export default 1\n'],
  ['noExplicitAny', 'export const x: any = 1\n'],
  ['noNonNullAssertion', 'export const x = (a: string[]): string => a[0]!\n'],
  ['noFloatingPromises', 'async function f(): Promise<void> {}\nexport function g(): void {\n  f()\n}\n'],
  ['noBarrelFile', "export { x } from './vm.ts'\n"],
  ['noEmptyBlockStatements', 'export function f(): void {\n  try {\n    g()\n  } catch {}\n}\nconst g = f\n'],
  ['noConsole', 'console.log(1)\n'],
  ['useNodejsImportProtocol', "import fs from 'fs'\nexport const x = fs\n"],
  ['noTsIgnore', '// @ts-ignore\nexport const x = 1\n'],
]

const lawful = 'export function decide(now: number): number {\n  return Math.max(now, 1)\n}\n'

describe('lint', () => {
  let root: string
  let output: string

  function plant(file: string, text: string): void {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }

  // All cases in one run: starting the linter costs more than linting.
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'pvc-lint-'))
    const config = JSON.parse(readSource('biome.json')) as Record<string, unknown>
    plant('biome.json', JSON.stringify({ ...config, vcs: { enabled: false } }))
    impure.forEach((expression, index) => {
      plant(`src/node/impure${index}/decide.ts`, `export const x: unknown = ${expression}\n`)
    })
    for (const [rule, text] of bad) plant(`src/node/${rule}.ts`, text)
    plant('src/node/lawful/decide.ts', lawful)
    const { stdout, stderr, error } = spawnSync(
      join(repositoryRoot, 'node_modules/.bin/biome'),
      ['lint', '--error-on-warnings', '--colors=off', '--max-diagnostics=none', 'src'],
      { cwd: root, encoding: 'utf8', timeout: 30_000 },
    )
    if (error !== undefined) throw error
    output = stdout + stderr
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  /** Names of the rules reported for a file. */
  function reported(file: string): string[] {
    return output.split('\n').flatMap((line) => {
      const rule = /^(\S+?):\d+:\d+ lint\/\w+\/(\w+)/.exec(line)
      return rule?.[1] === file ? [rule[2] ?? ''] : []
    })
  }

  it.each(impure.map((expression, index) => [expression, index] as const))('keeps %s out of decisions', (_, index) => {
    expect(reported(`src/node/impure${index}/decide.ts`)).toContain('noRestrictedGlobals')
  })

  it.each(bad.map(([rule]) => rule))('%s fires', (rule) => {
    expect(reported(`src/node/${rule}.ts`)).toContain(rule)
  })

  it('lets a decision compute', () => {
    expect(output).toContain('src/node/impure0/decide.ts')
    expect(reported('src/node/lawful/decide.ts')).toEqual([])
  })
})
