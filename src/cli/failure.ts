/** Exit codes of `pvc`, as scripts know them. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Ends a command with a sentence for a person: what went wrong and what to do about it. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode
  constructor(message: string, exitCode: ExitCode = EXIT.failed, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'CommandFailure'
    this.exitCode = exitCode
  }
}

/** A wrong way to call a command (exit code 2). */
export function usageFailure(message: string): CommandFailure {
  return new CommandFailure(message, EXIT.usage)
}

/** Code of a system error such as ENOENT; empty for any other value. */
export function systemErrorCode(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}
