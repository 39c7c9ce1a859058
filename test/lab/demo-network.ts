/** Steps of the demo: a network and a guest in it, made as an operator makes them. */
import { inGuest, untilAgent } from './in-guest.ts'
import { metadataOf } from './metadata-steps.ts'
import { defineGuest, ensurePool, type MovedGuest } from './moved-guest.ts'
import { untilJoined, untilSessions } from './network-devices.ts'
import { learnedBy, untilReached } from './outside-router.ts'
import { floatingAddress } from './plan.ts'
import { pollUntil } from './poll.ts'
import { settledPrimary } from './primary.ts'
import { expectThat, type StoryStep, seconds } from './story.ts'

const SUBNET = '10.100.0.0/24'
const GATEWAY = '10.100.0.1'
const DOMAIN = 'shop.example.org'
const ADD = [
  ...['network', 'add', '100', '-p', 'managed', '-d', 'shop', '-n', DOMAIN, '--ipnet', SUBNET, '--gateway', GATEWAY],
  ...['--dhcp', '--dhcp-start', '10.100.0.100', '--dhcp-end', '10.100.0.199'],
]
const HOME = 'hv2'
const till: MovedGuest = { name: 'till', uuid: 'aaaaaaaa-0000-4000-8000-0000000000e1' }

const lines = (...each: readonly string[]): string => each.join('\n    ')

const added: StoryStep = {
  title: 'a network of guests is added by one command: it is on every node',
  async run(lab) {
    await settledPrimary(lab)
    await untilSessions(lab)
    await lab.pvc(['-q', ...ADD])
    const toldMs = performance.now()
    await untilJoined(lab, [100])
    const joinedMs = performance.now() - toldMs
    const what = `the route to ${SUBNET}, outside`
    const by = await pollUntil({ what, timeoutMs: 60_000 }, async () => learnedBy(lab, SUBNET))
    const learnedMs = performance.now() - toldMs
    const learned = `by BGP the router outside knows after ${seconds(learnedMs)} that ${by} leads there`
    return lines(`pvc ${ADD.join(' ')}`, `every node sends to every other after ${seconds(joinedMs)}; ${learned}`)
  },
}

const served: StoryStep = {
  title: 'a guest in it has address, name, gateway and metadata',
  async run(lab) {
    await ensurePool(lab)
    await defineGuest(lab, till, HOME, [], { bridge: 'vmbr100', agent: true })
    await lab.pvc(['-q', 'vm', 'start', till.name])
    const wanted = ({ ip }: { ip: string | undefined }) => ip !== undefined
    const { ip = '' } = await lab.waitForHeartbeat(till.name, { wanted, timeoutMs: 60_000 })
    const host = lab.host(HOME)
    await untilAgent(host, till.name, 60_000)
    const name = `${till.name}.${DOMAIN}`
    const server = floatingAddress('cluster')
    await pollUntil({ what: `${name} at ${server}`, timeoutMs: 10_000 }, async () => {
      const argv = ['dig', '+short', '+time=1', '+tries=1', `@${server}`, name]
      return (await lab.sh(argv, { timeoutMs: 5000, allowFailure: true })).stdout.trim() === ip
    })
    const { stdout } = await inGuest(host, till.name, `busybox ping -c 3 -W 1 ${GATEWAY}`)
    const received = /(\d) packets received/.exec(stdout)?.[1]
    expectThat(received === '3', `the gateway answered ${received} of 3 pings`)
    await untilReached(lab, ip)
    const id = await metadataOf(host, till.name, 'latest/meta-data/instance-id')
    expectThat(id === till.uuid, `its metadata says '${id}'`)
    const hostName = await metadataOf(host, till.name, 'latest/meta-data/hostname')
    return lines(
      `address   ${ip} by DHCP; outside it is reached by the route that the router learned`,
      `name      ${name}, asked at ${server}`,
      `gateway   ${GATEWAY}, on the primary`,
      `metadata  http://169.254.169.254 says: ${hostName}, ${id}`,
    )
  },
}

/** A network, and what guests get in it. */
export const networkSteps: readonly StoryStep[] = [added, served]
