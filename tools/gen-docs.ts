/** Writes docs/generated from the tables in the source: `npm run docs`. An architecture test fails when a page is stale. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { renderCli } from './doc-cli.ts'
import { renderErrors } from './doc-errors.ts'
import { renderOpenApi } from './doc-openapi.ts'
import { renderTree } from './doc-tree.ts'

/** Every generated page: path from the root of the repository, and what it must contain. */
export const pages: ReadonlyMap<string, () => string | Promise<string>> = new Map([
  ['docs/generated/cli.md', renderCli],
  ['docs/generated/errors.md', renderErrors],
  ['docs/generated/openapi.json', renderOpenApi],
  ['docs/generated/zk-tree.md', renderTree],
])

if (process.argv[1] === import.meta.filename) {
  const root = join(import.meta.dirname, '..')
  for (const [file, render] of pages) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), await render())
    console.log(file)
  }
}
