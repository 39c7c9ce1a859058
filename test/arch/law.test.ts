/** The import law holds in the real tree, saw every file of it, and every one of its rules fires when broken. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { cruise, type IConfiguration, type ICruiseResult } from 'dependency-cruiser'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { breaches, lawful, type Tree } from './breaches.ts'
import { repositoryRoot, sourceFiles } from './source-files.ts'

const config: IConfiguration = createRequire(import.meta.url)(join(repositoryRoot, '.dependency-cruiser.cjs'))
const rules = (config.forbidden ?? []).map((rule) => rule.name ?? '')

/** Runs the law over the folders of one tree. */
async function judge(baseDir: string, folders: string[]): Promise<ICruiseResult> {
  const { forbidden = [], options = {} } = config
  const result = await cruise(folders, { ...options, baseDir, validate: true, ruleSet: { forbidden } })
  if (typeof result.output === 'string')
    throw new Error(`dependency-cruiser printed instead of returning: ${result.output}`)
  return result.output
}

function broken(result: ICruiseResult): string[] {
  return [...new Set(result.summary.violations.map((violation) => violation.rule.name))]
}

describe('import law', () => {
  let base: string
  let count = 0
  beforeAll(() => {
    base = mkdtempSync(join(tmpdir(), 'pvc-law-'))
  })
  afterAll(() => rmSync(base, { recursive: true, force: true }))

  /** Writes a tree that sees the same libraries and package.json as the repository. */
  function plant(tree: Tree): string {
    const root = join(base, String(count++))
    for (const [path, content] of Object.entries(tree)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
    }
    symlinkSync(join(repositoryRoot, 'node_modules'), join(root, 'node_modules'))
    symlinkSync(join(repositoryRoot, 'package.json'), join(root, 'package.json'))
    return root
  }

  const folders = (tree: Tree): string[] => [...new Set(Object.keys(tree).map((path) => path.split('/')[0] ?? ''))]

  it('holds in this repository, and saw every file of it', async () => {
    const result = await judge(
      repositoryRoot,
      ['src', 'test', 'tools'].filter((dir) => sourceFiles(dir).length > 0),
    )
    expect(result.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`)).toEqual([])
    const seen = new Set(result.modules.map((module) => module.source))
    const unseen = [...sourceFiles('src'), ...sourceFiles('test'), ...sourceFiles('tools')].filter(
      (file) => !seen.has(file),
    )
    expect(unseen).toEqual([])
    expect(result.summary.totalCruised).toBeGreaterThan(30)
    // A parser that fails sees files without imports.
    expect(result.summary.totalDependenciesCruised ?? 0).toBeGreaterThan(30)
    // It reads the whole repository, which takes a busy machine its time.
  }, 60_000)

  it('lets every folder use what the table gives it', async () => {
    expect(broken(await judge(plant(lawful), folders(lawful)))).toEqual([])
  })

  it('has a breach for every rule and a rule for every breach', () => {
    expect(Object.keys(breaches).sort()).toEqual([...rules].sort())
  })

  describe.each(rules)('rule %s', (rule) => {
    it.each((breaches[rule] ?? []).map((tree) => [Object.keys(tree)[0], tree] as const))(
      'fires on %s',
      async (_, tree) => {
        expect(broken(await judge(plant(tree), folders(tree)))).toContain(rule)
      },
    )
  })
})
