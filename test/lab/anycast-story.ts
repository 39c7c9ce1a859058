/** The story of gateways that are on every node: guests route where they run, and need the primary for its services only. */
import {
  addressOf,
  back,
  bert,
  fred,
  front,
  gatewayOf,
  PING_MS,
  type Pings,
  PRIMARY,
  ping,
  run,
  tunnelled,
} from './anycast-ground.ts'
import { outsideAddress } from './guest-network-files.ts'
import { untilAgent } from './in-guest.ts'
import { defineGuest, ensurePool } from './moved-guest.ts'
import { devicesOf } from './network-devices.ts'
import { pollUntil } from './poll.ts'
import { makePrimary, settledPrimary } from './primary.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'

const made: StoryStep = {
  title: 'two networks with their gateway on every node, and a guest in each, on different nodes',
  async run(lab) {
    await settledPrimary(lab)
    await makePrimary(lab, PRIMARY)
    for (const { vni, name, prefix, ip6 } of [front, back]) {
      const net = ['--ipnet', `${prefix}.0/24`, '--gateway', `${prefix}.1`, '--ipnet6', `${ip6}:/64`]
      const dhcp = ['--dhcp', '--dhcp-start', `${prefix}.100`, '--dhcp-end', `${prefix}.199`]
      const words = ['-p', 'managed', '-d', name, '-n', `${name}.lab`, '--gateway-mode', 'anycast']
      await lab.pvc(['-q', 'network', 'add', vni, ...words, ...net, ...dhcp])
    }
    const startMs = performance.now()
    await Promise.all(
      lab.hosts.map((host) =>
        pollUntil({ what: `both gateways on ${host.name}`, timeoutMs: 20_000 }, async () => {
          const { stdout } = await host.sh(['ip', '-br', 'address'], { timeoutMs: 5000 })
          const { length } = (await devicesOf(host)).filter((name) => name.startsWith('vmbr12'))
          return length === 2 && [front, back].every((net) => stdout.includes(` ${gatewayOf(net)}/24`))
        }),
      ),
    )
    const tookMs = performance.now() - startMs
    await ensurePool(lab)
    for (const guest of [fred, bert]) {
      await defineGuest(lab, guest, guest.home, [], { bridge: `vmbr${guest.net.vni}`, agent: true })
      await lab.pvc(['-q', 'vm', 'start', guest.name])
    }
    for (const guest of [fred, bert]) {
      const wanted = ({ ip }: { ip: string | undefined }) => ip !== undefined
      await lab.waitForHeartbeat(guest.name, { wanted, timeoutMs: 60_000 })
      await untilAgent(lab.host(guest.home), guest.name, 60_000)
    }
    return `gateways everywhere after ${seconds(tookMs)}; fred ${addressOf(lab, fred)}, bert ${addressOf(lab, bert)}, by DHCP of ${PRIMARY}`
  },
}

const local: StoryStep = {
  title: 'the gateway of a guest’s own node answers, and nothing about it crosses to other nodes',
  async run(lab) {
    const seen: string[] = []
    for (const guest of [fred, bert]) {
      const { net, home } = guest
      const gateway = gatewayOf(net)
      let answers: Pings | undefined
      const frames = await tunnelled(lab, home, net, `ip daddr ${gateway}`, async () => {
        answers = await ping(lab, guest, gateway, 20)
      })
      expectThat(answers?.lost === 0, `${answers?.lost} of 20 pings to the gateway were lost`)
      expectThat(frames === 0, `${frames} pings to the gateway left ${home}`)
      const mac = (await run(lab, guest, 'busybox ip neigh; busybox arp -n')).stdout
      expectThat(mac.includes('06:00:00:'), `the gateway is known as: ${mac}`)
      const asked = await tunnelled(lab, home, net, `arp daddr ip ${gateway}`, () =>
        run(lab, guest, `busybox arping -c 3 -I eth0 ${gateway}`),
      )
      const told = await tunnelled(lab, home, net, `arp operation reply arp saddr ip ${gateway}`, () =>
        lab.host(home).sh(['arping', '-q', '-A', '-c', '2', '-I', `vmbr${net.vni}`, gateway], { timeoutMs: 10_000 }),
      )
      expectThat(asked === 0 && told === 0, `${asked} questions and ${told} answers about ${gateway} left ${home}`)
      seen.push(`${guest.name}: 20 of 20 at ${home}`)
    }
    return seen.join(', ')
  },
}

const between: StoryStep = {
  title: 'guests of both networks reach each other by one hop, without the primary, and the outside by it',
  async run(lab) {
    const target = addressOf(lab, bert)
    let first = await ping(lab, fred, target, 5)
    if (first.lost === 5) first = await ping(lab, fred, target, 20)
    const through = await tunnelled(lab, PRIMARY, back, `ip daddr ${target} icmp type echo-request`, async () => {
      first = await ping(lab, fred, target, 20)
    })
    expectThat(first.lost === 0, `${first.lost} of 20 pings from fred to bert were lost`)
    expectThat(/ttl=63/.test(first.text), `not one hop away: ${first.text}`)
    expectThat(through === 0, `${through} of them went through ${PRIMARY}`)
    const outside = await ping(lab, fred, outsideAddress, 20)
    expectThat(outside.lost === 0, `${outside.lost} of 20 pings to the outside were lost`)
    return `fred → bert: ${/round-trip.*/.exec(first.text)?.[0]}; → outside: ${/round-trip.*/.exec(outside.text)?.[0]}`
  },
}

const services: StoryStep = {
  title: 'names, metadata and renewals come from the primary on another node',
  async run(lab) {
    const name = await run(lab, fred, `busybox nslookup -type=a bert.back.lab ${gatewayOf(front)}`)
    expectThat(name.stdout.includes(addressOf(lab, bert)), `the name of bert: ${name.stdout}${name.stderr}`)
    const request =
      "(printf 'GET /latest/meta-data/instance-id HTTP/1.0\\r\\n\\r\\n'; sleep 1) | busybox nc -w 3 169.254.169.254 80"
    const metadata = await run(lab, fred, request)
    expectThat(metadata.stdout.includes(fred.uuid), `metadata: ${metadata.stdout}${metadata.stderr}`)
    const renewal = 'busybox udhcpc -i eth0 -s /etc/udhcpc.sh -f -q -n -t 5 -T 1; cat /run/ip.eth0'
    const again = await run(lab, fred, renewal)
    expectThat(again.stdout.trim().endsWith(addressOf(lab, fred)), `a renewal: ${again.stdout}${again.stderr}`)
    return `bert.back.lab, instance-id, and ${addressOf(lab, fred)} again`
  },
}

const filtered: StoryStep = {
  title: 'rules apply on the node that routes; rules that follow connections take the way by the primary',
  async run(lab) {
    const acl = (words: readonly string[]) => lab.pvc(['-q', 'network', 'acl', ...words])
    const target = addressOf(lab, bert)
    const until = (what: string, isAnswered: boolean) =>
      pollUntil(
        { what, timeoutMs: 15_000 },
        async () => (await ping(lab, fred, target, 3)).lost === (isAnswered ? 0 : 3),
      )
    await acl(['add', back.vni, '--in', '-d', 'no pings', '-r', 'icmp type echo-request drop'])
    await until('no answer of bert', false)
    await acl(['remove', back.vni, 'no pings', '-y'])
    await until('an answer of bert', true)
    await acl(['add', front.vni, '--in', '-d', 'answers', '-r', 'ct state established,related accept'])
    await acl(['add', front.vni, '--in', '-d', 'nothing else', '-r', 'drop'])
    await until('an answer that follows a question', true)
    const back1 = await ping(lab, bert, addressOf(lab, fred), 3)
    expectThat(back1.lost === 3, 'bert reaches fred although only answers may')
    const { text } = await ping(lab, fred, gatewayOf(front), 3)
    await acl(['remove', front.vni, 'nothing else', '-y'])
    await acl(['remove', front.vni, 'answers', '-y'])
    await until('an answer of bert at last', true)
    return `dropped on ${fred.home}; answers pass, questions do not; gateway meanwhile: ${/\d+ packets received/.exec(text)?.[0]}`
  },
}

const moved: StoryStep = {
  title: 'live migration there and back: at most 3 pings to the gateway are lost each time, and none after it',
  async run(lab) {
    const target = gatewayOf(front)
    const seen: string[] = []
    for (const to of ['hv3', 'hv2']) {
      const file = `/run/pings-${to}`
      const script = `busybox ping -i ${PING_MS / 1000} -W 1 -c 2000 ${target} >${file} 2>&1 & echo $! >${file}.pid`
      await run(lab, fred, script)
      await lab.pvc(['-q', 'vm', 'move', fred.name, '-t', to, '-w'], { timeoutMs: 90_000 })
      const { stdout } = await run(lab, fred, `sleep 1; kill -INT $(cat ${file}.pid); sleep 1; cat ${file}`)
      const counts = /(\d+) packets transmitted, (\d+) packets received/.exec(stdout)
      const lost = Number(counts?.[1]) - Number(counts?.[2])
      expectThat(lost <= 3, `${lost} of ${counts?.[1]} pings to the gateway were lost in the move to ${to}`)
      const after = [await ping(lab, fred, target, 20), await ping(lab, fred, addressOf(lab, bert), 20)]
      expectThat(
        after.every((each) => each.lost === 0),
        `lost after the move to ${to}: ${after.map((each) => each.lost)}`,
      )
      seen.push(`${to}: ${lost} of ${counts?.[1]} lost`)
    }
    return seen.join(', ')
  },
}

const handover: StoryStep = {
  title: 'planned handover there and back: nothing is lost to the gateway and the other network',
  async run(lab) {
    await settledPrimary(lab)
    const targets = [gatewayOf(front), addressOf(lab, bert), outsideAddress]
    const pings = Promise.all(targets.map((target) => ping(lab, fred, target, 300)))
    // Read late: an error of the handover must not leave it unheard.
    pings.catch(() => undefined)
    await makePrimary(lab, 'hv2')
    await makePrimary(lab, PRIMARY)
    const [gateway, other, outside] = (await pings).map(({ lost }) => lost)
    const seen = `lost of 300: ${gateway} to the gateway, ${other} to bert, ${outside} to the outside`
    expectThat(gateway === 0 && other === 0, seen)
    return seen
  },
}

const six: StoryStep = {
  title: 'by IPv6 the same: the own node answers, the other network is one hop away',
  async run(lab) {
    const found = await run(lab, bert, 'busybox ip -6 addr show dev eth0 scope global')
    const target = /inet6 (fd00:100:21:[0-9a-f:]+)/.exec(found.stdout)?.[1]
    if (target === undefined) throw new Error(`bert has no address of its network: ${found.stdout}${found.stderr}`)
    const gateway = `${front.ip6}:1`
    let own: Pings | undefined
    const frames = await tunnelled(lab, fred.home, front, `ip6 daddr ${gateway} icmpv6 type echo-request`, async () => {
      own = await ping(lab, fred, gateway, 20)
    })
    expectThat(
      own?.lost === 0 && frames === 0,
      `${own?.lost} of 20 pings to ${gateway} were lost, ${frames} left the node`,
    )
    await ping(lab, fred, target, 20)
    const other = await ping(lab, fred, target, 20)
    expectThat(other.lost === 0, `${other.lost} of 20 pings to ${target} were lost`)
    expectThat(/ttl=63/.test(other.text), `not one hop away: ${other.text}`)
    return `${target}: ${/round-trip.*/.exec(other.text)?.[0]}`
  },
}

const powerCut: StoryStep = {
  title: 'power cut of the primary: no ping to the gateway and none to the other network is lost',
  async run(lab) {
    await settledPrimary(lab)
    await makePrimary(lab, PRIMARY)
    const both = Promise.all([ping(lab, fred, gatewayOf(front), 300), ping(lab, fred, addressOf(lab, bert), 300)])
    both.catch(() => undefined)
    await lab.host(PRIMARY).power('off')
    const startMs = performance.now()
    await pollUntil({ what: 'the outside by the new primary', timeoutMs: 40_000 }, async () => {
      return (await ping(lab, fred, outsideAddress, 2)).lost < 2
    })
    const outsideMs = performance.now() - startMs
    const [gateway, other] = await both
    await lab.host(PRIMARY).power('on')
    await settledPrimary(lab)
    expectThat(gateway.lost === 0, `${gateway.lost} of 300 pings to the gateway were lost`)
    expectThat(other.lost === 0, `${other.lost} of 300 pings to bert were lost`)
    return `0 of 300 lost to the gateway, 0 of 300 to bert; the outside back after ${seconds(outsideMs)}`
  },
}

const givenBack: StoryStep = {
  title: 'a network is given back to the primary: one node has the gateway, and guests find it',
  async run(lab) {
    await lab.pvc(['-q', 'network', 'modify', front.vni, '--gateway-mode', 'primary'])
    const startMs = performance.now()
    await pollUntil({ what: 'the gateway on one node', timeoutMs: 20_000 }, async () => {
      const found = await Promise.all(
        lab.hosts.map(async (host) => {
          const { stdout } = await host.sh(['ip', '-br', 'address'], { timeoutMs: 5000 })
          return stdout.includes(` ${gatewayOf(front)}/`)
        }),
      )
      return found.filter(Boolean).length === 1
    })
    await pollUntil({ what: 'the gateway for fred', timeoutMs: 20_000 }, async () => {
      return (await ping(lab, fred, gatewayOf(front), 3)).lost === 0
    })
    return `after ${seconds(performance.now() - startMs)}`
  },
}

/** All steps, each after the other on one lab. */
export const anycastStory: readonly StoryStep[] = [
  made,
  local,
  between,
  six,
  services,
  filtered,
  moved,
  handover,
  powerCut,
  givenBack,
]
