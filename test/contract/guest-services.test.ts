/** dnsmasq and PowerDNS as they serve guests: real programs, clients and packets, in namespaces of their own. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDnsmasq } from '../../src/adapters/dnsmasq/dnsmasq.ts'
import { createPdns } from '../../src/adapters/pdns/pdns.ts'
import { planZones, soaContent, zoneNames } from '../../src/coordinator/network/dns/plan.ts'
import type { DhcpLease, DhcpReservation, Network } from '../../src/model/network.ts'
import { MacAddress, Vni } from '../../src/model/network.ts'
import type { LeaseBook, LeaseEvent } from '../../src/ports/dhcp.ts'
import type { DnsZone } from '../../src/ports/dns.ts'
import { pollUntil } from '../lab/poll.ts'
import { GUEST_MACS, type GuestNetworkRoom, openGuestNetworkRoom } from './guest-network-room.ts'

const GATEWAY = '10.91.0.65'
const NAME_SERVER = { address: '127.0.0.1', port: 53 }

const network: Network = {
  vni: Vni.parse(100),
  generation: 1,
  description: 'net100',
  type: 'managed',
  mtu: null,
  domain: 'net100.lab.local',
  nameServers: [],
  ip4: { network: '10.91.0.64/26', gateway: GATEWAY, dhcp: { start: '10.91.0.100', end: '10.91.0.110' } },
  ip6: null,
  gatewayMode: 'primary',
  antiSpoofing: false,
}
const ip6Only: Network = {
  ...network,
  ip4: null,
  ip6: { network: 'fd91:0:0:64::/64', gateway: 'fd91:0:0:64::1', dhcp: true },
}

/** Leases in memory. */
class Book implements LeaseBook {
  readonly leases = new Map<string, DhcpLease>()
  readonly events: LeaseEvent[] = []
  serverDuid: string | undefined
  isBroken = false

  async read() {
    if (this.isBroken) throw new Error('no leases')
    return { leases: [...this.leases.values()], serverDuid: this.serverDuid }
  }

  note(_vni: number, event: LeaseEvent): void {
    this.events.push(event)
    if (event.kind === 'over') this.leases.delete(event.address)
    else {
      this.leases.set(event.lease.address, event.lease)
      this.serverDuid = event.serverDuid ?? this.serverDuid
    }
  }
}

let room: GuestNetworkRoom

beforeAll(async () => {
  room = await openGuestNetworkRoom()
  await room.run('primary', 'ip', 'addr', 'add', `${GATEWAY}/26`, 'dev', 'vmbr100')
  await room.run('primary', 'ip', 'addr', 'add', 'fe80::1/64', 'dev', 'vmbr100')
})
afterAll(() => room?.end())

function services(allowTransfer: readonly string[] = []) {
  const { dir, log, programs } = room
  const dhcp = createDnsmasq({
    script: fileURLToPath(new URL('../../share/dnsmasq-lease-script', import.meta.url)),
    forwarders: ['192.0.2.1'],
    runDir: join(dir, 'run'),
    nameServer: NAME_SERVER,
    programs,
    log,
  })
  return { dhcp, dns: createPdns({ dir: `${dir}-dns`, allowTransfer, programs, log }) }
}

function zonesNow(
  book: Book,
  of: Network,
  reservations: readonly DhcpReservation[] = [],
): ReadonlyMap<string, DnsZone> {
  const ns = 'pvc-dns.lab.local.'
  const contents = planZones([{ network: of, leases: [...book.leases.values()], reservations }], [], ns)
  return new Map(
    contents.map(({ name, records }) => {
      const soa = { type: 'SOA', content: soaContent(name, ns, 7), ttlS: 60 }
      return [name, { name, serial: 7, records: new Map([...records, [name, [soa, ...(records.get(name) ?? [])]]]) }]
    }),
  )
}

const bare = (of: Network) => zoneNames([of]).map((name) => name.replace(/\.$/, ''))

describe('a guest of a network with IPv4', () => {
  const book = new Book()
  const reservations: DhcpReservation[] = []
  const changes: number[] = []
  let dhcp: ReturnType<typeof services>['dhcp']
  let dns: ReturnType<typeof services>['dns']
  const keep = () =>
    dhcp.keep([{ network, mtu: 1450, reservations }], bare(network), book, () => changes.push(dhcp.problems().length))
  const dig = (...args: readonly string[]) =>
    room.run('guest1', 'dig', '+time=1', '+tries=2', '+noall', '+answer', '+comments', ...args)

  beforeAll(async () => {
    ;({ dhcp, dns } = services())
    await keep()
    await dns.start(
      [NAME_SERVER.address, GATEWAY.replace('65', '66')],
      () => zonesNow(book, network, reservations),
      () => undefined,
    )
  })
  afterAll(async () => {
    await dhcp.stop()
    await dns.stop()
  })

  it('is given an address and everything that belongs to it', async () => {
    const answer = await room.lease('guest1', 'vmone')
    expect(answer).toMatchObject({
      router: GATEWAY,
      dns: GATEWAY,
      domain: 'net100.lab.local',
      mtu: '1450',
      lease: String(48 * 3600),
      staticroutes: `169.254.169.254/32 ${GATEWAY} 0.0.0.0/0 ${GATEWAY}`,
    })
    const lease = await pollUntil({ what: 'the lease in the book', timeoutMs: 3000 }, async () =>
      book.leases.get(answer['ip'] ?? ''),
    )
    expect(lease).toMatchObject({ mac: GUEST_MACS.guest1, hostname: 'vmone' })
    expect(lease.expiresS * 1000 - Date.now()).toBeGreaterThan(47 * 3600 * 1000)
  })

  it('resolves names at the gateway, forward and backward, and is told of those that are none', async () => {
    const [lease] = [...book.leases.values()]
    const forward = await pollUntil({ what: 'an answer', timeoutMs: 5000 }, async () => {
      const text = await dig(`@${GATEWAY}`, 'vmone.net100.lab.local')
      return text.includes('NOERROR') && text
    })
    expect(forward).toContain(`A\t${lease?.address}`)
    expect(await dig(`@${GATEWAY}`, '-x', lease?.address ?? '')).toContain('vmone.net100.lab.local.')
    expect(await dig(`@${GATEWAY}`, 'nobody.net100.lab.local')).toContain('NXDOMAIN')
    expect(await dig(`@${GATEWAY}`, 'vmone.net100.lab.local', 'AAAA')).toMatch(/NOERROR[\s\S]*ANSWER: 0/)
  })

  it('keeps its address by a reservation that comes without a restart, and loses it with it', async () => {
    const mac = MacAddress.parse(GUEST_MACS.guest2)
    reservations.push({ mac, address: '10.91.0.80', hostname: 'fixed' })
    await keep()
    await pollUntil({ what: 'the reserved address', timeoutMs: 5000 }, async () => {
      return (await room.lease('guest2', 'vmtwo'))['ip'] === '10.91.0.80'
    })
    expect(book.leases.get('10.91.0.80')).toMatchObject({ mac, hostname: 'fixed' })
    expect(await dig(`@${GATEWAY}`, 'fixed.net100.lab.local')).toContain('10.91.0.80')
    reservations.pop()
    await keep()
    await pollUntil({ what: 'another address', timeoutMs: 10_000 }, async () => {
      return (await room.lease('guest2', 'vmtwo'))['ip'] !== '10.91.0.80'
    })
    expect(changes).toEqual([])
  })

  it('keeps its address when the server is killed, and when another one takes over', async () => {
    const before = (await room.lease('guest1', 'vmone'))['ip']
    await room.kill('dnsmasq')
    await pollUntil({ what: 'the server again', timeoutMs: 5000 }, async () => changes.at(-1) === 0)
    expect((await room.lease('guest1', 'vmone'))['ip']).toBe(before)
    await dhcp.stop()
    const events = book.events.length
    await keep()
    // Renewals of what was read at the start are told as well, so the book stays up to date.
    await pollUntil({ what: 'the leases read', timeoutMs: 5000 }, async () => book.events.length > events)
    expect((await room.lease('guest1', 'vmone'))['ip']).toBe(before)
  })

  it('has no server that begins without the leases of before', async () => {
    await dhcp.stop()
    book.isBroken = true
    await keep()
    await pollUntil({ what: 'a problem', timeoutMs: 5000 }, async () => dhcp.problems()[0])
    expect(dhcp.problems()[0]?.message).toMatch(/lease-init script returned exit code/)
    book.isBroken = false
    await pollUntil({ what: 'no problem', timeoutMs: 10_000 }, async () => dhcp.problems().length === 0)
  })

  it('lets only configured addresses copy a zone', async () => {
    await room.run('primary', 'ip', 'addr', 'add', '10.91.0.66/26', 'dev', 'vmbr100')
    await dns.stop()
    const address = (await room.lease('guest1', 'vmone'))['ip'] ?? ''
    dns = services([address]).dns
    await dns.start(
      ['127.0.0.1', '10.91.0.66'],
      () => zonesNow(book, network),
      () => undefined,
    )
    const ask = async () => room.run('guest1', 'dig', '@10.91.0.66', '+time=1', '+tries=1', 'net100.lab.local', 'AXFR')
    const copied = await pollUntil({ what: 'a copy of the zone', timeoutMs: 5000 }, async () => {
      const text = await ask().catch(() => '')
      return text.includes('SOA') && text
    })
    expect(copied).toMatch(/hostmaster\.net100\.lab\.local\. 7 60/)
    expect(copied.match(/SOA/g)).toHaveLength(2)
    expect(copied).toMatch(/vmone\.net100\.lab\.local\.\s+30\s+IN\s+A/)
    expect(await room.run('guest2', 'dig', '@10.91.0.66', '+time=1', '+tries=1', 'net100.lab.local', 'AXFR')).toContain(
      'Transfer failed',
    )
  })

  it('is answered again soon after the name server was killed', async () => {
    await room.kill('pdns_server')
    await pollUntil({ what: 'an answer again', timeoutMs: 5000 }, async () => {
      return (await dig('@10.91.0.66', 'vmone.net100.lab.local')).includes('NOERROR')
    })
  })
})

describe('a guest of a network with IPv6 alone', () => {
  const book = new Book()
  let dhcp: ReturnType<typeof services>['dhcp']
  const keep = () =>
    dhcp.keep([{ network: ip6Only, mtu: 1450, reservations: [] }], bare(ip6Only), book, () => undefined)
  const ask = async () => {
    const files = ['-lf', join(room.dir, 'lease6'), '-pf', join(room.dir, 'pid6')]
    // It only asks: -sf is what would set the address.
    await room.run('guest1', 'dhclient', '-6', '-1', ...files, '-cf', '/dev/null', '-sf', '/bin/true', 'eth0')
    await room.run('guest1', 'sh', '-c', `kill $(cat ${join(room.dir, 'pid6')})`)
  }

  beforeAll(async () => {
    await room.run('primary', 'ip', 'addr', 'add', 'fd91:0:0:64::1/64', 'dev', 'vmbr100')
    ;({ dhcp } = services())
    await keep()
  })
  afterAll(() => dhcp.stop())

  it('finds its router, and how large a packet may be', async () => {
    await pollUntil({ what: 'a default route', timeoutMs: 15_000 }, async () => {
      return (await room.run('guest1', 'ip', '-6', 'route', 'show', 'default')).includes('via fe80::1')
    })
    expect(await room.run('guest1', 'ip', '-6', 'route', 'show')).toContain('mtu 1450')
  })

  it('is given an address, which the next server knows with the identity of the one before', async () => {
    await ask()
    const [lease] = await pollUntil({ what: 'the lease in the book', timeoutMs: 5000 }, async () => {
      const leases = [...book.leases.values()]
      return leases.length === 1 && leases
    })
    expect(lease).toMatchObject({
      address: expect.stringMatching(/^fd91::64:/),
      iaid: expect.stringMatching(/^\d+$/),
    })
    const duid = book.serverDuid
    expect(duid).toMatch(/^[0-9a-f:]{20,}$/)
    await dhcp.stop()
    await keep()
    await ask()
    expect([...book.leases.keys(), book.serverDuid]).toEqual([lease?.address, duid])
  })
})
