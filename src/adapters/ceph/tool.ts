import { type ErrorCode, PvcError } from '../../model/errors.ts'
import type { CommandOutcome, RunCommand } from '../process/command.ts'

export type CephToolOptions = {
  readonly run: RunCommand
  /** Ceph user without `client.`. */
  readonly user: string
  readonly configFile: string
  /** Bound of one command. The tools give up a second earlier by themselves, with a message that says why. */
  readonly deadlineMs: number
}

/** One command of a Ceph tool. */
export type CephCommand = {
  readonly tool: 'ceph' | 'rbd' | 'rados'
  readonly args: readonly string[]
  /** What is being done to what, for the error message. */
  readonly what: string
  /** Longer than the usual bound, for work that grows with the data. */
  readonly deadlineMs?: number
  /** Aborting it kills the command. */
  readonly signal?: AbortSignal | undefined
}

/** A tool gives up on a silent monitor or OSD after this time, however long the work itself may take. */
const MAX_WAIT_MS = 10_000

/** Exit codes are errno values (rbd, rados, ceph 16). 39: an image that has snapshots cannot be removed. */
const CODE_BY_EXIT: Readonly<Record<number, ErrorCode>> = {
  2: 'PVC_CEPH_NOT_FOUND',
  16: 'PVC_CEPH_BUSY',
  17: 'PVC_CEPH_EXISTS',
  39: 'PVC_CEPH_BUSY',
  110: 'PVC_CEPH_TIMEOUT',
}

/** Exit code 1 with one of these means that no monitor answered in time. */
const NO_MONITOR = /^timed out$|failed to fetch mon config|authenticate timed out/m

/**
 * Runs one Ceph tool under the configured user.
 * @returns its standard output. @throws PvcError PVC_CEPH_*; details.exitCode where there was one
 */
export async function runCephTool(options: CephToolOptions, command: CephCommand): Promise<string> {
  const deadlineMs = command.deadlineMs ?? options.deadlineMs
  const outcome = await options.run({
    file: command.tool,
    args: [...connectionArgs(options, command.tool, deadlineMs), ...command.args],
    deadlineMs,
    ...(command.signal === undefined ? {} : { signal: command.signal }),
  })
  if (outcome.kind === 'exited' && outcome.exitCode === 0) return outcome.stdout
  throw cephError(command, deadlineMs, outcome)
}

function connectionArgs(options: CephToolOptions, tool: CephCommand['tool'], deadlineMs: number): readonly string[] {
  const waitS = String(Math.max(1, Math.floor(Math.min(deadlineMs, MAX_WAIT_MS) / 1000) - 1))
  const who = ['--id', options.user, '--conf', options.configFile]
  if (tool === 'ceph') return [...who, '--connect-timeout', waitS]
  // Without these a tool waits for ever on a dead monitor or a frozen OSD.
  return [...who, `--client_mount_timeout=${waitS}`, `--rados_osd_op_timeout=${waitS}`]
}

/** Why a command of a Ceph tool failed, as an error with the code that its exit code stands for. */
export function cephError(
  command: { readonly tool: string; readonly what: string },
  deadlineMs: number,
  outcome: CommandOutcome,
): PvcError {
  const what = `${command.what} failed`
  switch (outcome.kind) {
    case 'not-started':
      return new PvcError('PVC_CEPH_FAILED', `${what}: ${command.tool} could not be started`, { cause: outcome.error })
    case 'timeout':
      return new PvcError('PVC_CEPH_TIMEOUT', `${what}: ${command.tool} did not end within ${deadlineMs} ms`)
    case 'aborted':
      return new PvcError('PVC_CEPH_TIMEOUT', `${what}: ${command.tool} was told to stop`)
    case 'too-much-output':
      return new PvcError('PVC_CEPH_FAILED', `${what}: ${command.tool} printed too much`)
    case 'signalled':
      return new PvcError('PVC_CEPH_FAILED', `${what}: ${command.tool} died of ${outcome.signal}`)
    case 'exited': {
      const isDead = outcome.exitCode === 1 && NO_MONITOR.test(outcome.stderr)
      const code = isDead ? 'PVC_CEPH_TIMEOUT' : (CODE_BY_EXIT[outcome.exitCode] ?? 'PVC_CEPH_FAILED')
      const message = `${what}: ${toolMessage(outcome.stderr) || `exit code ${outcome.exitCode}`}`
      return new PvcError(code, message, { details: { exitCode: outcome.exitCode } })
    }
  }
}

const LOG_PREFIX = /\d{4}-\d\d-\d\dT\S+ [0-9a-f]+ +-?\d+ /
const MAX_MESSAGE = 400

/** What a tool said went wrong, in one line: its own words without the log lines of its libraries. */
export function toolMessage(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const own = lines.filter((line) => !new RegExp(`^${LOG_PREFIX.source}`).test(line))
  const chosen = own.length > 0 ? own : lines.slice(-1)
  return chosen
    .map((line) => line.replace(LOG_PREFIX, ''))
    .join(' ')
    .slice(0, MAX_MESSAGE)
}
