import { Command } from 'commander'
import { addClusterCommands } from './commands/cluster.ts'
import { addCompletionCommand } from './commands/completion.ts'
import { addConnectionCommands } from './commands/connection.ts'
import { addNetworkCommands } from './commands/network.ts'
import { addNodeCommands } from './commands/node.ts'
import { addProvisionerCommands } from './commands/provisioner.ts'
import { addStorageCommands } from './commands/storage.ts'
import { addVmCommands } from './commands/vm.ts'
import type { Host } from './host.ts'
import { type GivenOptions, readGlobalOptions, Session } from './session.ts'

const ENVIRONMENT = `
Environment variables:
  PVC_CONNECTION        connection to use, instead of --connection
  PVC_DEBUG             as --debug, when set to 1, true, yes or on
  PVC_QUIET             as --quiet
  PVC_SILENT            as --silent
  PVC_UNSAFE            as --unsafe; use with extreme care
  PVC_COLOUR            as --colour
  NO_COLOR              no colours
  PVC_CLIENT_DIR        directory of the saved connections (default: ~/.config/pvc)
  PVC_CLIENT_DB_PERMS   mode of the file in it (default: 600)
  PVC_CLIENT_VERIFY_SSL set to false to accept any TLS certificate
  PVC_CONFIG_FILE       configuration that leads to the connection "local" (default: /etc/pvc/pvc.yaml)

Without a connection, the one of this machine ("local") is used.

Exit codes: 0 done; 1 refused, failed or not confirmed; 2 wrong use of the command.`

const MAX_HELP_COLUMNS = 120
const DEFAULT_HELP_COLUMNS = 100

/** The whole command tree. Commands open their session only when they run. */
export function createProgram(host: Host): Command {
  const program = new Command('pvc')
  const columns = Math.min(host.stdout.columns || DEFAULT_HELP_COLUMNS, MAX_HELP_COLUMNS)
  program
    .description('Parallel Virtual Cluster CLI management tool')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .helpOption('-h, --help', 'Show this help.')
    .helpCommand(false)
    .showHelpAfterError('Add --help to see what is possible.')
    .version(`Parallel Virtual Cluster CLI client version ${host.version}`, '--version', 'Show the version.')
    .option('-c, --connection <connection>', 'Cluster to connect to.')
    .option('-v, --debug', 'Show every request, its error code, and how long it took.')
    .option('-q, --quiet', 'Suppress information sent to stderr.')
    .option('-s, --silent', 'Suppress information sent to stdout and stderr.')
    .option('-u, --unsafe', 'Perform unsafe operations without confirmation.')
    .option('--colour, --color', 'Force coloured output.')
    .addHelpText('after', ENVIRONMENT)
  const open = () => new Session(host, globalOptionsOf(program, host))
  addNodeCommands(program, open, host.hostname)
  addVmCommands(program, open)
  addNetworkCommands(program, open)
  addStorageCommands(program, open)
  addProvisionerCommands(program, open)
  addClusterCommands(program, open)
  addConnectionCommands(program, open)
  addCompletionCommand(program, open)
  return program
}

/** The global options after parsing. */
export function globalOptionsOf(program: Command, host: Host) {
  const given: GivenOptions & { readonly color?: boolean } = program.opts()
  return readGlobalOptions({ ...given, colour: given.colour ?? given.color }, host.env)
}
