import { readFile } from 'node:fs/promises'
import { systemErrorCode, usageFailure } from './failure.ts'
import type { Host } from './host.ts'

/** Reads a file named on the command line; `-` is standard input. @throws a usage failure when it cannot be read. */
export async function readTextFile(host: Host, file: string): Promise<string> {
  if (file === '-') return await host.readInput()
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = systemErrorCode(error)
    const reason = code === 'ENOENT' ? 'No such file or directory' : code
    throw usageFailure(`The file "${file}" cannot be read: ${reason}.`)
  }
}
