import { type Command, Option } from 'commander'
import { formatNetworkInfo, formatNetworkList } from '../output/network-view.ts'
import { single } from '../vm-fetch.ts'
import { addAclCommands, addDhcpCommands } from './network-part.ts'
import { addSriovCommands } from './network-sriov.ts'
import { addGroup, collect, formatOption, integerParser, type OpenSession, yesOption } from './options.ts'

/** `pvc network …`. */
export function addNetworkCommands(program: Command, open: OpenSession): void {
  const network = addGroup(
    program,
    'network',
    'Manage PVC virtual networks.',
    'Manage and view the virtual networks of a PVC cluster, their addresses and their packet filter.',
  )
  addAdd(network, open)
  addModify(network, open)
  addRemove(network, open)
  addInfo(network, open)
  addList(network, open)
  addDhcpCommands(network, open)
  addAclCommands(network, open)
  addSriovCommands(network, open)
}

type Attributes = {
  readonly description?: string
  readonly mtu?: string
  readonly domain?: string
  readonly dnsServer?: readonly string[]
  readonly ipnet?: string
  readonly ipnet6?: string
  readonly gateway?: string
  readonly gateway6?: string
  readonly dhcp?: boolean
  readonly dhcpStart?: string
  readonly dhcpEnd?: string
  readonly gatewayMode?: string
  readonly antiSpoofing?: boolean
}

/** Options that `add` and `modify` share. */
function addAttributeOptions(command: Command): Command {
  return command
    .option('-m, --mtu <mtu>', 'Largest packet; default: as large as the network below allows.')
    .option('-n, --domain <domain>', 'Domain of the names of guests (managed networks).')
    .option('--dns-server <address>', 'Name server told to guests, may be repeated (managed networks).', collect)
    .option('-i, --ipnet <network>', 'IPv4 network, such as 10.1.0.0/24.')
    .option('--ipnet6 <network>', 'IPv6 network of 64 bits, such as fd00:1::/64 (-i6).')
    .option('-g, --gateway <address>', 'IPv4 address of the gateway.')
    .option('--gateway6 <address>', 'IPv6 address of the gateway (-g6); default: the first of the network.')
    .option('--dhcp', 'Give addresses to guests by DHCPv4.')
    .option('--no-dhcp', 'Do not.')
    .option('--dhcp-start <address>', 'First address given by DHCPv4.')
    .option('--dhcp-end <address>', 'Last address given by DHCPv4.')
    .addOption(
      new Option('--gateway-mode <mode>', 'Where the gateway is: on the primary, or on every node.').choices([
        'primary',
        'anycast',
      ]),
    )
    .option('--anti-spoofing', 'Let a guest use its own addresses only.')
    .option('--no-anti-spoofing', 'Do not.')
}

function attributeArguments(options: Attributes) {
  return {
    mtu: options.mtu,
    domain: options.domain,
    name_servers: options.dnsServer,
    ip4_network: options.ipnet,
    ip4_gateway: options.gateway,
    ip6_network: options.ipnet6,
    ip6_gateway: options.gateway6,
    dhcp4: options.dhcp === undefined ? undefined : pythonWord(options.dhcp),
    dhcp4_start: options.dhcpStart,
    dhcp4_end: options.dhcpEnd,
    gateway_mode: options.gatewayMode,
    anti_spoofing: options.antiSpoofing === undefined ? undefined : pythonWord(options.antiSpoofing),
  }
}

/** Flags are sent as older clients do. */
function pythonWord(flag: boolean): string {
  return flag ? 'True' : 'False'
}

function vniArgument(command: Command): Command {
  return command.argument('<vni>', 'number of the network', integerParser(1, 16_777_214))
}

function addAdd(network: Command, open: OpenSession): void {
  const command = vniArgument(network.command('add'))
    .summary('Add a virtual network.')
    .description(
      'Add the network VNI. A managed network is a VXLAN on all nodes, with gateway, DHCP and DNS of ours; a bridged one is a VLAN of the physical network. Every node has it at once. The older short options -i6 and -g6 are accepted too.',
    )
    .requiredOption('-d, --description <description>', 'Name of the network (required).')
    .addOption(
      new Option('-p, --type <type>', 'Type of the network (required).')
        .choices(['managed', 'bridged'])
        .makeOptionMandatory(),
    )
  addAttributeOptions(command).action(async (vni: number, options: Attributes & { readonly type: string }) => {
    const session = open()
    const api = await session.connect()
    const { message } = await api.call('networkAdd', {
      vni,
      description: options.description,
      nettype: options.type,
      ...attributeArguments(options),
      // As older clients do, which say all of it at the beginning.
      mtu: options.mtu ?? '',
      dhcp4: pythonWord(options.dhcp ?? false),
    })
    session.print(message)
  })
}

function addModify(network: Command, open: OpenSession): void {
  const command = vniArgument(network.command('modify'))
    .summary('Change a virtual network.')
    .description('Change what is given of the network VNI; an empty value clears.')
    .option('-d, --description <description>', 'Name of the network.')
  addAttributeOptions(command).action(async (vni: number, options: Attributes) => {
    const session = open()
    const api = await session.connect()
    const { message } = await api.call('networkModify', {
      vni,
      description: options.description,
      ...attributeArguments(options),
    })
    session.print(message)
  })
}

function addRemove(network: Command, open: OpenSession): void {
  vniArgument(network.command('remove'))
    .summary('Remove a virtual network.')
    .description('Remove the network VNI, with its reservations and rules, from all nodes.')
    .option('-f, --force', 'Also when VMs have an interface on it.', false)
    .addOption(yesOption())
    .action(async (vni: number, options: { readonly yes: boolean; readonly force: boolean }) => {
      const session = open()
      const api = await session.connect()
      await session.confirm(`Remove network ${vni}`, options.yes)
      const { message } = await api.call('networkRemove', { vni, force: options.force ? 'True' : undefined })
      session.print(message)
    })
}

function addInfo(network: Command, open: OpenSession): void {
  vniArgument(network.command('info'))
    .summary('Show details of a virtual network.')
    .description('Show details of the network VNI; long adds leases, reservations and rules.')
    .addOption(formatOption('pretty', 'long', 'json', 'json-pretty'))
    .action(async (vni: number, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const found = single(await api.call('networkInfo', { vni }), 'Network')
      const isLong = options.format === 'long' && found.type === 'managed'
      const parts = isLong
        ? { leases: await api.call('leaseList', { vni, static: 'False' }), acls: await api.call('aclList', { vni }) }
        : undefined
      session.show(options.format, found, {
        pretty: () => formatNetworkInfo(found, undefined, session.palette),
        long: () => formatNetworkInfo(found, parts, session.palette),
      })
    })
}

function addList(network: Command, open: OpenSession): void {
  network
    .command('list')
    .summary('List all virtual networks.')
    .description('List all networks, or those whose number or name matches the regular expression LIMIT.')
    .argument('[limit]', 'regular expression')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (limit: string | undefined, options: { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const networks = await api.call('networkList', { limit })
      session.show(options.format, networks, {
        pretty: () => formatNetworkList(networks, session.palette),
        raw: () => networks.map((each) => each.vni).join('\n'),
      })
    })
}

/** Two-letter short options of older clients, which the command-line parser does not know: they become their long forms. */
const OLD_SHORT_OPTIONS: Readonly<Record<string, string>> = { '-i6': '--ipnet6', '-g6': '--gateway6' }

/** Replaces the two-letter options of `network add` and `network modify`; other commands are left alone. */
export function expandOldNetworkOptions(argv: readonly string[]): string[] {
  const at = argv.indexOf('network')
  if (at < 0 || !['add', 'modify'].includes(argv[at + 1] ?? '')) return [...argv]
  return argv.map((word, index) => (index <= at + 1 ? word : (OLD_SHORT_OPTIONS[word] ?? word)))
}
