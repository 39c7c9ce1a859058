#!/usr/bin/env node
// Exit 0 when node_modules is what package-lock.json says, 1 (naming the first difference) when npm ci has to run.
import { readFileSync } from 'node:fs'

const read = (file) => JSON.parse(readFileSync(file, 'utf8')).packages

function difference() {
  let installed
  try {
    installed = read('node_modules/.package-lock.json')
  } catch {
    return 'node_modules is missing'
  }
  const locked = read('package-lock.json')
  for (const [path, entry] of Object.entries(locked)) {
    if (path === '' || entry.link) continue
    // Optional libraries of other platforms are locked and not installed.
    if (installed[path] === undefined && entry.optional) continue
    if (installed[path]?.version !== entry.version) return `${path} is ${installed[path]?.version ?? 'missing'}, locked is ${entry.version}`
  }
  for (const path of Object.keys(installed)) if (locked[path] === undefined) return `${path} is not locked`
  return undefined
}

const found = difference()
if (found !== undefined) {
  console.log(found)
  process.exitCode = 1
}
