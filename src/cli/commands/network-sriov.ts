import { type Command, Option } from 'commander'
import { usageFailure } from '../failure.ts'
import { formatPfList, formatVfInfo, formatVfList } from '../output/sriov-view.ts'
import { single } from '../vm-fetch.ts'
import { addGroup, formatOption, integerParser, type OpenSession } from './options.ts'

/** `pvc network sriov …`. */
export function addSriovCommands(network: Command, open: OpenSession): void {
  const sriov = addGroup(network, 'sriov', 'Manage SR-IOV functions of network cards.')
  const pf = addGroup(sriov, 'pf', 'View cards (physical functions).')
  addPfList(pf, open)
  const vf = addGroup(sriov, 'vf', 'Manage virtual functions, which guests can be given.')
  addVfList(vf, open)
  addVfInfo(vf, open)
  addVfSet(vf, open)
}

function addPfList(pf: Command, open: OpenSession): void {
  pf.command('list')
    .summary('List the cards of a node.')
    .description(
      'List the cards of NODE with their virtual functions. Cards are named in its configuration, network.sriov.',
    )
    .argument('<node>', 'name of the node')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (node: string, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const pfs = await api.call('sriovPfListOfNode', { node })
      session.show(options.format, pfs, {
        pretty: () => formatPfList(pfs, session.palette),
        raw: () => pfs.map(({ phy }) => phy).join('\n'),
      })
    })
}

function addVfList(vf: Command, open: OpenSession): void {
  vf.command('list')
    .summary('List virtual functions of a node.')
    .description('List the virtual functions of NODE, or of its card PF.')
    .argument('<node>', 'name of the node')
    .argument('[pf]', 'device of the card')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (node: string, pf: string | undefined, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const vfs = await api.call('sriovVfListOfNode', { node, pf })
      session.show(options.format, vfs, {
        pretty: () => formatVfList(vfs, session.palette),
        raw: () => vfs.map(({ phy }) => phy).join('\n'),
      })
    })
}

function addVfInfo(vf: Command, open: OpenSession): void {
  vf.command('info')
    .summary('Show a virtual function.')
    .description('Show how the virtual function VF of NODE is set up, and which VM uses it.')
    .argument('<node>', 'name of the node')
    .argument('<vf>', 'name of the virtual function')
    .addOption(formatOption('pretty', 'json', 'json-pretty'))
    .action(async (node: string, name: string, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const found = single(await api.call('sriovVfInfo', { node, vf: name }), 'VF')
      session.show(options.format, found, { pretty: () => formatVfInfo(found, session.palette) })
    })
}

type SetOptions = {
  readonly vlanId?: number
  readonly qosPrio?: number
  readonly txMin?: number
  readonly txMax?: number
  readonly linkState?: string
  readonly spoofCheck?: boolean
  readonly trust?: boolean
  readonly queryRss?: boolean
}

const rate = integerParser(0, 1_000_000)

function addVfSet(vf: Command, open: OpenSession): void {
  vf.command('set')
    .summary('Set a virtual function up.')
    .description(
      'Change what is given of the virtual function VF of NODE, also while a guest has it. Give at least one option.',
    )
    .argument('<node>', 'name of the node')
    .argument('<vf>', 'name of the virtual function')
    .option('--vlan-id <id>', 'VLAN of its frames; 0: none, the tags of the guest pass.', integerParser(0, 4094))
    .option('--qos-prio <priority>', 'Priority of its frames in that VLAN, 0 to 7.', integerParser(0, 7))
    .option('--tx-min <mbit>', 'Mbit/s that it may send at least; 0: nothing is kept for it.', rate)
    .option('--tx-max <mbit>', 'Mbit/s that it may send at most; 0: no limit.', rate)
    .addOption(
      new Option('--link-state <state>', 'Link that the guest sees: that of the card, up, or down.').choices([
        'auto',
        'enable',
        'disable',
      ]),
    )
    .option('--spoof-check', 'Drop what the guest sends with another MAC than its own.')
    .option('--no-spoof-check', 'Do not.')
    .option('--trust', 'Let the guest change its MAC and ask for all frames.')
    .option('--no-trust', 'Do not.')
    .option('--query-rss', 'Let the guest read how the card spreads its frames over queues.')
    .option('--no-query-rss', 'Do not.')
    .action(async (node: string, name: string, options: SetOptions) => {
      if (Object.keys(options).length === 0) throw usageFailure('At least one option must be specified to update.')
      const session = open()
      const api = await session.connect()
      const { message } = await api.call('sriovVfSet', {
        node,
        vf: name,
        vlan_id: options.vlanId,
        vlan_qos: options.qosPrio,
        tx_rate_min: options.txMin,
        tx_rate_max: options.txMax,
        link_state: options.linkState,
        spoof_check: options.spoofCheck,
        trust: options.trust,
        query_rss: options.queryRss,
      })
      session.print(message)
    })
}
