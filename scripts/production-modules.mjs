#!/usr/bin/env node
// Prints the folders of node_modules that the daemons need, one a line: what package-lock.json does not mark as for
// development only. A folder holds its own nested modules, so only the outermost ones are named.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))

for (const [path, entry] of Object.entries(packages)) {
  if (path === '' || entry.dev || entry.devOptional || entry.link) continue
  if (path.lastIndexOf('node_modules/') !== 0) continue
  if (existsSync(join(root, path))) console.log(path)
  else if (!entry.optional) {
    console.error(`${path} is missing`)
    process.exitCode = 1
  }
}
