import type { Command } from 'commander'
import { CommandFailure, EXIT } from '../failure.ts'
import { formatNodeInfo, formatNodeList } from '../output/node-view.ts'
import { single } from '../vm-fetch.ts'
import { addNodeLogCommand } from './log.ts'
import { addNodeFenceCommands } from './node-fence.ts'
import { addNodeFenceTest } from './node-fence-test.ts'
import { addNodeFlushCommands } from './node-flush.ts'
import { addNodePrimaryCommands } from './node-primary.ts'
import { addGroup, formatOption, type OpenSession } from './options.ts'

type ListOptions = {
  readonly daemonState?: string
  readonly coordinatorState?: string
  readonly domainState?: string
  readonly format: string
}

/** `pvc node …`. NODE defaults to this machine. */
export function addNodeCommands(program: Command, open: OpenSession, hostname: string): void {
  const node = addGroup(
    program,
    'node',
    'Manage PVC nodes.',
    'Manage and view the state of the nodes of a PVC cluster.',
  )
  addIsPrimary(node, open, hostname)
  addInfo(node, open, hostname)
  addList(node, open)
  addNodePrimaryCommands(node, open, hostname)
  addNodeFlushCommands(node, open, hostname)
  addNodeLogCommand(node, open, hostname)
  addNodeFenceTest(node, open)
  addNodeFenceCommands(node, open)
}

function addIsPrimary(node: Command, open: OpenSession, hostname: string): void {
  node
    .command('is-primary')
    .summary('Check whether a node is primary.')
    .description('Exit with 0 if NODE is the primary coordinator, with 1 otherwise. NODE defaults to this machine.')
    .argument('[node]', 'name of the node')
    .action(async (name: string = hostname) => {
      const session = open()
      const api = await session.connect()
      const { primary_node: primary } = await api.call('primaryNode', {})
      session.note(primary === '' ? 'No node is primary.' : `Node "${primary}" is primary.`)
      // Not a failure to report: the exit code is the answer.
      if (primary !== name) throw new CommandFailure('', EXIT.failed)
    })
}

function addInfo(node: Command, open: OpenSession, hostname: string): void {
  node
    .command('info')
    .summary('Show details of a node.')
    .description('Show details of NODE. NODE defaults to this machine.')
    .argument('[node]', 'name of the node')
    .addOption(formatOption('pretty', 'long', 'json', 'json-pretty'))
    .action(async (name: string = hostname, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const found = single(await api.call('nodeInfo', { node: name }), 'Node')
      session.show(options.format, found, {
        pretty: () => formatNodeInfo(found, false, session.palette),
        long: () => formatNodeInfo(found, true, session.palette),
      })
    })
}

function addList(node: Command, open: OpenSession): void {
  node
    .command('list')
    .summary('List all nodes.')
    .description(
      'List all nodes, or those whose name matches the regular expression LIMIT. The older short forms -ds, -cs and -vs of the state options are accepted too.',
    )
    .argument('[limit]', 'regular expression')
    .option('--daemon-state <state>', 'Only nodes in this daemon state (-ds).')
    .option('--coordinator-state <state>', 'Only nodes in this coordinator state (-cs).')
    .option('--domain-state <state>', 'Only nodes in this domain state (-vs).')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (limit: string | undefined, options: ListOptions) => {
      const session = open()
      const api = await session.connect()
      const nodes = await api.call('nodeList', {
        limit,
        daemon_state: options.daemonState,
        coordinator_state: options.coordinatorState,
        domain_state: options.domainState,
      })
      session.show(options.format, nodes, {
        pretty: () => formatNodeList(nodes, session.palette),
        raw: () => nodes.map((each) => each.name).join('\n'),
      })
    })
}

/** Two-letter short options of older clients, which the command-line parser does not know: they become their long forms. */
const OLD_SHORT_OPTIONS: Readonly<Record<string, string>> = {
  '-ds': '--daemon-state',
  '-cs': '--coordinator-state',
  '-vs': '--domain-state',
}

/** Replaces the two-letter options of `node list`; other commands are left alone. */
export function expandOldOptions(argv: readonly string[]): string[] {
  const at = argv.indexOf('node')
  if (at < 0 || argv[at + 1] !== 'list') return [...argv]
  return argv.map((word, index) => {
    if (index <= at + 1) return word
    const [name = '', ...value] = word.split('=')
    const long = OLD_SHORT_OPTIONS[name]
    return long === undefined ? word : [long, ...value].join('=')
  })
}
