import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { ApiClient } from '../client.ts'
import { readableDefinition } from '../definition.ts'
import { CommandFailure, systemErrorCode } from '../failure.ts'
import {
  formatVmInfo,
  formatVmList,
  type KnownNetworks,
  knownNetworks,
  missingNetworkWarning,
} from '../output/vm-view.ts'
import { fetchVm } from '../vm-fetch.ts'
import { formatOption, type OpenSession } from './options.ts'

type ListOptions = {
  readonly target?: string
  readonly state?: string
  readonly tag?: string
  readonly negate: boolean
  readonly format: string
}

/** `vm list`, `vm info`, `vm dump`. */
export function addVmViewCommands(vm: Command, open: OpenSession): void {
  addList(vm, open)
  addInfo(vm, open)
  addDump(vm, open)
}

/** Networks that exist, to mark those that do not. Only a decoration: when it cannot be had, nothing is marked. */
async function fetchNetworks(api: ApiClient): Promise<KnownNetworks> {
  try {
    return knownNetworks(await api.call('networkList', {}))
  } catch (error) {
    if (error instanceof CommandFailure) return undefined
    throw error
  }
}

function addList(vm: Command, open: OpenSession): void {
  vm.command('list')
    .summary('List all VMs.')
    .description('List all VMs, or those whose name or UUID matches the regular expression LIMIT.')
    .argument('[limit]', 'regular expression')
    .option('-t, --target <node>', 'Only VMs on this node.')
    .option('-s, --state <state>', 'Only VMs in this state.')
    .option('-g, --tag <tag>', 'Only VMs with this tag.')
    .option('-n, --negate', 'Turn the node, state and tag filters round.', false)
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (limit: string | undefined, options: ListOptions) => {
      const session = open()
      const api = await session.connect()
      const vms = await api.call('vmList', {
        limit,
        node: options.target,
        state: options.state,
        tag: options.tag,
        negate: options.negate,
      })
      const known = options.format === 'pretty' ? await fetchNetworks(api) : undefined
      session.show(options.format, vms, {
        pretty: () => formatVmList(vms, known, session.palette),
        raw: () => vms.map((each) => each.name).join('\n'),
      })
      const warning = missingNetworkWarning(vms, known)
      if (warning !== undefined) session.note(session.palette.red(warning))
    })
}

function addInfo(vm: Command, open: OpenSession): void {
  vm.command('info')
    .summary('Show details of a VM.')
    .description('Show details of VM, which is a name or UUID.')
    .argument('<vm>', 'name or UUID of the VM')
    .addOption(formatOption('pretty', 'long', 'json', 'json-pretty'))
    .action(async (name: string, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const found = await fetchVm(api, name)
      const known = options.format.startsWith('json') ? undefined : await fetchNetworks(api)
      session.show(options.format, found, {
        pretty: () => formatVmInfo(found, false, known, session.palette),
        long: () => formatVmInfo(found, true, known, session.palette),
      })
    })
}

function addDump(vm: Command, open: OpenSession): void {
  vm.command('dump')
    .summary('Print the libvirt XML of a VM.')
    .description('Print the libvirt XML definition of VM, or write it to a file.')
    .argument('<vm>', 'name or UUID of the VM')
    .option('-f, --file <file>', 'Write the XML to this file.')
    .action(async (name: string, options: { readonly file?: string }) => {
      const session = open()
      const api = await session.connect()
      const xml = readableDefinition((await fetchVm(api, name)).xml)
      if (options.file === undefined) return session.print(xml)
      await writeText(options.file, `${xml}\n`)
      session.print(`VM XML written to "${options.file}".`)
    })
}

async function writeText(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text)
  } catch (error) {
    throw new CommandFailure(`The file "${file}" cannot be written (${systemErrorCode(error)}).`, 1, error)
  }
}
