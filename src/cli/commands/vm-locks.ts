import { type Command, Option } from 'commander'
import type { OpenSession } from './options.ts'

/** `vm flush-locks`. */
export function addVmLocksCommand(vm: Command, open: OpenSession): void {
  vm.command('flush-locks')
    .summary('Break the locks that dead clients left on the volumes of a VM.')
    .description(
      'Break the locks that dead clients of nodes left on the volumes of VM, and shut those clients out of Ceph. Refused while such a client may be alive: then look, and say by --force, in the words that the refusal shows, that nothing writes there. The lock of a client that is no node is never broken.',
    )
    .argument('<vm>', 'name or UUID of the VM')
    .option('--force <sentence>', 'Your word that the client is dead. If it is not, the guest there gets errors.')
    // Scripts for older clients say so: there it was a task to wait for or not, here it is done when it is answered.
    .addOption(new Option('--wait').hideHelp())
    .addOption(new Option('--no-wait').hideHelp())
    .action(async (name: string, options: { readonly force?: string }) => {
      const session = open()
      const api = await session.connect()
      const { message, locks } = await api.call('vmFlushLocks', { vm: name, force: options.force })
      session.print(message)
      for (const { volume, client, node } of locks) session.print(`  ${volume}: ${client} of node ${node}`)
    })
}
