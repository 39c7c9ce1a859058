import { Limiter } from '../../base/limiter.ts'
import { errorChain, hasCode, PvcError } from '../../model/errors.ts'
import { canonicalIp, entriesOf, wholeAddress } from '../../model/storage-address.ts'
import type { OsdStates, StorageFence } from '../../ports/storage-fence.ts'
import { type RunCommand, runCommand } from '../process/command.ts'
import { type OsdMap, parseBlocklist, parseOsdDump, parseOsdStatus } from './parse-fence.ts'
import { runCephTool } from './tool.ts'

export type StorageFenceCliOptions = {
  /**
   * Ceph user without `client.`. Blocklisting needs mon `profile rbd, allow command "osd blocklist"`. Asking OSDs for their
   * map needs osd `allow *` (nothing smaller is let through, measured on 16.2), marking them down mon `allow command "osd down"`.
   */
  readonly user: string
  readonly configFile: string
  /** Bound of one command. */
  readonly deadlineMs: number
  /** Default: real processes. */
  readonly run?: RunCommand
}

const JSON_OUT = ['--format', 'json'] as const
/** Questions to OSDs at the same time: each is a process of 150 ms of processor time. */
const PARALLEL_QUESTIONS = 8
/** Nobody's address (RFC 5737), and gone by itself after this time if it could not be taken out again. */
const TEST_ADDRESS = '192.0.2.1:0/1'
const TEST_EXPIRE_S = 5

/** The storage fence over `ceph`. Whole addresses are written `ip:0/0`, so
 * clients that connect later are shut out, too; where such an entry is about to end, a range of one address stands beside it. */
export function createStorageFence(options: StorageFenceCliOptions): StorageFence {
  const { user, configFile, deadlineMs, run = runCommand } = options
  const ceph = (what: string, args: readonly string[], signal: AbortSignal | undefined) =>
    runCephTool({ run, user, configFile, deadlineMs }, { tool: 'ceph', what, args, signal })
  const dump = async (signal: AbortSignal | undefined) =>
    parseOsdDump(await ceph('reading the OSD map', ['osd', 'dump', ...JSON_OUT], signal))
  const add = (address: string, expireS: number, signal: AbortSignal | undefined) =>
    ceph(`blocklisting ${address}`, ['osd', 'blocklist', 'add', address, String(expireS)], signal)
  const remove = (address: string, signal: AbortSignal | undefined) =>
    ceph(`taking ${address} out of the blocklist`, ['osd', 'blocklist', 'rm', address], signal)
  const addRange = (ip: string, expireS: number, signal: AbortSignal | undefined) => {
    const args = ['osd', 'blocklist', 'range', 'add', rangeOf(ip), String(expireS)]
    return ceph(`blocklisting ${rangeOf(ip)}`, args, signal)
  }
  const removeRange = (ip: string, signal: AbortSignal | undefined) =>
    ceph(`taking ${rangeOf(ip)} out of the blocklist`, ['osd', 'blocklist', 'range', 'rm', rangeOf(ip)], signal)
  const questions = new Limiter(PARALLEL_QUESTIONS)

  return {
    async blocklist(addresses, expireS, signal) {
      await Promise.all(addresses.map((address) => add(wholeAddress(address), expireS, signal)))
      const map = await dump(signal)
      const short = addresses.filter((address) => !lasts(map, address, expireS))
      if (short.length === 0) return statesOf(map)
      await Promise.all(short.map((address) => prolong(map, address, expireS, signal)))
      const later = await dump(signal)
      const missing = short.filter((address) => !lasts(later, address, expireS))
      if (missing.length === 0) return statesOf(later)
      throw new PvcError(
        'PVC_CEPH_FAILED',
        `Ceph took ${missing.join(', ')}, but its blocklist does not show it to last`,
      )
    },
    async unblocklist(addresses, signal) {
      await Promise.all(addresses.flatMap((ip) => [remove(wholeAddress(ip), signal), removeRange(ip, signal)]))
    },
    async entries(signal) {
      return parseBlocklist(await ceph('reading the blocklist', ['osd', 'blocklist', 'ls', ...JSON_OUT], signal))
    },
    async osds(signal) {
      return statesOf(await dump(signal))
    },
    async osdEpochs(ids, signal) {
      const answers = await Promise.all(ids.map((id) => questions.run(() => ask(id, signal))))
      return new Map(answers.flatMap((answer) => (answer === undefined ? [] : [[answer.id, answer.epoch]])))
    },
    async markDown(ids, signal) {
      if (ids.length === 0) return
      await ceph(`marking OSD ${ids.join(', ')} down`, ['osd', 'down', ...ids.map(String)], signal)
    },
    async mayBlocklist(signal) {
      await add(TEST_ADDRESS, TEST_EXPIRE_S, signal)
      await remove(TEST_ADDRESS, signal)
    },
  }

  /** An entry that is there is not prolonged: the other of the two is made anew, so that one of them always stands. */
  async function prolong(map: OsdMap, ip: string, expireS: number, signal: AbortSignal | undefined): Promise<void> {
    const hasRange = untilOf(map, entriesOf(ip)[1]) > 0
    if (!hasRange) return void (await addRange(ip, expireS, signal))
    await remove(wholeAddress(ip), signal)
    await add(wholeAddress(ip), expireS, signal)
  }

  async function ask(id: number, signal: AbortSignal | undefined) {
    try {
      return parseOsdStatus(
        await ceph(`asking OSD ${id} for its map`, ['tell', `osd.${id}`, 'status', ...JSON_OUT], signal),
      )
    } catch (error) {
      // Down or silent: it is missing in the answer. A refusal is another matter, because it would be for ever.
      if (hasCode(error, 'PVC_CEPH_TIMEOUT', 'PVC_CEPH_NOT_FOUND') || exitCodeOf(error) === NO_SUCH_OSD)
        return undefined
      if (exitCodeOf(error) !== DENIED) throw error
      const message = `Ceph user ${user} may not ask OSDs for their map; give it osd 'allow *'`
      throw new PvcError('PVC_CEPH_FAILED', message, { cause: new Error(errorChain(error)) })
    }
  }
}

/** Exit codes of `ceph tell`: ENXIO for an OSD that is down, EACCES. */
const NO_SUCH_OSD = 6
const DENIED = 13

function statesOf({ epoch, osds }: OsdMap): OsdStates {
  return { epoch, osds }
}

function rangeOf(ip: string): string {
  return ip.includes(':') ? `${canonicalIp(ip)}/128` : `${ip}/32`
}

function untilOf(map: OsdMap, entry: string): number {
  return map.blocklist.find(({ address }) => address === entry)?.untilMs ?? 0
}

/** At least half of what was asked for: Ceph's clock is another one, and an entry may have been there. */
function lasts(map: OsdMap, ip: string, expireS: number): boolean {
  const enoughMs = Date.now() + (expireS * 1000) / 2
  return entriesOf(ip).some((entry) => untilOf(map, entry) >= enoughMs)
}

function exitCodeOf(error: unknown): unknown {
  return error instanceof PvcError ? error.details['exitCode'] : undefined
}
