import type { Command } from 'commander'
import { formatAcls, formatLeases } from '../output/network-view.ts'
import { addGroup, formatOption, integerParser, type OpenSession, yesOption } from './options.ts'

function vniArgument(command: Command): Command {
  return command.argument('<vni>', 'number of the network', integerParser(1, 16_777_214))
}

/** `pvc network dhcp …`. */
export function addDhcpCommands(network: Command, open: OpenSession): void {
  const dhcp = addGroup(network, 'dhcp', 'Manage DHCP leases and reservations.')
  vniArgument(dhcp.command('add'))
    .summary('Reserve an address.')
    .description('Give the guest with the MAC address MAC the fixed address IP and the name HOSTNAME.')
    .argument('<ip>', 'address')
    .argument('<hostname>', 'name')
    .argument('<mac>', 'MAC address')
    .action(async (vni: number, ip: string, hostname: string, mac: string) => {
      const session = open()
      const api = await session.connect()
      const { message } = await api.call('leaseAdd', { vni, macaddress: mac, ipaddress: ip, hostname })
      session.print(message)
    })
  vniArgument(dhcp.command('remove'))
    .summary('Remove a reservation.')
    .description('Remove the reservation of the MAC address MAC. The guest keeps its address until its lease ends.')
    .argument('<mac>', 'MAC address')
    .addOption(yesOption())
    .action(async (vni: number, mac: string, options: { readonly yes: boolean }) => {
      const session = open()
      const api = await session.connect()
      await session.confirm(`Remove the DHCP reservation of ${mac} in network ${vni}`, options.yes)
      const { message } = await api.call('leaseRemove', { vni, mac })
      session.print(message)
    })
  vniArgument(dhcp.command('list'))
    .summary('List leases and reservations.')
    .description('List leases and reservations whose name, address or MAC matches the regular expression LIMIT.')
    .argument('[limit]', 'regular expression')
    .option('-s, --static', 'Reservations only.', false)
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(
      async (
        vni: number,
        limit: string | undefined,
        options: { readonly static: boolean; readonly format: string },
      ) => {
        const session = open()
        const api = await session.connect()
        const leases = await api.call('leaseList', { vni, limit, static: options.static ? 'True' : 'False' })
        session.show(options.format, leases, {
          pretty: () => formatLeases(leases, session.palette),
          raw: () => leases.map((each) => each.ip4_address).join('\n'),
        })
      },
    )
}

/** `--in` and `--out`; neither: undefined. */
type DirectionOptions = { readonly in?: boolean; readonly out?: boolean }

function directionOf(options: DirectionOptions): 'in' | 'out' | undefined {
  if (options.out === true) return 'out'
  return options.in === true ? 'in' : undefined
}

/** `pvc network acl …`. */
export function addAclCommands(network: Command, open: OpenSession): void {
  const acl = addGroup(network, 'acl', 'Manage the packet filter rules of a network.')
  addAclAdd(acl, open)
  vniArgument(acl.command('remove'))
    .summary('Remove a rule.')
    .description('Remove the rule DESCRIPTION of the network VNI.')
    .argument('<description>', 'name of the rule')
    .addOption(yesOption())
    .action(async (vni: number, description: string, options: { readonly yes: boolean }) => {
      const session = open()
      const api = await session.connect()
      await session.confirm(`Remove the firewall rule "${description}" of network ${vni}`, options.yes)
      const { message } = await api.call('aclRemove', { vni, description })
      session.print(message)
    })
  vniArgument(acl.command('list'))
    .summary('List rules.')
    .description('List the rules of the network VNI, or those whose name matches the regular expression LIMIT.')
    .argument('[limit]', 'regular expression')
    .option('--in', 'Rules for what enters the network only.')
    .option('--out', 'Rules for what leaves the network only.')
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty'))
    .action(async (vni: number, limit: string | undefined, options: DirectionOptions & { readonly format: string }) => {
      const session = open()
      const api = await session.connect()
      const acls = await api.call('aclList', { vni, limit, direction: directionOf(options) })
      session.show(options.format, acls, {
        pretty: () => formatAcls(acls, session.palette),
        raw: () => acls.map((each) => each.description).join('\n'),
      })
    })
}

type NewAcl = DirectionOptions & { readonly description: string; readonly rule: string; readonly order?: number }

function addAclAdd(acl: Command, open: OpenSession): void {
  vniArgument(acl.command('add'))
    .summary('Add a rule.')
    .description(
      'Add a rule to the network VNI. RULE is what nftables understands, such as "tcp dport 22 accept". It is checked before it is stored, and holds on all nodes at once.',
    )
    .option('--in', 'For what enters the network (the default).')
    .option('--out', 'For what leaves the network.')
    .requiredOption('-d, --description <description>', 'Name of the rule (required).')
    .requiredOption('-r, --rule <rule>', 'nftables statements (required).')
    .option(
      '-o, --order <order>',
      'Place among the rules of its direction, from 0; default: the last.',
      integerParser(0, 10_000),
    )
    .action(async (vni: number, options: NewAcl) => {
      const session = open()
      const api = await session.connect()
      const { message } = await api.call('aclAdd', {
        vni,
        description: options.description,
        direction: directionOf(options) ?? 'in',
        rule: options.rule,
        order: options.order,
      })
      session.print(message)
    })
}
