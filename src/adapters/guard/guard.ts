/** The guard process through its two pages. */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Guard, GuardReport } from '../../ports/guard.ts'
import { decodeState, encodeOrder, ORDER_BYTES, STATE_BYTES } from './page.ts'

/** It writes ten times a second. */
const SILENT_MS = 1000
/** A write takes microseconds; a page that is torn this often is damaged. */
const READ_TRIES = 3

export type GuardPages = Guard & { close(): void }

const NEVER_SEEN: Omit<GuardReport, 'isRunning'> = {
  isArmed: false,
  baseMs: 0,
  latch: 0,
  clearedLatch: 0,
  isKillVerified: false,
  settings: undefined,
  watchdog: { kind: 'absent', reason: 'the guard has never run since the boot' },
}

/**
 * Opens the pages in the run directory, which must exist. `clock` must count the time since boot, as the guard does.
 * @throws Error when the page of orders cannot be opened
 */
export function createGuardPages(options: { readonly runDir: string; readonly clock: Clock }): GuardPages {
  const { runDir, clock } = options
  const statePath = join(runDir, 'guard-state')
  // Never truncated: the guard has it mapped.
  const orderFd = openSync(join(runDir, 'guard'), constants.O_RDWR | constants.O_CREAT, 0o600)
  let sequence = nextSequence(orderFd)
  let last: ReturnType<typeof decodeState>
  return {
    order(order) {
      // One write of the whole page at one offset: the guard sees all of it, or by the checksum that it does not.
      writeSync(orderFd, encodeOrder(order, sequence), 0, ORDER_BYTES, 0)
      sequence += 1
    },
    report() {
      last = readState(statePath) ?? last
      if (last === undefined) return { isRunning: false, ...NEVER_SEEN }
      return { isRunning: clock.nowMs() - last.heartbeatMs < SILENT_MS, ...last.report }
    },
    close: () => closeSync(orderFd),
  }
}

/** Numbers go on over restarts of the daemon, which makes traces readable; nobody decides by them. */
function nextSequence(fd: number): number {
  const page = Buffer.alloc(16)
  return readSync(fd, page, 0, page.length, 0) === page.length ? Number(page.readBigUInt64LE(8)) + 1 : 1
}

/** @returns undefined when there is no page, or none that can be believed */
function readState(path: string): ReturnType<typeof decodeState> {
  for (let attempt = 0; attempt < READ_TRIES; attempt += 1) {
    const page = readPage(path)
    const state = page && decodeState(page)
    if (state !== undefined || page === undefined) return state
  }
  return undefined
}

function readPage(path: string): Buffer | undefined {
  let fd: number
  try {
    // By its name each time: a page that somebody removed is made anew by the next guard.
    fd = openSync(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    const page = Buffer.alloc(STATE_BYTES)
    readSync(fd, page, 0, STATE_BYTES, 0)
    return page
  } finally {
    closeSync(fd)
  }
}
