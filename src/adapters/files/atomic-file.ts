import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

let counter = 0

/**
 * Writes a file so that a reader sees the old text or the new one, never a part.
 * @param isDurable also keeps it over a power cut (fsync of file and directory); not needed below /run.
 */
export async function writeFileAtomic(path: string, text: string, isDurable: boolean): Promise<void> {
  const directory = dirname(path)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  counter += 1
  const temporary = join(directory, `.${basename(path)}.${process.pid}.${counter}`)
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(text)
      if (isDurable) await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  if (!isDurable) return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Runs a read; undefined when what it reads does not exist (any more), as happens with files of processes. */
export async function unlessGone<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'ENOTDIR')) return undefined
    throw error
  }
}

/** True for a system error with one of these codes. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
}
