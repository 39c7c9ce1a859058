import { Argument, type Command } from 'commander'
import { completionScript, SHELLS, type Shell } from '../completion-script.ts'
import type { OpenSession } from './options.ts'

/** `pvc completion bash|zsh|fish`. */
export function addCompletionCommand(program: Command, open: OpenSession): void {
  program
    .command('completion')
    .summary('Print a shell completion script.')
    .description(
      'Print a script that completes commands, options and the names of VMs, nodes, pools and connections. In bash: source <(pvc completion bash). In zsh: source <(pvc completion zsh). In fish: pvc completion fish | source.',
    )
    .addArgument(new Argument('<shell>', 'name of the shell').choices(SHELLS))
    .action((shell: Shell) => open().print(completionScript(shell)))
}
