/** nft as the packet filter of guest networks uses it: real rules, real packets, in namespaces of their own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPacketFilter, createRuleChecker } from '../../src/adapters/nft/nft.ts'
import { type RunCommand, runCommand } from '../../src/adapters/process/command.ts'
import { aclTable, HOST_TABLE, hostTable } from '../../src/model/acl-text.ts'
import type { Link } from '../../src/model/link.ts'
import { type AclRule, MacAddress, NO_ACLS } from '../../src/model/network.ts'
import { SPOOFING_TABLE, spoofingTable } from '../../src/node/firewall/spoofing.ts'
import { pollUntil } from '../lab/poll.ts'
import { managedNetwork } from '../unit/coordinator/network/network-world.ts'
import { GUEST_MACS, type GuestNetworkRoom, openGuestNetworkRoom } from './guest-network-room.ts'

const network = managedNetwork(100)
const table = (rules: { readonly in?: readonly string[]; readonly out?: readonly string[] }) => {
  const all = (texts: readonly string[] = []): AclRule[] => texts.map((rule) => ({ description: rule, rule }))
  return aclTable(network, { ...NO_ACLS, in: all(rules.in), out: all(rules.out) })
}

let room: GuestNetworkRoom

beforeAll(async () => {
  room = await openGuestNetworkRoom()
  // The second guest stands for the outside, on a network of its own.
  await room.run(
    'primary',
    'sh',
    '-ec',
    'ip addr add 10.0.100.1/24 dev vmbr100; ip link set guest2 nomaster; ip addr add 192.0.2.254/24 dev guest2',
  )
  await room.run('guest1', 'sh', '-ec', 'ip addr add 10.0.100.5/24 dev eth0; ip route add default via 10.0.100.1')
  await room.run('guest2', 'sh', '-ec', 'ip addr add 192.0.2.1/24 dev eth0; ip route add default via 192.0.2.254')
})
afterAll(() => room?.end())

async function answers(from: 'guest1' | 'guest2', to: string): Promise<boolean> {
  return room.run(from, 'ping', '-q', '-c', '1', '-W', '1', to).then(
    () => true,
    () => false,
  )
}

describe('the packet filter', () => {
  const inRoom: RunCommand = ({ file, args, ...rest }) =>
    runCommand({ ...rest, file: 'nsenter', args: [...room.enterPrimary, file, ...args] })
  const filter = createPacketFilter((command) => inRoom(command))

  it('lets pass what no rule drops', async () => {
    expect(await filter.tables()).toEqual([])
    expect(await filter.apply(table({}))).toBeUndefined()
    expect(await filter.tables()).toEqual([
      { family: 'inet', name: 'pvc-net100', chains: ['rules-in', 'rules-out', 'forward'] },
    ])
    expect(await answers('guest1', '192.0.2.1')).toBe(true)
  })

  it('drops what leaves or enters by its rules, and nothing else', async () => {
    await filter.apply(table({ out: ['ip daddr 192.0.2.1 drop'] }))
    expect([await answers('guest1', '192.0.2.1'), await answers('guest1', '192.0.2.254')]).toEqual([false, true])
    await filter.apply(table({ in: ['ip saddr 192.0.2.1 icmp type echo-request drop'] }))
    expect([await answers('guest1', '192.0.2.1'), await answers('guest2', '10.0.100.5')]).toEqual([true, false])
  })

  it('keeps what is in force when a text is refused', async () => {
    expect(await filter.apply(table({ out: ['ip daddr 192.0.2.1 drop'] }))).toBeUndefined()
    expect(await filter.apply(table({ out: ['tcp dprt 22 drop'] }))).toMatch(/syntax error/)
    expect(await answers('guest1', '192.0.2.1')).toBe(false)
  })

  it('closes the host to guests, but for the services of a gateway', async () => {
    const others = Array.from({ length: 100 }, (_, index) => managedNetwork(101 + index))
    expect(await filter.apply(hostTable([...others, network].map(({ vni }) => vni)))).toBeUndefined()
    expect(await filter.tables()).toContainEqual({ family: 'inet', name: HOST_TABLE, chains: ['guests', 'input'] })
    const listen = (port: string) =>
      room.run('primary', 'timeout', '4', 'busybox', 'nc', '-l', '-p', port).catch(() => '')
    const listeners = ['80', '2222'].map(listen)
    const connects = (port: string) =>
      room.run('guest1', 'busybox', 'nc', '-w', '1', '10.0.100.1', port).then(
        () => true,
        () => false,
      )
    await room.run('primary', 'sh', '-c', 'until ss -ltn | grep -q :80 && ss -ltn | grep -q :2222; do :; done')
    expect(await connects('2222')).toBe(false)
    expect(await connects('80')).toBe(true)
    await Promise.all(listeners)
  })
})

describe('a guest that is held to its addresses', () => {
  const mac = MacAddress.parse(GUEST_MACS.guest1)
  const lease = { address: '10.0.100.5', mac, hostname: '', clientId: '', expiresS: 1 }
  // Its port as libvirt would have made it.
  const port: Link = {
    name: 'guest1',
    index: 7,
    kind: 'tun',
    mac: mac.replace(/^../, 'fe'),
    mtu: 1500,
    isUp: true,
    master: 'vmbr100',
    alias: '',
    tag: undefined,
  }
  const filter = createPacketFilter(({ file, args, ...rest }) =>
    runCommand({ ...rest, file: 'nsenter', args: [...room.enterPrimary, file, ...args] }),
  )
  const pings = (...options: readonly string[]) =>
    room.run('guest1', 'ping', '-q', '-c', '1', '-W', '1', ...options, '10.0.100.1').then(
      () => true,
      () => false,
    )

  it('is heard with its own MAC and address only', async () => {
    const held = { network, leases: [lease], reservations: [], macs: [GUEST_MACS.guest2, mac] }
    const text = spoofingTable([held], [port]) ?? ''
    await room.run('guest1', 'ip', 'addr', 'add', '10.0.100.6/24', 'dev', 'eth0')
    expect([await pings(), await pings('-I', '10.0.100.6')]).toEqual([true, true])
    expect(await filter.apply(text)).toBeUndefined()
    const chains = ['guest1', 'from-guests']
    expect(await filter.tables()).toContainEqual({ family: 'bridge', name: SPOOFING_TABLE, chains })
    expect([await pings(), await pings('-I', '10.0.100.6')]).toEqual([true, false])
    await room.run('guest1', 'ip', 'link', 'set', 'eth0', 'address', '52:54:00:00:00:77')
    expect(await pings()).toBe(false)
    await room.run('guest1', 'ip', 'link', 'set', 'eth0', 'address', mac)
    await pollUntil({ what: 'the guest to be heard again', timeoutMs: 5000 }, () => pings())
  })

  it('may not play DHCP server or router for its neighbours', async () => {
    const rules = await room.run('primary', 'nft', 'list', 'chain', 'bridge', SPOOFING_TABLE, 'guest1')
    expect(rules).toMatch(/udp sport \{ 67, 547 \} counter .* drop/)
    expect(rules).toMatch(/icmpv6 type nd-router-advert counter .* drop/)
  })

  it('is held only where its network says so and its port is here', () => {
    const held = { network, leases: [], reservations: [], macs: [mac] }
    expect(spoofingTable([], [port])).toBeUndefined()
    expect(spoofingTable([held], [{ ...port, master: 'vmbr101' }])).toBeUndefined()
    expect(spoofingTable([held], [{ ...port, kind: 'vxlan' }])).toBeUndefined()
  })
})

describe('the check of a rule', () => {
  const checker = createRuleChecker()

  it('takes what nftables takes, and gives its words on what it does not', async () => {
    expect(await checker.check(table({ in: ['tcp dport { 22, 80 } ct state new accept'] }))).toBeUndefined()
    expect(await checker.check(table({ in: ['tcp dprt 22 accept'] }))).toMatch(/syntax error, unexpected string/)
    expect(await checker.check(table({ in: ['jump nowhere'] }))).toBeDefined()
  })

  it('changes nothing on the host', async () => {
    const before = await room.run('primary', 'nft', 'list', 'tables')
    await checker.check(table({ in: ['drop'] }))
    expect(await room.run('primary', 'nft', 'list', 'tables')).toBe(before)
  })
})
