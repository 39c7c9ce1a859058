/** Generated pages say what the source says now. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/model/errors.ts'
import { tree } from '../../src/schema/tree.ts'
import { pages } from '../../tools/gen-docs.ts'
import { readSource, repositoryRoot, sourceFiles } from './source-files.ts'

describe('generated pages', () => {
  it.each([...pages])('%s is fresh (if not: npm run docs)', async (file, render) => {
    expect(existsSync(join(repositoryRoot, file)) ? readSource(file) : 'missing').toBe(await render())
  })

  it('are all there is in docs/generated', () => {
    const present = readdirSync(join(repositoryRoot, 'docs/generated')).map((name) => `docs/generated/${name}`)
    expect(present.sort()).toEqual([...pages.keys()].sort())
  })

  it('name every document of the tree', async () => {
    const page = await pages.get('docs/generated/zk-tree.md')?.()
    for (const path of ['/nodes/{name}/alive', '/vms/{uuid}/status', tree.primary.lease.path]) {
      expect(page).toContain(`## ${path}\n`)
    }
  })
})

describe('error codes', () => {
  it('are named PVC_AREA_WHAT and explained in one sentence', () => {
    for (const [code, meaning] of Object.entries(ERROR_CODES)) {
      expect(code).toMatch(/^PVC_[A-Z]+(_[A-Z]+)*$/)
      expect(meaning).toMatch(/^(libvirt|[A-Z]).*\.$/)
    }
  })

  it('are all thrown somewhere', () => {
    const source = sourceFiles('src')
      .filter((file) => file !== 'src/model/errors.ts')
      .map(readSource)
      .join('\n')
    const unused = Object.keys(ERROR_CODES).filter((code) => !source.includes(`'${code}'`))
    expect(unused).toEqual([])
  })
})
