import type { Command } from 'commander'
import type { Vm } from '../../contract/vm.ts'
import { setMemoryMiB, setVcpus, type Topology } from '../definition.ts'
import { usageFailure } from '../failure.ts'
import type { Palette } from '../output/colour.ts'
import {
  formatMemory,
  formatNetworks,
  formatTags,
  formatVcpus,
  formatVolumes,
  memoryFacts,
  networkFacts,
  vcpuFacts,
  volumeFacts,
} from '../output/vm-part-view.ts'
import { editDefinition, type RestartChoice } from '../vm-definition.ts'
import { fetchVm } from '../vm-fetch.ts'
import { addGroup, addRestartOptions, formatOption, integerParser, type OpenSession, yesOption } from './options.ts'

/** `vm vcpu`, `vm memory`, `vm network`, `vm volume`, `vm tag`. */
export function addVmPartCommands(vm: Command, open: OpenSession): void {
  addVcpu(vm, open)
  addMemory(vm, open)
  const network = addGroup(vm, 'network', 'View the networks of a VM.')
  addGet(network, open, 'networks', {
    facts: networkFacts,
    pretty: formatNetworks,
    raw: ({ networks }) => networks.map((each) => each.network).join(','),
  })
  const volume = addGroup(vm, 'volume', 'View the volumes of a VM.')
  addGet(volume, open, 'volumes', {
    facts: volumeFacts,
    pretty: formatVolumes,
    raw: ({ volumes }) => volumes.map((each) => `${each.protocol}:${each.volume}`).join(','),
  })
  addTag(vm, open)
}

type PartView<Facts> = {
  readonly facts: (vm: Vm) => Facts
  readonly pretty: (facts: Facts, palette: Palette) => string
  readonly raw: (facts: Facts) => string
}

function addGet<Facts>(group: Command, open: OpenSession, what: string, view: PartView<Facts>): void {
  group
    .command('get')
    .summary(`Show the ${what} of a VM.`)
    .description(`Show the ${what} of VM.`)
    .argument('<vm>', 'name or UUID of the VM')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (name: string, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const facts = view.facts(await fetchVm(api, name))
      session.show(options.format, facts, {
        pretty: () => view.pretty(facts, session.palette),
        raw: () => view.raw(facts),
      })
    })
}

/** Sockets, cores and threads; without a topology, one socket with a core for each vCPU. */
export function parseTopology(text: string | undefined, vcpus: number): Topology {
  if (text === undefined) return { sockets: 1, cores: vcpus, threads: 1 }
  const match = /^(\d{1,4})[,/](\d{1,4})[,/](\d{1,4})$/.exec(text)
  const [sockets = 0, cores = 0, threads = 0] = (match ?? []).slice(1).map(Number)
  if (sockets * cores * threads !== vcpus) {
    throw usageFailure(`The topology must be SOCKETS,CORES,THREADS with a product of ${vcpus}.`)
  }
  return { sockets, cores, threads }
}

function addVcpu(vm: Command, open: OpenSession): void {
  const vcpu = addGroup(vm, 'vcpu', 'View and change the vCPUs of a VM.')
  addGet(vcpu, open, 'vCPUs', { facts: vcpuFacts, pretty: formatVcpus, raw: (facts) => String(facts.vcpus) })
  const set = vcpu
    .command('set')
    .summary('Set the number of vCPUs of a VM.')
    .description(
      'Set the number of vCPUs of VM. The topology is one socket with a core for each vCPU if none is given.',
    )
    .argument('<vm>', 'name or UUID of the VM')
    .argument('<vcpus>', 'number of vCPUs', integerParser(1, 1024))
    .option('-t, --topology <s,c,t>', 'Sockets, cores per socket and threads per core, e.g. 1,4,2.')
  addRestartOptions(set)
    .addOption(yesOption())
    .action(async (name: string, vcpus: number, options: RestartChoice & { readonly topology?: string }) => {
      const topology = parseTopology(options.topology, vcpus)
      const session = open()
      const api = await session.connect()
      await editDefinition(session, api, name, options, (xml) => setVcpus(xml, vcpus, topology))
    })
}

function addMemory(vm: Command, open: OpenSession): void {
  const memory = addGroup(vm, 'memory', 'View and change the memory of a VM.')
  addGet(memory, open, 'memory', { facts: memoryFacts, pretty: formatMemory, raw: (facts) => String(facts.memory) })
  const set = memory
    .command('set')
    .summary('Set the memory of a VM.')
    .description('Set the memory of VM in MiB.')
    .argument('<vm>', 'name or UUID of the VM')
    .argument('<memory>', 'memory in MiB', integerParser(1, 1024 ** 3))
  addRestartOptions(set)
    .addOption(yesOption())
    .action(async (name: string, memoryMiB: number, options: RestartChoice) => {
      const session = open()
      const api = await session.connect()
      await editDefinition(session, api, name, options, (xml) => setMemoryMiB(xml, memoryMiB))
    })
}

function addTag(vm: Command, open: OpenSession): void {
  const tag = addGroup(vm, 'tag', 'View and change the tags of a VM.')
  tag
    .command('get')
    .summary('Show the tags of a VM.')
    .description('Show the tags of VM.')
    .argument('<vm>', 'name or UUID of the VM')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (name: string, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const answer = await api.call('vmTags', { vm: name })
      session.show(options.format, answer, {
        pretty: () => formatTags(answer.name, answer.tags, session.palette),
        raw: () => answer.tags.map((each) => each.name).join('\n'),
      })
    })
  tag
    .command('add')
    .summary('Add a tag to a VM.')
    .description('Add TAG to VM.')
    .argument('<vm>', 'name or UUID of the VM')
    .argument('<tag>', 'the tag')
    .option('-p, --protected', 'The tag cannot be removed.', false)
    .action((name: string, text: string, options: { readonly protected: boolean }) =>
      editTags(open, name, 'add', text, options.protected),
    )
  tag
    .command('remove')
    .summary('Remove a tag from a VM.')
    .description('Remove TAG from VM. A protected tag stays.')
    .argument('<vm>', 'name or UUID of the VM')
    .argument('<tag>', 'the tag')
    .action((name: string, text: string) => editTags(open, name, 'remove', text, false))
}

async function editTags(
  open: OpenSession,
  vm: string,
  action: string,
  tag: string,
  isProtected: boolean,
): Promise<void> {
  const session = open()
  const api = await session.connect()
  const { message } = await api.call('vmEditTags', { vm, action, tag, protected: isProtected })
  session.print(message)
}
