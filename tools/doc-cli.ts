import type { Command } from 'commander'
import type { Host, TextOutput } from '../src/cli/host.ts'
import { createProgram } from '../src/cli/program.ts'

const help: string[] = []
const silent: TextOutput = { write: () => undefined, isTty: false, columns: 100 }

function unavailable(): never {
  throw new Error('the command page only prints help')
}

/** A host that can show help and nothing else: a page must not depend on the machine it is printed on. */
const host: Host = {
  env: {},
  stdout: { ...silent, write: (text) => void help.push(text) },
  stderr: silent,
  canAsk: false,
  clock: { nowMs: unavailable, wallMs: unavailable, setTimer: unavailable },
  hostname: 'hv1',
  version: 'VERSION',
  readInput: unavailable,
  ask: unavailable,
  onInterrupt: () => () => undefined,
  takeTerminal: unavailable,
  page: unavailable,
  runEditor: unavailable,
  parseYaml: unavailable,
}

/** All that `--help` prints, also what a command adds below its options. */
function helpOf(command: Command): string {
  help.length = 0
  command.outputHelp()
  return help.join('').trimEnd()
}

function sections(command: Command, path: string): string[] {
  const own = ['', `## ${path}`, '', '```text', helpOf(command), '```']
  return [...own, ...command.commands.flatMap((sub) => sections(sub, `${path} ${sub.name()}`))]
}

/** The page of the command line: the help of every command, in the order of the tree. */
export function renderCli(): string {
  const program = createProgram(host)
  return [
    '# The pvc command',
    '',
    'Generated from `src/cli` by `npm run docs`; do not edit. This is what `--help` prints for each command.',
    ...sections(program, 'pvc'),
    '',
  ].join('\n')
}
