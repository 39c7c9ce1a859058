import { type Command, Option } from 'commander'
import { MAX_CONSOLE_LINES } from '../../model/console-limits.ts'
import { readDefinition } from '../definition.ts'
import { usageFailure } from '../failure.ts'
import { formatCandidates } from '../output/decision-view.ts'
import { readTextFile } from '../text-file.ts'
import { addAutostartOptions, collect, integerParser, type OpenSession, yesOption } from './options.ts'

const SELECTORS = ['mem', 'memprov', 'load', 'vcpus', 'vms', 'none']
const METHODS = ['none', 'live', 'shutdown']
const parseDowntime = integerParser(1, 600_000)

/** `--priority` and `--group`. */
function addOrderOptions(command: Command): Command {
  return command
    .option(
      '--priority <number>',
      'Who goes first when VMs wait for each other: 0 to 100, the highest first.',
      parsePriority,
    )
    .option('--group <name>', 'VMs of one group are kept on different nodes where possible; empty for none.')
    .option(
      '--console-lines <lines>',
      'Lines kept of its console; 0 for none, -1 for what the node is configured to.',
      parseConsoleLines,
    )
}

/** Also -1. */
function parseConsoleLines(text: string): number {
  return text === '-1' ? -1 : integerParser(0, MAX_CONSOLE_LINES)(text)
}

const parsePriority = integerParser(0, 100)

const SELECTOR_HELP = `
Selectors: mem (most free memory), memprov (least memory provisioned to VMs), vcpus (fewest vCPUs allocated),
load (lowest load average), vms (fewest VMs), none (the default of the cluster).

The maximum downtime of a live migration, in milliseconds, need only be raised for very busy VMs.`

type MetaOptions = {
  readonly limit?: string
  readonly nodeSelector?: string
  readonly autostart?: boolean
  readonly method?: string
  readonly maxDowntime?: number
  readonly priority?: number
  readonly group?: string
  readonly consoleLines?: number
}

type ChangeOptions = MetaOptions & { readonly profile?: string; readonly userData?: string }

type DefineOptions = MetaOptions & {
  readonly target?: string
  readonly tag?: readonly string[]
  readonly protectedTag?: readonly string[]
  readonly dryRun: boolean
}

/** `vm define`, `vm meta`, `vm undefine`, `vm remove`. */
export function addVmDefinitionCommands(vm: Command, open: OpenSession): void {
  addDefine(vm, open)
  addMeta(vm, open)
  addUndefine(vm, open)
  addRemove(vm, open)
}

function addDefine(vm: Command, open: OpenSession): void {
  const command = vm
    .command('define')
    .summary('Define a new VM from libvirt XML.')
    .description('Define a new VM from the libvirt XML in FILE (- for standard input). It is not started.')
    .argument('<file>', 'libvirt XML')
    .option('-t, --target <node>', 'Home node of the VM; chosen by the selector if not given.')
    .option('-l, --limit <nodes>', 'Nodes the VM may run on, separated by commas.')
    .addOption(new Option('-s, --node-selector <selector>', 'How a node is chosen.').choices(SELECTORS).default('none'))
  addAutostartOptions(command, false)
    .addOption(new Option('-m, --method <method>', 'Preferred migration method.').choices(METHODS).default('none'))
    .option('-d, --max-downtime <ms>', 'Longest pause of a live migration.', parseDowntime, 300)
    .option('-g, --tag <tag>', 'Tag of the VM; may be repeated.', collect)
    .option('-G, --protected-tag <tag>', 'Protected tag of the VM; may be repeated.', collect)
  addOrderOptions(command)
    .option('--dry-run', 'Say where the VM would be defined and why, and do nothing.', false)
    .addHelpText('after', SELECTOR_HELP)
    .action(async (file: string, options: DefineOptions) => {
      const session = open()
      const xml = await readTextFile(session.host, file)
      readDefinition(xml)
      const api = await session.connect()
      const {
        message,
        decision,
        warnings = [],
      } = await api.call('vmDefine', {
        node: options.target,
        limit: options.limit,
        selector: options.nodeSelector,
        autostart: options.autostart,
        migration_method: options.method,
        migration_max_downtime: options.maxDowntime,
        user_tags: options.tag,
        protected_tags: options.protectedTag,
        start_priority: options.priority,
        anti_affinity_group: options.group,
        console_lines: options.consoleLines,
        ...(options.dryRun ? { dry_run: true } : {}),
        xml,
      })
      session.print(message)
      for (const warning of warnings) session.note(`Warning: ${warning}`)
      if (options.dryRun && decision) session.print(`\n${formatCandidates(decision, session.palette)}`)
    })
}

function addMeta(vm: Command, open: OpenSession): void {
  const command = vm
    .command('meta')
    .summary('Change where and how a VM may run.')
    .description('Change the PVC metadata of VM. Only what is given is changed; give at least one option.')
    .argument('<vm>', 'name or UUID of the VM')
    .option('-l, --limit <nodes>', 'Nodes the VM may run on, separated by commas; empty for any node.')
    .addOption(new Option('-s, --node-selector <selector>', 'How a node is chosen.').choices(SELECTORS))
  addAutostartOptions(command)
    .addOption(new Option('-m, --method <method>', 'Preferred migration method.').choices(METHODS))
    .option('-d, --max-downtime <ms>', 'Longest pause of a live migration.', parseDowntime)
    .option('-p, --profile <profile>', 'Provisioner profile of the VM.')
    .option(
      '--user-data <file>',
      'What cloud-init in the guest is to read (- for standard input; an empty file for what its profile has).',
    )
  addOrderOptions(command)
    .addHelpText('after', SELECTOR_HELP)
    .action(async (name: string, options: ChangeOptions) => {
      const session = open()
      const changes = {
        user_data: options.userData === undefined ? undefined : await readTextFile(session.host, options.userData),
        limit: options.limit,
        selector: options.nodeSelector,
        autostart: options.autostart,
        migration_method: options.method,
        migration_max_downtime: options.maxDowntime,
        profile: options.profile,
        start_priority: options.priority,
        anti_affinity_group: options.group,
        console_lines: options.consoleLines,
      }
      if (Object.values(changes).every((value) => value === undefined)) {
        throw usageFailure('At least one metadata option must be specified to update.')
      }
      const api = await session.connect()
      const { message } = await api.call('vmSetMeta', { vm: name, ...changes })
      session.print(message)
    })
}

function addUndefine(vm: Command, open: OpenSession): void {
  vm.command('undefine')
    .summary('Remove the definition of a VM.')
    .description('Stop VM and remove its definition; its volumes are kept.')
    .argument('<vm>', 'name or UUID of the VM')
    .addOption(yesOption())
    .action(async (name: string, options: { readonly yes: boolean }) => {
      const session = open()
      const api = await session.connect()
      await session.confirm(`Remove definition of VM "${name}"`, options.yes)
      const { message } = await api.call('vmDelete', { vm: name, delete_disks: false })
      session.print(message)
    })
}

function addRemove(vm: Command, open: OpenSession): void {
  vm.command('remove')
    .summary('Remove a VM and its volumes.')
    .description('Stop VM and remove its definition and all its volumes. What was on them is lost.')
    .argument('<vm>', 'name or UUID of the VM')
    .addOption(yesOption())
    .action(async (name: string, options: { readonly yes: boolean }) => {
      const session = open()
      const api = await session.connect()
      await session.confirm(`Remove VM "${name}" and all its volumes`, options.yes)
      const { message } = await api.call('vmDelete', { vm: name, delete_disks: true })
      session.print(message)
    })
}
