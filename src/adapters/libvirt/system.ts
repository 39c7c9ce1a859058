/** Small system calls that Node.js lacks and the addon has. */
import { addon } from './addon.ts'

/**
 * Tells systemd about this service, e.g. `READY=1` or `WATCHDOG=1`.
 * @returns false, doing nothing, when systemd did not ask for it (no NOTIFY_SOCKET).
 * @throws Error when the socket cannot be written within 1 s.
 */
export function sdNotify(state: string, socketPath = process.env['NOTIFY_SOCKET']): boolean {
  if (!socketPath) return false
  addon().sendDatagram(socketPath, state)
  return true
}

/** Marks every descriptor from `fromFd` on close-on-exec, so that children inherit none of them. */
export function setCloexecFrom(fromFd: number): void {
  addon().setCloexecFrom(fromFd)
}

/**
 * Closes the files, directories and terminals from `fromFd` on that whoever started us left open (a lock file held by a
 * shell would stay locked as long as we and our children live), and marks the rest close-on-exec. Pipes and sockets stay:
 * Node's own cannot be told from inherited ones. Call it first in a program, before anything opens a file.
 * @returns the descriptors closed.
 */
export function closeInheritedFds(fromFd = 3): readonly number[] {
  return addon().closeInheritedFiles(fromFd)
}

/** Nanoseconds since boot, time in suspend included. The same clock for every process of this host. */
export function bootTimeNs(): bigint {
  return addon().bootTimeNs()
}

/** When a process started, in clock ticks since boot: with the pid it names one process for ever. Undefined: no such process. */
export function processStartTicks(pid: number): number | undefined {
  return addon().processStartTicks(pid)
}

/**
 * Sends a signal to exactly this process: with `startTicks` a reused pid is never hit.
 * @returns false when that process is gone. @throws Error when not allowed.
 */
export function pidfdKill(pid: number, signal: number, startTicks?: number): boolean {
  return addon().pidfdKill(pid, signal, startTicks)
}

/**
 * Waits until a process has ended, child or not, without polling; occupies one thread of the addon.
 * @returns true when it is gone, false when it still lives after `timeoutMs`.
 */
export function waitProcessExit(pid: number, startTicks: number | undefined, timeoutMs: number): Promise<boolean> {
  return addon().waitProcessExit(pid, startTicks, timeoutMs)
}
