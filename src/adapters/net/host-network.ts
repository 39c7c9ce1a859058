/** Addresses of this host through iproute2, arping (iputils) and ndptool. */
import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { z } from 'zod'
import { type Clock, sleep } from '../../base/clock.ts'
import { PvcError } from '../../model/errors.ts'
import { formatSubnet, networkOf } from '../../model/ip.ts'
import type { HostAddress, HostNetwork } from '../../ports/network.ts'
import { type CommandOutcome, type RunCommand, runCommand } from '../process/command.ts'

/** Bound of one `ip`; it takes some milliseconds. */
const IP_MS = 2000
const ANNOUNCE_TIMES = 3
const ANNOUNCE_PAUSE_MS = 1000
const ANNOUNCE_MS = 5000

/** What `ip` says about an address or a device that is not there; either way it is not on this host. */
const NOT_THERE =
  /^(RTNETLINK answers|Error: ipv[46]): (Cannot assign requested address|Address not found)|^Cannot find device/i
const NO_ROUTE = /^RTNETLINK answers: No such process|^Cannot find device/
/** Behind every route that somebody else has to the same network. */
const RETIRED_METRIC = 32_000
const FAILED_LINE = /^Command failed -:\d+$/

/** The network of this host. `run` and `interfaces` are parameters for tests. */
export function createHostNetwork(
  clock: Clock,
  options: { readonly run?: RunCommand; readonly interfaces?: typeof networkInterfaces } = {},
): HostNetwork {
  const { run = runCommand, interfaces = networkInterfaces } = options

  /** One process for all addresses: each costs several milliseconds, and a handover waits for them. */
  const batch = async (lines: readonly string[], isHarmless: (line: string) => boolean): Promise<void> => {
    if (lines.length === 0) return
    const args = ['-force', '-batch', '-']
    const outcome = await run({ file: 'ip', args, deadlineMs: IP_MS, input: `${lines.join('\n')}\n` })
    if (outcome.kind === 'exited' && outcome.exitCode === 0) return
    const errors = 'stderr' in outcome ? outcome.stderr.split('\n').filter((line) => line !== '') : []
    const serious = errors.filter((line) => !FAILED_LINE.test(line) && !isHarmless(line))
    if (outcome.kind === 'exited' && errors.length > 0 && serious.length === 0) return
    throw failure(lines.join('; '), serious, outcome)
  }

  const announceOne = async ({ address, device, isGateway }: HostAddress, signal: AbortSignal): Promise<void> => {
    if (isGateway && isIPv6(address)) return
    if (!isIPv6(address)) {
      const args = ['-q', '-A', '-c', String(ANNOUNCE_TIMES), '-I', device, address]
      return finished(
        `arping ${device} ${address}`,
        await run({ file: 'arping', args, deadlineMs: ANNOUNCE_MS, signal }),
      )
    }
    const args = ['-t', 'na', '-U', '-i', device, '-T', address, 'send']
    for (let time = 0; time < ANNOUNCE_TIMES && !signal.aborted; time += 1) {
      if (time > 0) await sleep(clock, ANNOUNCE_PAUSE_MS, signal)
      if (signal.aborted) return
      finished(`ndptool ${device} ${address}`, await run({ file: 'ndptool', args, deadlineMs: ANNOUNCE_MS, signal }))
    }
  }

  return {
    present: () =>
      Object.entries(interfaces()).flatMap(([device, entries]) =>
        (entries ?? []).map(({ address, cidr }) => ({ device, address, prefix: Number(cidr?.split('/')[1] ?? 0) })),
      ),
    add: (addresses) => batch(addresses.map(addLine), () => false),
    remove: (addresses) => batch(addresses.map(removeLine), (line) => NOT_THERE.test(line)),
    async retire(addresses) {
      // The kernel forgets the routes of a device with its last address, so they come after it, in the same breath.
      await batch([...addresses.map(removeLine), ...routeLines('replace', addresses)], () => true)
      await batch(addresses.map(removeLine), (line) => NOT_THERE.test(line))
    },
    endRetirement: (addresses) => batch(routeLines('del', addresses), (line) => NO_ROUTE.test(line)),
    renew: (addresses) =>
      batch(
        addresses.flatMap((address) => [removeLine(address), addLine(address)]),
        (line) => NOT_THERE.test(line),
      ),
    async announce(addresses, signal) {
      await Promise.all(addresses.map((address) => announceOne(address, signal)))
    },
    async neighbour(address, device) {
      const args = ['-json', 'neighbour', 'show', 'to', address, 'dev', device]
      const outcome = await run({ file: 'ip', args, deadlineMs: IP_MS })
      finished(`ip neighbour ${device} ${address}`, outcome)
      return parseNeighbour(outcome.kind === 'exited' ? outcome.stdout : '')
    },
  }
}

/**
 * `replace`, so that an address that is there is no error. IPv6: without duplicate address detection, which takes a second,
 * and deprecated, so that no connection of this host begins from an address that will move away. IPv4 needs no such mark: in a
 * subnet where the host has an address of its own the floating one is secondary and never chosen.
 * A gateway of IPv6 needs no mark, which would reach guests as an outdated prefix, and is added with the kernel's detection, which
 * is switched off on its device: only then does the kernel tell the neighbours.
 */
function addLine({ address, prefix, device, isGateway }: HostAddress): string {
  const how = isIPv6(address) && !isGateway ? ' nodad preferred_lft 0' : ''
  return `address replace ${address}/${prefix} dev ${device}${how}`
}

function removeLine({ address, prefix, device }: HostAddress): string {
  return `address del ${address}/${prefix} dev ${device}`
}

/** Routes into the networks of addresses, without an address of this host. */
function routeLines(verb: 'replace' | 'del', addresses: readonly HostAddress[]): readonly string[] {
  return addresses
    .filter(({ address }) => !/^fe80:/i.test(address))
    .map(({ address, prefix, device }) => {
      const network = formatSubnet(networkOf(address, prefix))
      return `route ${verb} ${network} dev ${device} metric ${RETIRED_METRIC}`
    })
}

/** First MAC address of `ip -json neighbour show`. */
function parseNeighbour(text: string): string | undefined {
  const entries: unknown = JSON.parse(text.trim() === '' ? '[]' : text)
  return z
    .array(z.object({ lladdr: z.string().optional() }))
    .parse(entries)[0]
    ?.lladdr?.toLowerCase()
}

function finished(what: string, outcome: CommandOutcome): void {
  if (outcome.kind === 'aborted' || (outcome.kind === 'exited' && outcome.exitCode === 0)) return
  throw failure(what, 'stderr' in outcome ? outcome.stderr.split('\n').filter((line) => line !== '') : [], outcome)
}

function failure(what: string, errors: readonly string[], outcome: CommandOutcome): PvcError {
  const words = outcome.kind === 'not-started' ? outcome.error.message : errors.join(', ') || outcome.kind
  return new PvcError('PVC_NETWORK_FAILED', `${what}: ${words}`)
}
