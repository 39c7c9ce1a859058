/** The story of what the primary does for guests: addresses, names, a gateway that moves without a gap. */
import { outsideAddress } from './guest-network-files.ts'
import { inGuest, untilAgent } from './in-guest.ts'
import type { Lab } from './lab.ts'
import { defineGuest, ensurePool, type MovedGuest } from './moved-guest.ts'
import { floatingAddress } from './plan.ts'
import { pollUntil } from './poll.ts'
import { coordinatorNames, makePrimary, settledPrimary } from './primary.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'

const VNI = '110'
const BRIDGE = `vmbr${VNI}`
const GATEWAY = '10.100.10.1'
const DOMAIN = 'shop.lab'
const IP4 = ['--ipnet', '10.100.10.0/24', '--gateway', GATEWAY, '--ipnet6', 'fd00:100:10::/64']
const DHCP = ['--dhcp', '--dhcp-start', '10.100.10.100', '--dhcp-end', '10.100.10.199']

const GUEST: MovedGuest = { name: 'shopper', uuid: '5f2b1d56-1f5c-4f5f-9a43-0000000a1001' }
/** Where the guest runs; no server that this story ends. */
const HOME = 'hv3'
const HELPERS = ['dnsmasq', 'pdns_server'] as const

/** Limits for a machine that does other things, too. */
const ADDRESS_S = 5
const CRASH_MS = 8000
const HELPER_BACK_MS = 5000
const PING_MS = 50

const network: StoryStep = {
  title: 'a network, and a guest that has its address soon after its start',
  async run(lab) {
    await settledPrimary(lab)
    await makePrimary(lab, 'hv1')
    await lab.pvc(['-q', 'network', 'add', VNI, '-p', 'managed', '-d', 'shop', '-n', DOMAIN, ...IP4, ...DHCP])
    await ensurePool(lab)
    await defineGuest(lab, GUEST, HOME, [], { bridge: BRIDGE, agent: true })
    await lab.pvc(['-q', 'vm', 'start', GUEST.name])
    const wanted = ({ ip }: { ip: string | undefined }) => ip !== undefined
    const first = await lab.waitForHeartbeat(GUEST.name, { wanted, timeoutMs: 60_000 })
    const boot = lab.heartbeats(GUEST.name).find(({ ip }) => ip !== undefined) ?? first
    const booted = lab.heartbeats(GUEST.name)[0]?.uptimeS ?? 0
    const tookS = boot.uptimeS - booted
    expectThat(tookS <= ADDRESS_S, `the guest had ${boot.ip} only ${tookS} s after its boot`)
    const { stdout } = await lab.pvc(['-q', 'network', 'dhcp', 'list', VNI])
    expectThat(stdout.includes(boot.ip ?? ''), `the lease of ${boot.ip} is not listed: ${stdout}`)
    return `${boot.ip}, ${tookS.toFixed(1)} s after its first word`
  },
}

async function ask(lab: Lab, server: string, ...words: readonly string[]): Promise<string> {
  const argv = ['dig', '+short', '+time=1', '+tries=1', `@${server}`, ...words]
  const { stdout } = await lab.sh(argv, { timeoutMs: 5000, allowFailure: true })
  return stdout.trim()
}

const names: StoryStep = {
  title: 'its name is found, from inside and from outside, and its address backwards',
  async run(lab) {
    const host = lab.host(HOME)
    await untilAgent(host, GUEST.name)
    const name = `${GUEST.name}.${DOMAIN}`
    const inside = await inGuest(host, GUEST.name, `busybox nslookup -type=a ${name} ${GATEWAY}`)
    const address = lab.heartbeats(GUEST.name).at(-1)?.ip ?? ''
    expectThat(inside.stdout.includes(address), `inside: ${inside.stdout}${inside.stderr}`)
    const server = floatingAddress('cluster')
    const forward = await ask(lab, server, name)
    expectThat(forward === address, `outside ${name} is '${forward}', not ${address}`)
    const backward = await ask(lab, server, '-x', address)
    expectThat(backward === `${name}.`, `outside ${address} is '${backward}'`)
    const copied = await ask(lab, server, DOMAIN, 'AXFR')
    expectThat(copied.includes('Transfer failed'), `a zone can be copied by anybody: ${copied}`)
    return `${name} ↔ ${address}`
  },
}

/** Pings from the guest for `count` times 50 ms. @returns how many were not answered */
async function lostPings(lab: Lab, target: string, count: number): Promise<number> {
  const script = `busybox ping -q -i ${PING_MS / 1000} -W 1 -c ${count} ${target}`
  const { stdout, stderr } = await inGuest(lab.host(HOME), GUEST.name, script, count * PING_MS + 30_000)
  const match = /(\d+) packets transmitted, (\d+) packets received/.exec(stdout)
  if (match === null) throw new Error(`ping said: ${stdout}${stderr}`)
  return Number(match[1]) - Number(match[2])
}

const handover: StoryStep = {
  title: 'a planned handover there and back: no packet to the gateway is lost',
  async run(lab) {
    const targets = [GATEWAY, outsideAddress]
    for (const target of targets) {
      const lost = await lostPings(lab, target, 20)
      expectThat(lost < 20, `${target} does not answer at all`)
    }
    const pings = Promise.all(targets.map((target) => lostPings(lab, target, 400)))
    // Read late: an error of the handover must not leave it unheard.
    pings.catch(() => undefined)
    await makePrimary(lab, 'hv2')
    await makePrimary(lab, 'hv1')
    const lost = await pings
    expectThat(lost[0] === 0, `${lost[0]} of 400 pings to the gateway were lost, ${lost[1]} beyond it`)
    return `lost of 400: ${lost[0]} to the gateway, ${lost[1]} to ${outsideAddress}`
  },
}

/** Asks the metadata service from the guest. */
async function askMetadata(lab: Lab, path: string): Promise<string> {
  // Not wget: the guest's busybox is static and looks no names up. The sending side stays open until the answer is here.
  const script = `(printf 'GET /${path} HTTP/1.0\\r\\n\\r\\n'; sleep 1) | busybox nc -w 3 169.254.169.254 80`
  const { stdout, stderr } = await inGuest(lab.host(HOME), GUEST.name, script)
  const [head = '', ...body] = stdout.split('\r\n\r\n')
  const status = head.split('\r\n')[0] ?? ''
  return status.includes(' 200 ') ? body.join('').trim() : status || stderr
}

const metadata: StoryStep = {
  title: 'the guest learns who it is; with the address of another it learns nothing',
  async run(lab) {
    const id = await askMetadata(lab, 'latest/meta-data/instance-id')
    expectThat(id === GUEST.uuid, `instance-id is '${id}'`)
    const seed = await askMetadata(lab, 'nocloud/meta-data')
    expectThat(seed.includes(`local-hostname: "${GUEST.name}.${DOMAIN}"`), `the seed is '${seed}'`)
    const script = lab.sharedFile('user-data', '#cloud-config\nhostname: shopper\n')
    await lab.pvc(['-q', 'vm', 'meta', GUEST.name, '--user-data', script])
    const data = await pollUntil({ what: 'the user data', timeoutMs: 5000 }, async () => {
      const text = await askMetadata(lab, 'latest/user-data')
      return text.startsWith('#cloud-config') && text
    })
    // The address of a reservation that belongs to somebody else.
    await lab.pvc(['-q', 'network', 'dhcp', 'add', VNI, '10.100.10.50', 'other', '52:54:00:00:10:50'])
    const steal =
      'ip addr add 10.100.10.50/32 dev eth0; ip route add 169.254.169.254 dev eth0 via 10.100.10.1 src 10.100.10.50'
    await inGuest(lab.host(HOME), GUEST.name, steal)
    const stolen = await askMetadata(lab, 'latest/meta-data/instance-id')
    await inGuest(lab.host(HOME), GUEST.name, 'ip route del 169.254.169.254; ip addr del 10.100.10.50/32 dev eth0')
    expectThat(stolen.includes('404'), `with a stolen address the guest was told '${stolen}'`)
    return `${id}, ${data.length} characters of user data; with the address of another: ${stolen.split('\n').at(-1)}`
  },
}

const filter: StoryStep = {
  title: 'rules drop and allow; what nftables does not take is refused with its words',
  async run(lab) {
    const add = (description: string, rule: string) =>
      lab.pvc(['-q', 'network', 'acl', 'add', VNI, '-d', description, '-r', rule, '--out'], { allowFailure: true })
    const refused = await add('broken', 'tcp dprt 22 drop')
    expectThat(
      /refused by nftables/.test(refused.stderr + refused.stdout),
      `not refused: ${refused.stderr}${refused.stdout}`,
    )
    const before = await lostPings(lab, outsideAddress, 5)
    await add('no outside', `ip daddr ${outsideAddress} drop`)
    await pollUntil({ what: 'no answer from outside', timeoutMs: 10_000 }, async () => {
      return (await lostPings(lab, outsideAddress, 3)) === 3
    })
    const gateway = await lostPings(lab, GATEWAY, 5)
    await lab.pvc(['-q', 'network', 'acl', 'remove', VNI, 'no outside', '-y'])
    await pollUntil({ what: 'an answer from outside', timeoutMs: 10_000 }, async () => {
      return (await lostPings(lab, outsideAddress, 3)) === 0
    })
    // The API of the primary itself, which routes for the guest.
    const api = `busybox nc -w 2 ${lab.host('hv1').address('cluster')} 7370 </dev/null`
    const reached = await inGuest(lab.host(HOME), GUEST.name, api)
    expectThat(before === 0 && gateway === 0, `${before} of 5 lost before, ${gateway} of 5 to the gateway`)
    expectThat(reached.exitCode !== 0, 'the guest reaches the API of the primary')
    return 'dropped and allowed on order'
  },
}

async function helperPids(lab: Lab, host: string, program: string): Promise<readonly string[]> {
  const { stdout } = await lab.host(host).sh(['pgrep', '-x', program], { allowFailure: true, timeoutMs: 5000 })
  return stdout.split('\n').filter((pid) => pid !== '')
}

const killed: StoryStep = {
  title: 'dnsmasq and PowerDNS killed: back by themselves, with the same leases and names',
  async run(lab) {
    const seen: string[] = []
    const name = `${GUEST.name}.${DOMAIN}`
    for (const program of HELPERS) {
      const before = await helperPids(lab, 'hv1', program)
      expectThat(before.length > 0, `${program} does not run at hv1`)
      const startMs = performance.now()
      await lab.host('hv1').sh(['kill', '-9', ...before])
      await pollUntil({ what: `${name} at the gateway`, timeoutMs: 15_000 }, async () => {
        if ((await helperPids(lab, 'hv1', program)).length === 0) return false
        const script = `busybox nslookup -type=a ${name} ${GATEWAY}`
        return (await inGuest(lab.host(HOME), GUEST.name, script)).stdout.includes('10.100.10.')
      })
      const tookMs = performance.now() - startMs
      expectThat(tookMs <= HELPER_BACK_MS, `${program} was back only after ${seconds(tookMs)}`)
      seen.push(`${program} after ${seconds(tookMs)}`)
    }
    const address = lab.heartbeats(GUEST.name).at(-1)?.ip
    const script = 'busybox udhcpc -i eth0 -s /etc/udhcpc.sh -f -q -n -t 5 -T 1; cat /run/ip.eth0'
    const again = await inGuest(lab.host(HOME), GUEST.name, script)
    expectThat(again.stdout.trim().endsWith(address ?? '?'), `the guest had ${address}, now: ${again.stdout}`)
    return `${seen.join(', ')}; the guest keeps ${address}`
  },
}

async function gatewayAt(lab: Lab, host: string): Promise<boolean> {
  const argv = ['ip', '-br', 'address', 'show', 'dev', BRIDGE]
  const { stdout } = await lab.host(host).sh(argv, { timeoutMs: 5000, allowFailure: true })
  return stdout.includes(`${GATEWAY}/`)
}

const daemonKilled: StoryStep = {
  title: 'kill -9 of the primary’s pvcnoded: nothing of it goes on serving guests',
  async run(lab) {
    await lab.host('hv1').service('pvcnoded', 'kill')
    const startMs = performance.now()
    await pollUntil({ what: 'no gateway and no helper at hv1', timeoutMs: 10_000 }, async () => {
      const left = await Promise.all(HELPERS.map((program) => helperPids(lab, 'hv1', program)))
      return left.flat().length === 0 && !(await gatewayAt(lab, 'hv1'))
    })
    const goneMs = performance.now() - startMs
    const primary = await settledPrimary(lab)
    const holders = await Promise.all(coordinatorNames(lab).map((name) => gatewayAt(lab, name)))
    expectThat(holders.filter(Boolean).length === 1, `the gateway is on ${holders.filter(Boolean).length} nodes`)
    return `gone after ${seconds(goneMs)}; ${primary} serves`
  },
}

const powerCut: StoryStep = {
  title: 'power cut of the primary: the gateway is back, with everything it knew',
  async run(lab) {
    await makePrimary(lab, 'hv1')
    await settledPrimary(lab)
    const startMs = performance.now()
    await lab.host('hv1').power('off')
    const script = `busybox ping -q -c 1 -W 1 ${GATEWAY}`
    await pollUntil({ what: 'the gateway', timeoutMs: 30_000 }, async () => {
      return (await inGuest(lab.host(HOME), GUEST.name, script)).exitCode === 0
    })
    const tookMs = performance.now() - startMs
    const address = lab.heartbeats(GUEST.name).at(-1)?.ip ?? ''
    const found = await pollUntil({ what: 'the name of the guest', timeoutMs: 10_000 }, async () => {
      return (await ask(lab, floatingAddress('cluster'), `${GUEST.name}.${DOMAIN}`)) === address && address
    })
    await lab.host('hv1').power('on')
    await settledPrimary(lab)
    expectThat(!(await gatewayAt(lab, 'hv1')), 'hv1 came back with the gateway')
    expectThat(tookMs <= CRASH_MS, `the gateway was back only after ${seconds(tookMs)}`)
    return `after ${seconds(tookMs)}; ${GUEST.name} is still ${found}`
  },
}

/** All steps, each after the other on one lab. */
export const servicesStory: readonly StoryStep[] = [
  network,
  names,
  metadata,
  filter,
  handover,
  killed,
  daemonKilled,
  powerCut,
]
