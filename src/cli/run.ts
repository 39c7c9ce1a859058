import { CommanderError } from 'commander'
import { expandOldNetworkOptions } from './commands/network.ts'
import { expandOldOptions } from './commands/node.ts'
import { CommandFailure, EXIT, type ExitCode } from './failure.ts'
import type { Host } from './host.ts'
import { createProgram, globalOptionsOf } from './program.ts'

/** Name of the hidden command by which shells ask what could come next. */
const COMPLETE_COMMAND = '__complete'

/**
 * Runs `pvc` with the words after its name and returns its exit code. Never throws for what a person did or what a
 * server answered; a bug is thrown.
 */
export async function runPvc(argv: readonly string[], host: Host): Promise<ExitCode> {
  if (argv[0] === COMPLETE_COMMAND) {
    const { printCandidates } = await import('./completion.ts')
    await printCandidates(argv.slice(1), host)
    return EXIT.done
  }
  const program = createProgram(host)
  try {
    await program.parseAsync(expandOldNetworkOptions(expandOldOptions(argv)), { from: 'user' })
    return EXIT.done
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(error)
    if (!(error instanceof CommandFailure)) throw error
    const { silent, debug } = globalOptionsOf(program, host)
    if (!silent && error.message !== '') host.stderr.write(`${error.message}\n`)
    if (!silent && debug && error.cause instanceof Error) host.stderr.write(`Cause: ${error.cause.message}\n`)
    return error.exitCode
  }
}

/** The command-line parser has printed what it had to say; help and version are not errors. */
function usageExit(error: CommanderError): ExitCode {
  return error.code === 'commander.helpDisplayed' || error.code === 'commander.version' ? EXIT.done : EXIT.usage
}
