import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isErrno } from './atomic-file.ts'

/** Flag of a thread that the kernel is ending: it never runs a line of its program again. linux/sched.h */
const PF_EXITING = 0x4
/** Looking costs a file or two of /proc. */
const LOOK_MS = 1

/**
 * Whether a process is over though the kernel has not taken it down yet: giving back the memory of a large guest takes
 * the kernel longer than everything else about its end (some 0.1 s for each 4 GiB in small pages). True too when it is gone.
 * @param root `/proc`, or a copy of it in tests. @param startTicks names this very process
 */
export function isOver(root: string, pid: number, startTicks: number): boolean {
  const process = join(root, String(pid))
  const leader = readFacts(join(process, 'stat'))
  if (leader === undefined || leader.startTicks !== startTicks) return true
  // QEMU ends as a whole (exit_group), so once its first thread is exiting no thread can make another one.
  if (!leader.isExiting) return false
  const threads = unlessGoneSync(() => readdirSync(join(process, 'task'))) ?? []
  return threads.every((thread) => readFacts(join(process, 'task', thread, 'stat'))?.isExiting ?? true)
}

/**
 * Waits until a process is gone or {@link isOver}.
 * @param waitExit waits until it is gone, or so long. @returns false when it still runs after `timeoutMs`
 */
export async function untilOver(
  isOverNow: () => boolean,
  waitExit: (timeoutMs: number) => Promise<boolean>,
  timeoutMs: number,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs
  for (let leftMs = timeoutMs; leftMs > 0; leftMs = endMs - performance.now()) {
    if (isOverNow() || (await waitExit(Math.min(LOOK_MS, Math.ceil(leftMs))))) return true
  }
  return false
}

type ThreadFacts = { readonly isExiting: boolean; readonly startTicks: number }

/** The name of a thread may hold spaces and brackets, so fields are counted behind its last bracket: state is the first. */
function readFacts(path: string): ThreadFacts | undefined {
  const text = unlessGoneSync(() => readFileSync(path, 'utf8'))
  if (text === undefined) return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { isExiting: (Number(fields[6]) & PF_EXITING) !== 0, startTicks: Number(fields[19]) }
}

function unlessGoneSync<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined
    throw error
  }
}
