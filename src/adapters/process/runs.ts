/** Which programs this daemon has started, kept until the next boot: one that outlived it is found and ended by its successor. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Log } from '../../ports/log.ts'
import { isErrno } from '../files/atomic-file.ts'

const Run = z.object({ name: z.string(), pid: z.number().int().positive(), startTime: z.string() })

/** Notes that a program runs as this process. Synchronous: nothing may come between its start and the note. */
export function noteRun(dir: string, name: string, pid: number): void {
  const startTime = startTimeOf(pid)
  if (startTime === undefined) return
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  writeFileSync(join(dir, `${name.replaceAll(/[^A-Za-z0-9]+/g, '-')}.json`), JSON.stringify({ name, pid, startTime }))
}

/** Kills what an earlier daemon left running. A process number that is somebody else's by now is left alone. */
export function endLeftRuns(dir: string, log: Log): void {
  for (const file of listDirectory(dir)) {
    const path = join(dir, file)
    const run = Run.safeParse(parse(readFileSync(path, 'utf8')))
    rmSync(path, { force: true })
    if (!run.success || startTimeOf(run.data.pid) !== run.data.startTime) continue
    log.warn({ program: run.data.name, pid: run.data.pid }, 'a program outlived an earlier daemon and is ended')
    try {
      process.kill(run.data.pid, 'SIGKILL')
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error
    }
  }
}

function listDirectory(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return []
    throw error
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Cut off by the death of the daemon that wrote it.
    return undefined
  }
}

/** When a process began, in ticks since boot: with its number it names the process for good. */
function startTimeOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets and may hold anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined
    throw error
  }
}
