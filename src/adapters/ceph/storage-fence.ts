import { Limiter } from '../../base/limiter.ts'
import { errorChain, hasCode, PvcError } from '../../model/errors.ts'
import { canonicalIp, entriesOf, wholeAddress } from '../../model/storage-address.ts'
import type { OsdStates, StorageFence } from '../../ports/storage-fence.ts'
import { type RunCommand, runCommand } from '../process/command.ts'
import { type MonCommand, sendMonCommands } from './mon-command.ts'
import { type OsdMap, parseBlocklist, parseOsdDump, parseOsdStatus } from './parse-fence.ts'

export type StorageFenceOptions = {
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

/** Questions to OSDs at the same time: each is a process, so that one that hangs keeps no other waiting. */
const PARALLEL_QUESTIONS = 8
/** Nobody's address (RFC 5737), and gone by itself after this time if it could not be taken out again. */
const TEST_ADDRESS = '192.0.2.1:0/1'
const TEST_EXPIRE_S = 5

const DUMP: MonCommand = { command: { prefix: 'osd dump', format: 'json' } }

function add(addr: string, expireS: number): MonCommand {
  return { command: { prefix: 'osd blocklist', blocklistop: 'add', addr, expire: expireS } }
}

function remove(addr: string): MonCommand {
  return { command: { prefix: 'osd blocklist', blocklistop: 'rm', addr } }
}

function addRange(ip: string, expireS: number): MonCommand {
  return {
    command: { prefix: 'osd blocklist', range: 'range', blocklistop: 'add', addr: rangeOf(ip), expire: expireS },
  }
}

function removeRange(ip: string): MonCommand {
  return { command: { prefix: 'osd blocklist', range: 'range', blocklistop: 'rm', addr: rangeOf(ip) } }
}

/**
 * The storage fence over librados. Whole addresses are written `ip:0/0`, so clients that connect later are shut out, too;
 * where such an entry is about to end, a range of one address stands beside it.
 */
export function createStorageFence(options: StorageFenceOptions): StorageFence {
  const { user, configFile, deadlineMs, run = runCommand } = options
  const send = (what: string, groups: readonly (readonly MonCommand[])[], signal: AbortSignal | undefined) =>
    sendMonCommands({ run, user, configFile, deadlineMs }, what, groups, signal)
  const questions = new Limiter(PARALLEL_QUESTIONS)

  return {
    async blocklist(addresses, expireS, signal) {
      const what = `blocklisting ${addresses.join(', ')}`
      const adds = addresses.map((ip) => add(wholeAddress(ip), expireS))
      const map = parseOsdDump(await send(what, [adds, [DUMP]], signal))
      const short = addresses.filter((address) => !lasts(map, address, expireS))
      if (short.length === 0) return statesOf(map)
      const steps = short.map((ip) => prolonged(map, ip, expireS))
      const [first, second] = [steps.flatMap(([one]) => one ?? []), steps.flatMap(([, two]) => two ?? [])]
      const later = parseOsdDump(await send(what, [first, second, [DUMP]], signal))
      const missing = short.filter((address) => !lasts(later, address, expireS))
      if (missing.length === 0) return statesOf(later)
      throw new PvcError(
        'PVC_CEPH_FAILED',
        `Ceph took ${missing.join(', ')}, but its blocklist does not show it to last`,
      )
    },
    async unblocklist(addresses, signal) {
      const removals = addresses.flatMap((ip) => [remove(wholeAddress(ip)), removeRange(ip)])
      await send(`taking ${addresses.join(', ')} out of the blocklist`, [removals], signal)
    },
    async entries(signal) {
      const list: MonCommand = { command: { prefix: 'osd blocklist ls', format: 'json' } }
      return parseBlocklist(await send('reading the blocklist', [[list]], signal))
    },
    async osds(signal) {
      return statesOf(parseOsdDump(await send('reading the OSD map', [[DUMP]], signal)))
    },
    async osdEpochs(ids, signal) {
      const answers = await Promise.all(ids.map((id) => questions.run(() => ask(id, signal))))
      return new Map(answers.flatMap((answer) => (answer === undefined ? [] : [[answer.id, answer.epoch]])))
    },
    async markDown(ids, signal) {
      if (ids.length === 0) return
      const down: MonCommand = { command: { prefix: 'osd down', ids: ids.map(String) } }
      await send(`marking OSD ${ids.join(', ')} down`, [[down]], signal)
    },
    async mayBlocklist(signal) {
      // Each with a deadline of its own: the monitors may take a second for the second change of a map.
      await send('making a blocklist entry', [[add(TEST_ADDRESS, TEST_EXPIRE_S)]], signal)
      await send('taking a blocklist entry out again', [[remove(TEST_ADDRESS)]], signal)
    },
  }

  async function ask(id: number, signal: AbortSignal | undefined) {
    try {
      const status: MonCommand = { osd: id, command: { prefix: 'status', format: 'json' } }
      return parseOsdStatus(await send(`asking OSD ${id} for its map`, [[status]], signal))
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

/** Of a question to an OSD: ENXIO for one that is down, EACCES. */
const NO_SUCH_OSD = 6
const DENIED = 13

/** An entry that is there is not prolonged: the other of the two is made anew, so that one of them always stands. In two steps. */
function prolonged(map: OsdMap, ip: string, expireS: number): readonly MonCommand[] {
  const hasRange = untilOf(map, entriesOf(ip)[1]) > 0
  return hasRange ? [remove(wholeAddress(ip)), add(wholeAddress(ip), expireS)] : [addRange(ip, expireS)]
}

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
