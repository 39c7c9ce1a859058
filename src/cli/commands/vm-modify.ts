import type { Command } from 'commander'
import type { ApiClient } from '../client.ts'
import { readableDefinition, readDefinition } from '../definition.ts'
import { editText, proposeChange } from '../editor.ts'
import { CommandFailure, usageFailure } from '../failure.ts'
import type { Session } from '../session.ts'
import { readTextFile } from '../text-file.ts'
import { replaceDefinition } from '../vm-definition.ts'
import { fetchVm } from '../vm-fetch.ts'
import { type OpenSession, yesOption } from './options.ts'

type ModifyOptions = {
  readonly editor: boolean
  readonly restart: boolean
  readonly confirmDiff: boolean
  readonly confirmRestart: boolean
  readonly yes: boolean
}

/** `vm modify`. */
export function addVmModifyCommand(vm: Command, open: OpenSession): void {
  vm.command('modify')
    .summary('Change the libvirt XML of a VM.')
    .description(
      'Replace the libvirt XML of VM with that in FILE (- for standard input), or change it in an editor. The difference is shown and must be confirmed.',
    )
    .argument('<vm>', 'name or UUID of the VM')
    .argument('[file]', 'libvirt XML')
    .option('-e, --editor', 'Change the present XML in VISUAL, EDITOR or vi.', false)
    .option('-r, --restart', 'Restart the VM at once to apply the change.', false)
    .option('-d, --confirm-diff', 'Do not ask whether the difference is right.', false)
    .option('-c, --confirm-restart', 'Do not ask whether to restart.', false)
    .addOption(yesOption())
    .action(async (name: string, file: string | undefined, options: ModifyOptions) => {
      if (options.editor === (file !== undefined)) {
        throw usageFailure('Either an XML file or the "--editor" option must be specified.')
      }
      const session = open()
      const input = file === undefined ? undefined : await readTextFile(session.host, file)
      const api = await session.connect()
      if (input !== undefined) session.print(`Replacing configuration of VM "${name}" with file "${file}".`)
      await modify(session, api, name, input, options)
    })
}

/** @param input the new text; undefined: whoever is at the terminal edits the present one */
async function modify(
  session: Session,
  api: ApiClient,
  name: string,
  input: string | undefined,
  options: ModifyOptions,
): Promise<void> {
  const vm = await fetchVm(api, name)
  const current = readableDefinition(vm.xml)
  const change = input === undefined ? await editText(session, current, `${name}.xml`) : { text: input }
  const wanted = change.text.trim()
  await proposeChange(session, { current, wanted }, 'file' in change ? change : undefined, async () => {
    readDefinition(wanted)
    await session.confirm('Write modifications to cluster', options.confirmDiff || options.yes)
    const restart = options.restart && (await mayRestart(session, name, options))
    await replaceDefinition(session, api, name, vm, { xml: wanted, restart })
  })
}

/** Like the older client: a no here means that the change is made without the restart. */
async function mayRestart(session: Session, name: string, options: ModifyOptions): Promise<boolean> {
  if (options.confirmRestart || options.yes || session.options.unsafe) return true
  if (session.host.canAsk) return await session.agrees(`Restart VM "${name}"`)
  throw new CommandFailure(
    'Nothing was done: the restart needs a confirmation and there is no terminal to ask on. Add --confirm-restart, or leave out --restart.',
  )
}
