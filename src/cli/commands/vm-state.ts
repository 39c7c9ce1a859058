import type { Command } from 'commander'
import type { VM_ACTIONS } from '../../contract/vm.ts'
import { fetchVm } from '../vm-fetch.ts'
import { waitForVm } from '../vm-wait.ts'
import { addWaitOptions, type OpenSession, yesOption } from './options.ts'

type VmAction = (typeof VM_ACTIONS)[number]

type StateCommand = {
  readonly action: VmAction
  readonly summary: string
  readonly description: string
  /** Question to confirm; undefined when the command asks nothing. */
  readonly question?: (name: string) => string
  /** Meaning of --force; undefined when the command has none. */
  readonly force?: string
  /** State the VM ends in. */
  readonly ends: string
  /** What is said when the wait is over. */
  readonly done: (name: string) => string
}

const COMMANDS: readonly StateCommand[] = [
  {
    action: 'start',
    summary: 'Start a VM.',
    description: 'Start VM on its node.',
    force: 'Start the VM even if it is a mirror of another cluster.',
    ends: 'start',
    done: (name) => `Started VM "${name}".`,
  },
  {
    action: 'restart',
    summary: 'Restart a running VM.',
    description: 'Shut VM down in an orderly way and start it again.',
    question: (name) => `Restart VM "${name}"`,
    ends: 'start',
    done: (name) => `Restarted VM "${name}".`,
  },
  {
    action: 'shutdown',
    summary: 'Shut down a VM in an orderly way.',
    description: 'Ask the guest of VM to shut down; it is stopped by force when its shutdown time is over.',
    question: (name) => `Shut down VM "${name}"`,
    ends: 'stop',
    done: (name) => `Shut down VM "${name}".`,
  },
  {
    action: 'stop',
    summary: 'Stop a VM by force.',
    description: 'Stop VM at once, as pulling the power cord would.',
    question: (name) => `Forcibly stop VM "${name}"`,
    force: 'Stop the VM even if it is a mirror of another cluster.',
    ends: 'stop',
    done: (name) => `Stopped VM "${name}".`,
  },
  {
    action: 'disable',
    summary: 'Shut down a VM and mark it as disabled.',
    description: 'Shut VM down and mark it as disabled: a VM that stays off on purpose and does not lower the health.',
    question: (name) => `Shut down and disable VM "${name}"`,
    force: 'Stop the VM by force instead of shutting it down.',
    ends: 'disable',
    done: (name) => `Disabled VM "${name}".`,
  },
]

type StateOptions = {
  readonly yes?: boolean
  readonly force?: boolean
  readonly wait: boolean
  readonly timeout: number
}

/** `vm start`, `restart`, `shutdown`, `stop`, `disable`. */
export function addVmStateCommands(vm: Command, open: OpenSession): void {
  for (const command of COMMANDS) addStateCommand(vm, open, command)
}

function addStateCommand(vm: Command, open: OpenSession, spec: StateCommand): void {
  const command = vm
    .command(spec.action)
    .summary(spec.summary)
    .description(spec.description)
    .argument('<vm>', 'name or UUID of the VM')
  if (spec.force !== undefined) command.option('--force', spec.force, false)
  if (spec.question) command.addOption(yesOption())
  addWaitOptions(command, spec.action)
  command.action(async (name: string, options: StateOptions) => {
    const session = open()
    const api = await session.connect()
    if (spec.question) await session.confirm(spec.question(name), options.yes === true)
    const before = options.wait ? await fetchVm(api, name) : undefined
    const { message } = await api.call('vmSetState', {
      vm: name,
      state: spec.action,
      force: options.force === true,
      wait: false,
    })
    session.print(message)
    if (!before) return
    const goal = { action: spec.action, state: spec.ends, versionBefore: before.version }
    await waitForVm(session, api, name, goal, options.timeout * 1000)
    session.print(spec.done(before.name))
  })
}
