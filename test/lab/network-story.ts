/** The story of networks: made by one command, on all nodes, and repaired when something or somebody breaks them. */
import { readFileSync } from 'node:fs'
import type { Host } from './host.ts'
import { inGuest, untilAgent } from './in-guest.ts'
import type { Lab } from './lab.ts'
import { ensurePool, type MovedGuest, volumeOf } from './moved-guest.ts'
import { devicesOf, leftovers, requests, stateOf, untilGone, untilJoined, untilSessions } from './network-devices.ts'
import { pollUntil } from './poll.ts'
import { startStandstillMeter } from './standstill.ts'
import { lossOf, startPings } from './steady-ping.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'

const shop = { vni: 100, bridge: 'vmbr100', prefix: '10.100.0' }
const office = { vni: 300, bridge: 'vmbr300', prefix: '10.103.0' }

type Guest = MovedGuest & { readonly number: number; readonly home: string }
const one: Guest = { name: 'one', uuid: 'cccccccc-0000-4000-8000-000000000001', number: 11, home: 'hv1' }
const two: Guest = { name: 'two', uuid: 'cccccccc-0000-4000-8000-000000000002', number: 12, home: 'hv2' }

async function hostOf(lab: Lab, guest: Guest): Promise<Host> {
  const { stdout } = await lab.pvc(['-q', 'vm', 'info', guest.name, '-f', 'json'])
  const { node }: { node: string } = JSON.parse(stdout)
  return lab.host(node)
}

const added: StoryStep = {
  title: 'a network that is added by one command is on all nodes',
  async run(lab) {
    const waitMs = performance.now()
    await untilSessions(lab)
    const sessionsMs = performance.now() - waitMs
    const startMs = performance.now()
    await lab.pvc([
      '-q',
      'network',
      'add',
      '100',
      '-p',
      'managed',
      '-d',
      'shop',
      '-n',
      'shop.example.org',
      '--ipnet',
      `${shop.prefix}.0/24`,
    ])
    const toldMs = performance.now() - startMs
    const joinedMs = await untilJoined(lab, [shop.vni])
    await lab.pvc(['-q', 'network', 'add', '300', '-p', 'bridged', '-d', 'office'])
    await Promise.all(
      lab.hosts.map((host) =>
        pollUntil(
          { what: `network 300 on ${host.name}`, timeoutMs: 20_000 },
          async () => (await devicesOf(host)).join() === 'vlan300,vmbr100,vmbr300,vxlan100',
        ),
      ),
    )
    return `BGP sessions ${seconds(sessionsMs)} after the start; the command took ${seconds(toldMs)}; ${seconds(joinedMs)} later every node sends to every other`
  },
}

const connected: StoryStep = {
  title: 'guests on different nodes reach each other, tunnelled and by VLAN',
  async run(lab) {
    await ensurePool(lab)
    for (const guest of [one, two]) {
      await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', guest.name, '64M'])
      const bridges = [shop.bridge, office.bridge]
      const xml = await lab.guestXml({ ...guest, volume: volumeOf(guest), agent: true, bridges })
      await lab.pvc(['-q', 'vm', 'define', '-t', guest.home, lab.sharedFile(`${guest.name}.xml`, xml)])
      await lab.pvc(['-q', 'vm', 'start', guest.name])
    }
    for (const guest of [one, two]) {
      const host = lab.host(guest.home)
      await untilAgent(host, guest.name, 60_000)
      const address = (prefix: string, device: string): string =>
        `ip addr add ${prefix}.${guest.number}/24 dev ${device}`
      const script = [address(shop.prefix, 'eth0'), 'ip link set eth1 up', address(office.prefix, 'eth1')].join(' && ')
      const { exitCode, stderr } = await inGuest(host, guest.name, script)
      expectThat(exitCode === 0, `${guest.name}: ${stderr}`)
    }
    const seen: string[] = []
    for (const { prefix } of [shop, office]) {
      const script = `ping -c 5 -W 2 ${prefix}.${two.number}`
      const { stdout } = await inGuest(lab.host('hv1'), one.name, script)
      expectThat(stdout.includes('5 packets received'), `${script}: ${stdout}`)
      seen.push(/round-trip.*/.exec(stdout)?.[0] ?? '')
    }
    return seen.join('; by VLAN ')
  },
}

const large: StoryStep = {
  title: 'a packet as large as the network says gets through, by VLAN as large as its device',
  async run(lab) {
    const host = lab.host('hv1')
    const ping = (prefix: string, bytes: number): string => `ping -c 2 -W 2 -s ${bytes - 28} ${prefix}.${two.number}`
    const through = await inGuest(host, one.name, `${ping(shop.prefix, 1450)} && ${ping(office.prefix, 1500)}`)
    expectThat(through.exitCode === 0, `${through.stdout}${through.stderr}`)
    const over = await inGuest(host, one.name, ping(shop.prefix, 1490))
    expectThat(over.exitCode !== 0, 'a packet of 1490 bytes came through a network of 1450')
    return '1450 and 1500 bytes pass, 1490 do not in the smaller network'
  },
}

/** Pings guest two from hv3 while something happens. @returns the loss */
async function lossWhile(lab: Lab, what: () => Promise<void>) {
  const pings = await startPings(lab.host('hv3'), shop, `${shop.prefix}.${two.number}`)
  await what()
  return lossOf(await pings.end())
}

const restarted: StoryStep = {
  title: 'pvcnoded of both ends is restarted: no packet is lost',
  async run(lab) {
    const loss = await lossWhile(lab, async () => {
      await Promise.all(['hv2', 'hv3'].map((name) => lab.host(name).service('pvcnoded', 'restart')))
      await Promise.all(['hv2', 'hv3'].map((name) => untilSettled(lab.host(name))))
    })
    expectThat(loss.lost === 0, `${loss.lost} of ${loss.sent} pings were lost`)
    return `${loss.sent} pings, none lost`
  },
}

function untilSettled(host: Host): Promise<unknown> {
  const log = host.log('pvcnoded')
  const starts = (): number => readFileSync(log, 'utf8').split('FRR was set up').length
  const before = starts()
  return pollUntil({ what: `FRR set up by ${host.name}`, timeoutMs: 30_000 }, async () => starts() > before)
}

function killed(daemon: 'bgpd' | 'zebra'): StoryStep {
  return {
    title: `${daemon} of a guest's node is killed: it comes back, and so does the guest`,
    async run(lab) {
      const host = lab.host('hv2')
      const loss = await lossWhile(lab, async () => {
        await host.sh(['bash', '-c', `kill -9 $(cat /run/frr/${daemon}.pid)`], { timeoutMs: 5000 })
        await untilReachable(lab)
      })
      expectThat(loss.gapMs < 15_000, `silent for ${seconds(loss.gapMs)}`)
      return `silent for ${seconds(loss.gapMs)}, ${loss.lost} of ${loss.sent} pings lost`
    },
  }
}

/** Waits until every node knows of all others, and guest two has answered 20 pings in a row. */
async function untilReachable(lab: Lab): Promise<void> {
  await pollUntil({ what: 'guest two answers again, steadily', timeoutMs: 40_000 }, async () => {
    const argv = ['ping', '-q', '-i', '0.05', '-c', '20', '-w', '2', `${shop.prefix}.${two.number}`]
    const { stdout } = await lab.host('hv3').sh(argv, { timeoutMs: 5000, allowFailure: true })
    return stdout.includes(' 20 received')
  })
  await untilJoined(lab, [shop.vni])
}

const repaired: StoryStep = {
  title: 'what somebody breaks by hand is repaired',
  async run(lab) {
    const host = lab.host('hv2')
    const breaks: readonly (readonly [string, string])[] = [
      ['the tunnel deleted', 'ip link delete vxlan100'],
      ['the tunnel unplugged', 'ip link set vxlan100 nomaster'],
      ['the bridge switched off', 'ip link set vmbr100 down'],
      ['another MTU', 'ip link set vxlan100 mtu 1300'],
      ['the VLAN deleted', 'ip link delete vlan300'],
      ['the bridge deleted', 'ip link delete vmbr100'],
    ]
    const seen: string[] = []
    for (const [what, command] of breaks) {
      const before = await stateOf(host)
      const startMs = performance.now()
      await host.sh(['bash', '-c', command], { timeoutMs: 5000 })
      await pollUntil({ what: `${what}, repaired`, timeoutMs: 20_000 }, async () => (await stateOf(host)) === before)
      await untilReachable(lab)
      seen.push(`${what}: ${seconds(performance.now() - startMs)}`)
    }
    return seen.join(', ')
  },
}

const PING_MS = 50

/**
 * Packets that come while the guest stands still are lost on any network. That takes longer here than on metal, so what counts
 * is what the network adds: those that were on their way when the guest stopped.
 */
const moved: StoryStep = {
  title:
    'a guest is migrated live: of pings each 50 ms it misses those of its own standstill, and no more than 2 others',
  async run(lab) {
    const { name } = await hostOf(lab, two)
    const target = name === 'hv2' ? 'hv1' : 'hv2'
    const meter = await startStandstillMeter(two.name, lab.host(name), lab.host(target))
    const loss = await lossWhile(lab, async () => {
      await lab.pvc(['-q', 'vm', 'move', two.name, '-t', target, '-w'], { timeoutMs: 90_000 })
      await untilReachable(lab)
    })
    const standstillMs = await meter.end()
    if (standstillMs === undefined) throw new Error(`libvirt told of no move of ${two.name}`)
    const own = Math.ceil(standstillMs / PING_MS)
    const seen = `${name} → ${target}: ${loss.lost} of ${loss.sent} pings lost; the guest stood still for ${seconds(standstillMs)}, ${own} pings`
    expectThat(loss.lost <= own + 2, `${seen}; silent for ${seconds(loss.gapMs)}`)
    return seen
  },
}

const many: StoryStep = {
  title: '50 networks are added and removed: nothing is left of them',
  async run(lab) {
    const vnis = Array.from({ length: 50 }, (_, index) => 901 + index)
    const before = await Promise.all(lab.hosts.map(leftovers))
    const startMs = performance.now()
    await requests(lab, 'POST', vnis)
    await untilJoined(lab, vnis, 60_000)
    const addedMs = performance.now() - startMs
    const removeMs = performance.now()
    await requests(lab, 'DELETE', vnis)
    await untilGone(lab, vnis)
    const removedMs = performance.now() - removeMs
    const after = await pollUntil({ what: 'no leftovers', timeoutMs: 10_000 }, async () => {
      const now = await Promise.all(lab.hosts.map(leftovers))
      return now.join('|') === before.join('|') && now
    })
    return `added in ${seconds(addedMs)} (${Math.round(addedMs / 50)} ms each, joined on all nodes), removed in ${seconds(removedMs)}; ${after[0]}`
  },
}

const rebooted: StoryStep = {
  title: 'a node that is restarted has all networks again',
  async run(lab) {
    const host = lab.host('hv3')
    const before = await stateOf(host)
    const startMs = performance.now()
    await host.power('reset')
    await pollUntil(
      { what: 'devices of hv3', timeoutMs: 60_000, intervalMs: 200 },
      async () => (await stateOf(host)) === before,
    )
    const devicesMs = performance.now() - startMs
    await untilJoined(lab, [shop.vni], 60_000)
    return `devices after ${seconds(devicesMs)}, joined after ${seconds(performance.now() - startMs)}`
  },
}

/** All steps; each stands on those before. */
export const networkStory: readonly StoryStep[] = [
  ...[added, connected, large, restarted, killed('bgpd'), killed('zebra'), repaired, moved, many, rebooted],
]
