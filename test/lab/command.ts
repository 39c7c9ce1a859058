/** Running commands for the lab: bounded, with the whole story in the error. */
import { execa } from 'execa'

/** How a command is run. */
export type RunOptions = {
  /** Deadline in ms; default 60 s. The command is then killed with everything it started. */
  timeoutMs?: number
  /** Text for its standard input. */
  input?: string
  /** A non-zero exit is a result, not an error. */
  allowFailure?: boolean
  /** Added to the small fixed environment. */
  env?: Record<string, string>
}

/** What a command left behind. Exit code 124 or 137: it was stopped at its deadline. */
export type RunResult = { stdout: string; stderr: string; exitCode: number }

/** A command failed or overran; message holds argv, exit code and the end of its output. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly result: RunResult
  constructor(argv: readonly string[], result: RunResult) {
    const said = `${result.stderr}\n${result.stdout}`.trim().slice(-1500)
    super(`${argv.join(' ')}: exit ${result.exitCode}${said === '' ? '' : `\n${said}`}`)
    this.result = result
  }
}

/** The environment of everything in the lab: nothing of the caller's, so runs do not depend on who starts them. */
export const baseEnv: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
}

/**
 * Runs argv behind `prefix` (the nsenter words that lead into a namespace).
 * @throws CommandError on a non-zero exit, unless allowed
 */
export async function run(
  prefix: readonly string[],
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const timeoutMs = options.timeoutMs ?? 60_000
  // The deadline is kept inside the namespace: killing nsenter from outside would leave its child running.
  const bounded = [...prefix, 'timeout', '-k', '1', String(timeoutMs / 1000), ...argv]
  const [file = '', ...args] = bounded
  const child = await execa(file, args, {
    reject: false,
    extendEnv: false,
    stripFinalNewline: false,
    env: { ...baseEnv, ...options.env },
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    timeout: timeoutMs + 5000,
    maxBuffer: 64 * 1024 * 1024,
  })
  const result = { stdout: child.stdout, stderr: child.stderr, exitCode: child.exitCode ?? 137 }
  if (result.exitCode !== 0 && options.allowFailure !== true) throw new CommandError(argv, result)
  return result
}
