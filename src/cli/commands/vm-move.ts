import { type Command, Option } from 'commander'
import type { VM_MOVES } from '../../contract/vm-move.ts'
import { usageFailure } from '../failure.ts'
import { formatCandidates, formatDecisions } from '../output/decision-view.ts'
import { formatMoment } from '../output/quantity.ts'
import { waitForCancel, waitForMove } from '../vm-move-wait.ts'
import { addWaitOptions, formatOption, integerParser, type OpenSession } from './options.ts'

type MoveAction = (typeof VM_MOVES)[number]

type MoveCommand = {
  readonly action: MoveAction
  readonly summary: string
  readonly description: string
  readonly hasTarget: boolean
  /** What is said when the wait is over. */
  readonly done: (name: string, node: string) => string
}

const COMMANDS: readonly MoveCommand[] = [
  {
    action: 'move',
    summary: 'Move a VM to another node for good.',
    description: 'Move VM to another node for good: it becomes its home. A VM that is off is only placed there.',
    hasTarget: true,
    done: (name, node) => `Permanently migrated VM "${name}" to node ${node}`,
  },
  {
    action: 'migrate',
    summary: 'Migrate a VM to another node for a time.',
    description:
      'Migrate VM to another node for a time: it returns home by "unmigrate", or when its home node becomes ready again.',
    hasTarget: true,
    done: (name, node) => `Migrated VM "${name}" to node ${node}`,
  },
  {
    action: 'unmigrate',
    summary: 'Bring a migrated VM home.',
    description: 'Bring a migrated VM back to its home node.',
    hasTarget: false,
    done: (name, node) => `Unmigrated VM "${name}" back to node ${node}`,
  },
]

/** Copying much memory takes longer than a start. */
const WAIT_S = 3600

type MoveOptions = {
  readonly target?: string
  readonly force: boolean
  readonly forceLive: boolean
  readonly dryRun: boolean
  readonly cancel: boolean
  readonly bandwidth?: number
  readonly autoConverge?: boolean
  readonly parallel?: number
  readonly wait: boolean
  readonly timeout: number
}

/** `vm move`, `vm migrate`, `vm unmigrate`, `vm why`. */
export function addVmMoveCommands(vm: Command, open: OpenSession): void {
  for (const command of COMMANDS) addMoveCommand(vm, open, command)
  addWhy(vm, open)
}

function addMoveCommand(vm: Command, open: OpenSession, spec: MoveCommand): void {
  const command = vm
    .command(spec.action)
    .summary(spec.summary)
    .description(spec.description)
    .argument('<vm>', 'name or UUID of the VM')
  if (spec.hasTarget) command.option('-t, --target <node>', 'Where to; chosen by the selector if not given.')
  addWaitOptions(command, spec.action, WAIT_S)
    .option(
      '-f, --force',
      'Supersede a move under way; migrate on although migrated already, with the same home.',
      false,
    )
    .option('--force-live', 'Never shut the VM down for it; fail instead.', false)
    .option('--dry-run', 'Say where the VM would go and why, and do nothing.', false)
    .option('--cancel', 'Take back the move under way; the VM stays where it runs.', false)
    .option('--bandwidth <mib>', 'MiB per second the copy may take of the network.', integerParser(1, 1_000_000))
    .addOption(new Option('--auto-converge', 'Slow the guest down when its copy would not end otherwise.'))
    .option('--no-auto-converge', 'Do not.')
    .option('--parallel <streams>', 'Streams of the copy.', integerParser(1, 16))
    .action((name: string, options: MoveOptions) => runMove(open, spec, name, options))
}

/** The recorded client sends these in small letters, others with a capital. */
const word = (value: boolean): string => String(value)

async function runMove(open: OpenSession, spec: MoveCommand, name: string, options: MoveOptions): Promise<void> {
  if (options.cancel && (options.dryRun || options.target !== undefined))
    throw usageFailure('With --cancel there is nothing else to say.')
  const session = open()
  const api = await session.connect()
  const answer = await api.call('vmMove', {
    vm: name,
    node: options.target,
    action: spec.action,
    force: word(options.force),
    wait: word(false),
    force_live: word(options.forceLive),
    bandwidth: options.bandwidth,
    auto_converge: options.autoConverge,
    parallel: options.parallel,
    ...(options.dryRun ? { dry_run: true } : {}),
    ...(options.cancel ? { cancel: true } : {}),
  })
  session.print(answer.message)
  if (options.dryRun) {
    if (answer.decision) session.print(`\n${formatCandidates(answer.decision, session.palette)}`)
    return
  }
  const timeoutMs = options.timeout * 1000
  if (!options.wait || (!options.cancel && answer.order === '')) return
  if (options.cancel) return await waitForCancel(session, api, name, timeoutMs)
  const { clock } = session.host
  const startMs = clock.nowMs()
  const goal = {
    action: spec.action,
    node: answer.node ?? options.target,
    version: answer.version,
    order: answer.order,
  }
  await waitForMove(session, api, name, goal, timeoutMs)
  const where = goal.node ?? 'another'
  session.print(`${spec.done(name, where)} in ${formatMoment(clock.nowMs() - startMs)}.`)
}

function addWhy(vm: Command, open: OpenSession): void {
  vm.command('why')
    .summary('Show why a VM is on its node.')
    .description('Show the latest automatic choices of a node for VM, newest first, and why each node won or lost.')
    .argument('<vm>', 'name or UUID of the VM')
    .option('--last <count>', 'How many choices to show.', integerParser(1, 20), 1)
    .addOption(formatOption('pretty', 'json', 'json-pretty'))
    .action(async (name: string, options: { readonly last: number; readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const answer = await api.call('vmDecisions', { vm: name, last: options.last })
      session.show(options.format, answer, {
        pretty: () => formatDecisions(answer.name, answer.decisions, session.palette),
      })
    })
}
