/** Rules on the text of the source that no linter knows. Each check is a function, and is shown to find a planted breach. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TREE_DIRS, tree } from '../../src/schema/tree.ts'
import { functionsOf } from './functions.ts'
import { readSource, repositoryRoot, sourceFiles } from './source-files.ts'

type Check = (file: string, text: string) => string[]

const maxFileLines = 300
const maxFunctionLines = 70

const product = [...sourceFiles('src'), ...sourceFiles('native')]
const everything = [...product, ...sourceFiles('test'), ...sourceFiles('tools')]

function breachesOf(files: readonly string[], check: Check): string[] {
  return files.flatMap((file) => check(file, readSource(file)))
}

/** Reports each line that matches, as file:line: text. */
function lines(pattern: RegExp): Check {
  return (file, text) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : []))
}

const longFiles: Check = (file, text) => {
  const count = text.split('\n').length - 1
  return count > maxFileLines ? [`${file}: ${count} lines`] : []
}

const longFunctions: Check = (file, text) =>
  functionsOf(text)
    .filter((found) => found.lines > maxFunctionLines)
    .map((found) => `${file}:${found.line}: ${found.name} has ${found.lines} lines`)

const parents = new Set(TREE_DIRS.map((path) => path.slice(0, path.lastIndexOf('/'))))
const treePaths = [
  ...TREE_DIRS.filter((path) => !parents.has(path)),
  tree.schema.path,
  tree.primary.lease.path,
  tree.primary.epoch.path,
]
const pathLiterals = lines(new RegExp(`['"\`](${treePaths.join('|')})(/|['"\`])`))

// A promise that only waits for a time. The clock adapter makes the one the product uses, the poll the one tests use.
const sleeps = lines(
  /new Promise\S*\(\(?(\w+)\)? => (\{ )?setTimeout\(\1\b|from 'node:timers\/promises'|\bsleepSync\b|Atomics\.wait\(/,
)
const maySleep = ['src/adapters/clock/', 'src/cli/', 'test/lab/poll.ts']

const randomness = lines(/Math\.random|crypto\./)
const defaultExports = lines(/^export default\b|\bas default\b/)
const runtimeSchema = lines(/^import (?!type\b).*from '\.\.\/(.*\/)?schema\//)
const vagueNames = (file: string): boolean => /^(utils?|common|helpers?|misc)\.ts$/.test(basename(file))
const oddNames = (file: string): boolean => !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.ts$/.test(basename(file))

describe('source text', () => {
  it('sees the source', () => {
    expect(product.length).toBeGreaterThan(20)
    expect(everything).toContain('test/arch/sources.test.ts')
  })

  it(`has no file above ${maxFileLines} lines`, () => {
    expect(longFiles('a.ts', 'x\n'.repeat(maxFileLines + 1))).toEqual([`a.ts: ${maxFileLines + 1} lines`])
    expect(longFiles('a.ts', 'x\n'.repeat(maxFileLines))).toEqual([])
    expect(breachesOf(everything, longFiles)).toEqual([])
  })

  it(`has no function above ${maxFunctionLines} lines`, { timeout: 60_000 }, () => {
    const body = (count: number): string => `const é = 1\nfunction long() {\n${'  é\n'.repeat(count - 2)}}\n`
    expect(longFunctions('a.ts', body(maxFunctionLines + 1))).toEqual(['a.ts:2: long has 71 lines'])
    expect(longFunctions('a.ts', body(maxFunctionLines))).toEqual([])
    expect(longFunctions('a.ts', `class A { go() {\n${'\n'.repeat(70)}} }`)).toHaveLength(1)
    expect(longFunctions('a.ts', `describe('x', () => {\n${'\n'.repeat(90)}})`)).toEqual([])
    expect(longFunctions('a.ts', `it('x', () => { f(() => {\n${'\n'.repeat(90)}}) })`)).toHaveLength(1)
    // A factory is judged by its functions: 60 + 30 lines of them pass, one of 90 does not, nor 90 lines of its own.
    const part = (count: number): string => `  function part() {\n${'\n'.repeat(count - 2)}  }\n`
    expect(longFunctions('a.ts', `function createA() {\n${part(60)}${part(30)}}`)).toEqual([])
    expect(longFunctions('a.ts', `function createA() {\n${part(90)}}`)).toHaveLength(1)
    expect(longFunctions('a.ts', `function createA() {\n${'\n'.repeat(90)}}`)).toHaveLength(1)
    expect(breachesOf(everything, longFunctions)).toEqual([])
  })

  it('names znodes only in the tree description', () => {
    expect(pathLiterals('a.ts', "get('/vms/x')")).toHaveLength(1)
    expect(pathLiterals('a.ts', 'get(`/nodes/${' + 'name}/alive`)')).toHaveLength(1)
    expect(pathLiterals('a.ts', "route('/vm')")).toEqual([])
    // Paths of the API look alike; the folders that have them cannot reach the store.
    const elsewhere = product.filter((file) => !/^src\/(schema\/tree\.ts|contract\/|api\/|cli\/)/.test(file))
    expect(breachesOf(elsewhere, pathLiterals)).toEqual([])
  })

  it('waits for levels, never for a time to pass', () => {
    expect(sleeps('a.ts', 'await new Promise((resolve) => setTimeout(resolve, 500))')).toHaveLength(1)
    expect(sleeps('a.ts', "import { setTimeout } from 'node:timers" + "/promises'")).toHaveLength(1)
    expect(sleeps('a.ts', 'const timer = setTimeout(onDeadline, deadlineMs)')).toEqual([])
    const files = everything.filter(
      (file) => file !== 'test/arch/sources.test.ts' && !file.startsWith('test/arch/breaches'),
    )
    expect(
      breachesOf(
        files.filter((file) => !maySleep.some((path) => file.startsWith(path))),
        sleeps,
      ),
    ).toEqual([])
  })

  it('keeps randomness out of decisions', () => {
    expect(randomness('a.ts', 'const x = Math.random()')).toHaveLength(1)
    const pure = product.filter((file) => /\/(decide|plan)\.ts$/.test(file) || file.startsWith('src/model/'))
    expect(breachesOf(pure, randomness)).toEqual([])
  })

  it('gives ports only the types of the tree', () => {
    expect(runtimeSchema('a.ts', "import { tree } from '../schema/tree.ts'")).toHaveLength(1)
    expect(runtimeSchema('a.ts', "import type { Key } from '../schema/key.ts'")).toEqual([])
    expect(breachesOf(sourceFiles('src/ports'), runtimeSchema)).toEqual([])
  })

  it('has named exports only', () => {
    expect(defaultExports('a.ts', 'export default 1')).toHaveLength(1)
    expect(breachesOf(everything, defaultExports).filter((hit) => !hit.startsWith('test/arch/sources'))).toEqual([])
  })

  it('names files by their noun', () => {
    expect(['src/a/util.ts', 'src/a/helpers.ts', 'src/a/vm.ts'].filter(vagueNames)).toHaveLength(2)
    expect(['src/a/vmList.ts', 'src/a/vm_list.ts', 'src/a/vm-list.test.ts'].filter(oddNames)).toHaveLength(2)
    expect(product.filter(vagueNames)).toEqual([])
    expect(everything.filter(oddNames)).toEqual([])
  })
})

describe('repository', () => {
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: repositoryRoot, encoding: 'utf8', timeout: 10_000 })
    .split('\0')
    .filter((file) => file !== '' && existsSync(join(repositoryRoot, file)))

  it('holds no path of one machine', () => {
    // Written in pieces, or this file would find itself.
    const machine = lines(
      new RegExp(['/wor' + 'k/', '/far' + 'm/', '/tmp/bash' + '_jobs', '\\.lib' + 'rary\\b'].join('|')),
    )
    expect(machine('a.ts', `cd /wor${'k/'}main`)).toHaveLength(1)
    expect(
      breachesOf(
        tracked.filter((file) => file !== 'package-lock.json'),
        machine,
      ),
    ).toEqual([])
  })

  type Locked = { version?: string; integrity?: string; resolved?: string; link?: boolean; optional?: boolean }
  type Platform = { os?: string[]; cpu?: string[]; libc?: string[] }
  type Edges = { optionalDependencies?: Record<string, string> }
  const lock = (): [string, Locked & Platform & Edges][] =>
    Object.entries((JSON.parse(readSource('package-lock.json')) as { packages: Record<string, Locked> }).packages)

  it('locks every library that can run here with a checksum, and names no registry', () => {
    const libraries = lock().filter(([path, entry]) => path !== '' && entry.link !== true)
    expect(libraries.length).toBeGreaterThan(100)
    const foreign = ({ optional, os, cpu, libc }: Locked & Platform): boolean =>
      optional === true && (os?.[0] !== 'linux' || libc?.[0] === 'musl' || !/^(x64|arm64)$/.test(cpu?.[0] ?? ''))
    const unchecked = libraries.filter(([, entry]) => entry.integrity === undefined && !foreign(entry))
    expect(unchecked.map(([path]) => path)).toEqual([])
    expect(libraries.filter(([, entry]) => entry.resolved !== undefined).map(([path]) => path)).toEqual([])
  })

  it('locks the optional libraries of all platforms (if not: scripts/complete-lock.mjs), or npm ci refuses', () => {
    const entries = lock()
    const locked = new Set(entries.map(([path]) => path))
    const missing = entries.flatMap(([path, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {}).filter(
        (name) => !locked.has(`node_modules/${name}`) && !locked.has(`${path}/node_modules/${name}`),
      ),
    )
    expect(missing).toEqual([])
  })

  it('pins every library to one version', () => {
    const { dependencies, devDependencies } = JSON.parse(readSource('package.json')) as Record<
      string,
      Record<string, string>
    >
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, range]) => !/^\d+\.\d+\.\d+$/.test(range),
    )
    expect(loose).toEqual([])
  })
})
