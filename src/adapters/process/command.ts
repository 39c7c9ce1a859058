import { execa } from 'execa'

/** One run of an external program: argv as an array, no shell, always a deadline. */
export type Command = {
  readonly file: string
  readonly args: readonly string[]
  /** SIGKILL to the program after this time. */
  readonly deadlineMs: number
  /** Added to a minimal environment. Secrets go here or into `input`, never into `args`. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Buffer
  /** Each of stdout and stderr may be this long; more ends the program. Default 16 MiB. */
  readonly maxOutputBytes?: number
  /** Aborting it kills the program, e.g. when a lease ended. */
  readonly signal?: AbortSignal
  /** Its children die with it at the deadline and by `signal`: for programs of others, such as scripts. */
  readonly isGroup?: boolean
}

type Output = { readonly stdout: string; readonly stderr: string; readonly durationMs: number }

/**
 * How a run ended. A timeout or an abort says nothing about the effect: the program may have sent its request already.
 */
export type CommandOutcome =
  | ({ readonly kind: 'exited'; readonly exitCode: number } & Output)
  | ({ readonly kind: 'signalled'; readonly signal: string } & Output)
  | ({ readonly kind: 'timeout' } & Output)
  | ({ readonly kind: 'aborted' } & Output)
  | ({ readonly kind: 'too-much-output' } & Output)
  | { readonly kind: 'not-started'; readonly error: Error }

/** Runs a command; see {@link runCommand}. A parameter of adapters, so that tests can answer with captured output. */
export type RunCommand = (command: Command) => Promise<CommandOutcome>

const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024

/** A killed program's child may hold its pipes open; the wait for them is bounded by this. */
const PIPE_GRACE_MS = 500

/** Runs a program to its end or its deadline. Never throws and never rejects: every end is an outcome. */
export const runCommand: RunCommand = async (command) => {
  const maxBytes = command.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES
  const subprocess = execa(command.file, [...command.args], {
    reject: false,
    timeout: command.deadlineMs,
    killSignal: 'SIGKILL',
    forceKillAfterDelay: false,
    // execa counts characters; a character is at least one byte, so this bounds memory as well.
    maxBuffer: { stdout: maxBytes, stderr: maxBytes },
    stripFinalNewline: false,
    extendEnv: false,
    env: { ...minimalEnvironment(), ...command.env },
    ...(command.input === undefined ? { stdin: 'ignore' as const } : { input: command.input }),
    ...(command.signal === undefined ? {} : { cancelSignal: command.signal }),
    detached: command.isGroup === true,
  })
  const release = releasePipes(subprocess, command)
  const releaseGroup = boundGroup(subprocess.pid, command)
  try {
    const outcome = outcomeOf(await subprocess)
    if (command.isGroup === true && outcome.kind === 'too-much-output') killGroup(subprocess.pid)
    return outcome
  } finally {
    release()
    releaseGroup()
  }
}

/** Locale C, so that messages and numbers do not change with the machine. */
function minimalEnvironment(): Record<string, string> {
  const path = process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  return { PATH: path, LC_ALL: 'C', HOME: process.env['HOME'] ?? '/root' }
}

type Pipes = { readonly stdout: { destroy(): void } | null; readonly stderr: { destroy(): void } | null }

/** Lets go of the pipes some time after the program was killed, so that a deadline holds whoever else has them open. */
function releasePipes(subprocess: Pipes, command: Command): () => void {
  let timer: NodeJS.Timeout | undefined
  const destroy = () => {
    subprocess.stdout?.destroy()
    subprocess.stderr?.destroy()
  }
  const afterAbort = () => {
    clearTimeout(timer)
    timer = setTimeout(destroy, PIPE_GRACE_MS)
  }
  timer = setTimeout(destroy, command.deadlineMs + PIPE_GRACE_MS)
  command.signal?.addEventListener('abort', afterAbort, { once: true })
  return () => {
    clearTimeout(timer)
    command.signal?.removeEventListener('abort', afterAbort)
  }
}

/** Kills a process group; it keeps its number while any member lives. */
function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Kills the group at the deadline or abort, not waiting for pipes that its members hold open. */
function boundGroup(pid: number | undefined, command: Command): () => void {
  if (command.isGroup !== true) return () => undefined
  const kill = () => killGroup(pid)
  const timer = setTimeout(kill, command.deadlineMs)
  command.signal?.addEventListener('abort', kill, { once: true })
  return () => {
    clearTimeout(timer)
    command.signal?.removeEventListener('abort', kill)
  }
}

type Result = {
  readonly stdout?: unknown
  readonly stderr?: unknown
  readonly durationMs: number
  readonly timedOut: boolean
  readonly isCanceled: boolean
  readonly isMaxBuffer: boolean
  readonly exitCode?: number | undefined
  readonly signal?: string | undefined
  readonly cause?: unknown
}

function outcomeOf(result: Result): CommandOutcome {
  const output: Output = { stdout: text(result.stdout), stderr: text(result.stderr), durationMs: result.durationMs }
  if (result.timedOut) return { kind: 'timeout', ...output }
  if (result.isCanceled) return { kind: 'aborted', ...output }
  if (result.isMaxBuffer) return { kind: 'too-much-output', ...output }
  if (result.exitCode !== undefined) return { kind: 'exited', exitCode: result.exitCode, ...output }
  if (result.signal !== undefined) return { kind: 'signalled', signal: result.signal, ...output }
  return { kind: 'not-started', error: result.cause instanceof Error ? result.cause : new Error('it did not start') }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
