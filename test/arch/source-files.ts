/** Which files the architecture tests look at. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Absolute path of the checkout. */
export const repositoryRoot = join(import.meta.dirname, '..', '..')

const skipped = new Set(['node_modules', 'dist', 'build', '.cache', 'data'])

/** All .ts files under a folder of the repository, as paths from its root; empty when the folder does not exist. */
export function sourceFiles(folder: string): string[] {
  return walk(join(repositoryRoot, folder)).filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
}

function walk(dir: string): string[] {
  let entries: ReturnType<typeof list>
  try {
    entries = list(dir)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return entries.flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return skipped.has(entry.name) || entry.name.startsWith('.') ? [] : walk(path)
    return [relative(repositoryRoot, path)]
  })
}

function list(dir: string) {
  return readdirSync(dir, { withFileTypes: true })
}

/** Content of a file of the repository. */
export function readSource(file: string): string {
  return readFileSync(join(repositoryRoot, file), 'utf8')
}
