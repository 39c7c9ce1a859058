/** The story of what the primary does for guests: addresses, names, a gateway that moves without a gap. */
import { outsideAddress } from './guest-network-files.ts'
import { inGuest, untilAgent } from './in-guest.ts'
import type { Lab } from './lab.ts'
import { cloudInit, metadata } from './metadata-steps.ts'
import { learnedBy, lostFromOutside, untilLearnedBy, untilReached } from './outside-router.ts'
import { floatingAddress } from './plan.ts'
import { pollUntil } from './poll.ts'
import { coordinatorNames, makePrimary, settledPrimary } from './primary.ts'
import {
  addShop,
  BRIDGE,
  DOMAIN,
  GATEWAY,
  GATEWAY6,
  GUEST,
  guestAddress,
  HOME,
  lostPings,
  SUBNET,
  VNI,
} from './services-ground.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'
import { leadAt, leadElsewhere } from './zookeeper-leader.ts'

const HELPERS = ['dnsmasq', 'pdns_server'] as const

/** Limits for a machine that does other things, too. */
const ADDRESS_S = 5
const CRASH_MS = 8000
/** Then nobody knows of the death before ZooKeeper has a leader again. */
const LEADER_CRASH_MS = 10_000
/** From the order to the route by the new primary, or from the new network to its first route. */
const ROUTE_MS = 8000
const HELPER_BACK_MS = 5000

const network: StoryStep = {
  title: 'a network, and a guest that has its address soon after its start',
  async run(lab) {
    const first = await addShop(lab)
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
    const address = guestAddress(lab)
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

const announced: StoryStep = {
  title: 'the router outside learns the route by BGP, and reaches the guest by it; of a new network it hears at once',
  async run(lab) {
    await untilLearnedBy(lab, SUBNET, 'hv1')
    const address = guestAddress(lab)
    await untilReached(lab, address)
    const lost = await lostFromOutside(lab, address, 20)
    expectThat(lost === 0, `${lost} of 20 pings from outside were lost`)
    const other = ['network', 'add', '111', '-p', 'managed', '-d', 'depot', '-n', 'depot.lab']
    await lab.pvc(['-q', ...other, '--ipnet', '10.100.11.0/24', '--gateway', '10.100.11.1'])
    const learnedMs = await untilLearnedBy(lab, '10.100.11.0/24', 'hv1')
    await lab.pvc(['-q', 'network', 'remove', '-y', '111'])
    const removedMs = performance.now()
    await pollUntil({ what: 'no route to the removed network', timeoutMs: 20_000 }, async () => {
      return (await learnedBy(lab, '10.100.11.0/24')) === undefined
    })
    expectThat(learnedMs <= ROUTE_MS, `the route was there only after ${seconds(learnedMs)}`)
    const forgotten = seconds(performance.now() - removedMs)
    return `${SUBNET} by hv1; another network learned after ${seconds(learnedMs)}, forgotten ${forgotten} after its end`
  },
}

/** Makes a coordinator primary. @returns ms from the order until the outside sends packets to it */
async function primaryWithRoute(lab: Lab, name: string): Promise<number> {
  await settledPrimary(lab)
  const [routeMs] = await Promise.all([untilLearnedBy(lab, SUBNET, name), makePrimary(lab, name)])
  return routeMs
}

const handover: StoryStep = {
  title:
    'a planned handover there and back: at most one packet each is lost, to gateways or outside, and the route outside follows',
  async run(lab) {
    const address = guestAddress(lab)
    const targets = [GATEWAY, outsideAddress, GATEWAY6, 'fe80::1%eth0']
    for (const target of targets) {
      const answers = { what: `an answer of ${target}`, timeoutMs: 20_000 }
      await pollUntil(answers, async () => (await lostPings(lab, target, 3)) === 0)
    }
    const pings = Promise.all([
      ...targets.map((target) => lostPings(lab, target, 400)),
      lostFromOutside(lab, address, 400),
    ])
    // Read late: an error of the handover must not leave it unheard.
    pings.catch(() => undefined)
    const routesMs = [await primaryWithRoute(lab, 'hv2'), await primaryWithRoute(lab, 'hv1')]
    const [atGateway, beyond, at6, atLinkLocal, inwards] = await pings
    const gateways = `${atGateway} to the gateway, by IPv6 ${at6}, to its link-local address ${atLinkLocal}`
    const seen = `lost of 400: ${gateways}; ${beyond} to ${outsideAddress}, ${inwards} from there`
    // None by design, but a machine with two processors is late at times; the bench counts them. IPv6 addresses are taken off
    // and put on again in each handover, which tells the guests: a ping may come in between.
    expectThat(Math.max(atGateway ?? 400, beyond ?? 400, inwards ?? 400, at6 ?? 400, atLinkLocal ?? 400) <= 2, seen)
    expectThat(Math.max(...routesMs) <= ROUTE_MS, `the route followed after ${routesMs.map(seconds)}`)
    return `${seen}; the route followed ${routesMs.map(seconds).join(' and ')} after the order`
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
    const address = guestAddress(lab)
    const script = 'busybox udhcpc -i eth0 -s /etc/udhcpc.sh -f -q -n -t 5 -T 1; cat /run/ip.eth0'
    const again = await inGuest(lab.host(HOME), GUEST.name, script)
    expectThat(again.stdout.trim().endsWith(address), `the guest had ${address}, now: ${again.stdout}`)
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

/** `leader`: whether the primary carries ZooKeeper's leader. hv2 comes to lead when hv3 is stopped, hv1 hardly ever. */
function powerCut(leader: boolean): StoryStep {
  const [victim, limitMs] = leader ? ['hv2', LEADER_CRASH_MS] : ['hv1', CRASH_MS]
  return {
    title: `power cut of the primary${leader ? ' with ZooKeeper’s leader' : ''}: gateway, names and route are back`,
    async run(lab) {
      await (leader ? leadAt : leadElsewhere)(lab, victim)
      await makePrimary(lab, victim)
      await settledPrimary(lab)
      await untilLearnedBy(lab, SUBNET, victim)
      const address = guestAddress(lab)
      const startMs = performance.now()
      const sinceMs = (): number => performance.now() - startMs
      await lab.host(victim).power('off')
      const script = `busybox ping -q -c 1 -W 1 ${GATEWAY}`
      const gateway = pollUntil({ what: 'the gateway', timeoutMs: 30_000 }, async () => {
        return (await inGuest(lab.host(HOME), GUEST.name, script)).exitCode === 0 && sinceMs()
      })
      const [answerMs, outsideMs] = await Promise.all([gateway, untilReached(lab, address).then(sinceMs)])
      // What a guest answers to the outside goes by its gateway; the guest itself can be asked about once a second only.
      const gatewayMs = Math.min(answerMs, outsideMs)
      const by = await learnedBy(lab, SUBNET)
      const found = await pollUntil({ what: 'the name of the guest', timeoutMs: 10_000 }, async () => {
        return (await ask(lab, floatingAddress('cluster'), `${GUEST.name}.${DOMAIN}`)) === address && address
      })
      await lab.host(victim).power('on')
      await settledPrimary(lab)
      expectThat(!(await gatewayAt(lab, victim)), `${victim} came back with the gateway`)
      expectThat(by !== undefined && by !== victim, `outside the route is by ${by}`)
      expectThat(gatewayMs <= limitMs, `the gateway was back only after ${seconds(gatewayMs)}`)
      const seen = `the gateway after ${seconds(gatewayMs)}, reached from outside by ${by} after ${seconds(outsideMs)}`
      return `${seen}; ${GUEST.name} is still ${found}`
    },
  }
}

/** All steps, each after the other on one lab. */
export const servicesStory: readonly StoryStep[] = [
  ...[network, announced, names, metadata, cloudInit, filter, handover, killed, daemonKilled],
  ...[powerCut(false), powerCut(true)],
]
