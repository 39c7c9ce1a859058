import type { Command } from 'commander'
import type { Session } from '../session.ts'
import type { OpenSession } from './options.ts'

type ConsoleOptions = { readonly force: boolean }

async function runConsole(session: Session, vm: string, { force }: ConsoleOptions): Promise<void> {
  const api = await session.connect()
  // An ordinary question first: it finds the address that answers, and says in words what is wrong.
  await api.call('vmNode', { vm })
  const { converse, openConsoleSocket } = await import('../console-socket.ts')
  const socket = await openConsoleSocket(api.socketRequest('vmConsoleInteractive', force ? { vm, force } : { vm }))
  session.note(`Connected to the console of VM "${vm}". Press Enter if it is silent; Ctrl-] ends it.`)
  const terminal = session.host.takeTerminal()
  let reason: string
  try {
    reason = await converse(socket, terminal, session.host.clock)
  } finally {
    terminal.restore()
    session.note('')
  }
  session.note(reason)
}

/** `vm console`. */
export function addVmConsoleCommand(vm: Command, open: OpenSession): void {
  vm.command('console')
    .summary("Use a VM's serial console.")
    .description(
      'Connect this terminal to the serial console of VM, until Ctrl-] is pressed. One person at a time; what the guest printed before is shown by "pvc vm log".',
    )
    .argument('<vm>', 'name or UUID of the VM')
    .option('--force', 'Take the console over from whoever uses it.', false)
    .action((name: string, options: ConsoleOptions) => runConsole(open(), name, options))
}
