/** Network devices through iproute2's `ip`, and kernel settings through /proc/sys. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unreachable } from '../../base/assert.ts'
import { backoffDelayMs } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { PvcError } from '../../model/errors.ts'
import type { KernelSetting, LinkChange } from '../../model/link.ts'
import type { VfConfig } from '../../model/sriov.ts'
import type { LinkFailure, Links } from '../../ports/links.ts'
import type { Log } from '../../ports/log.ts'
import { type RunCommand, runCommand } from '../process/command.ts'
import { isEndOfFailure, parseBatchFailures, parseLinks } from './parse.ts'

export type LinksOptions = {
  readonly clock: Clock
  readonly log: Log
  /** Default: real processes. */
  readonly run?: RunCommand
  /** Words before `ip`, such as those that lead into a network namespace; default none. */
  readonly prefix?: readonly string[]
  /** Where the kernel's settings are; default /proc/sys. */
  readonly settingsDir?: string
}

const LIST_MS = 10_000
/**
 * A removed device costs the kernel tens of milliseconds, a busy machine more: what is left of many is done by the next process, so
 * that no number of networks is too large for the deadline of one.
 */
const CHANGES_AT_ONCE = 100
const CHANGE_MS = 30_000
/** So many are read before others in this process get their turn: a millisecond. */
const SETTINGS_AT_ONCE = 64
/** UDP port of VXLAN (RFC 7348); the kernel's default is another one. */
const VXLAN_PORT = 4789
const MONITOR_RETRY = { firstMs: 500, maxMs: 30_000 }

export function createLinks(options: LinksOptions): Links {
  const { run = runCommand, prefix = [], settingsDir = '/proc/sys' } = options
  const ip: Ip = (what, args, input) => callIp(run, what, { args: [...prefix, 'ip', ...args], input })
  const monitor = new LinkMonitor(options)
  return {
    async list() {
      const text = await ip('listing network devices', ['-json', '-details', 'link', 'show'])
      return parseLinks(text.stdout)
    },
    async apply(changes) {
      const failures: LinkFailure[] = []
      for (let from = 0; from < changes.length; from += CHANGES_AT_ONCE)
        failures.push(...(await applySome(ip, changes.slice(from, from + CHANGES_AT_ONCE))))
      return failures
    },
    async keep(settings) {
      const failures: LinkFailure[] = []
      for (const [index, setting] of settings.entries()) {
        if (index % SETTINGS_AT_ONCE === SETTINGS_AT_ONCE - 1)
          await new Promise<void>((resolve) => setImmediate(resolve))
        failures.push(...(await keepSetting(join(settingsDir, setting.key), setting)))
      }
      return failures
    },
    subscribe: (listener) => monitor.subscribe(listener),
    close: () => monitor.close(),
  }
}

async function applySome(ip: Ip, changes: readonly LinkChange[]): Promise<readonly LinkFailure[]> {
  const all = await batch(ip, changes)
  if (!all.isCutShort) return all.failures
  // ip gives up a batch at some mistakes, without saying at which line. Each change alone then shows which it was; what
  // the batch has done already is no failure.
  const failures: LinkFailure[] = []
  for (const change of changes) {
    const one = await batch(ip, [change])
    const isDone = change.kind === 'remove' ? /^Cannot find device/ : /^RTNETLINK answers: File exists/
    if (one.isCutShort) failures.push({ name: change.name, reason: one.complaint })
    failures.push(
      ...one.failures.filter(({ reason }) => change.kind === 'set' || change.kind === 'set-vf' || !isDone.test(reason)),
    )
  }
  return failures
}

/** Runs changes as one batch. `isCutShort`: ip ended before the last line; `complaint` is what it said then. */
async function batch(ip: Ip, changes: readonly LinkChange[]) {
  const lines = changes.flatMap((change) => batchLines(change).map((line) => ({ line, name: change.name })))
  const input = `${lines.map(({ line }) => line).join('\n')}\n`
  const { stderr, exitCode } = await ip('changing network devices', ['-force', '-batch', '-'], input)
  const names = lines.map(({ name }) => name)
  const complaint = stderr.trim().split('\n').at(-1) ?? ''
  const isCutShort = exitCode !== 0 && !isEndOfFailure(complaint)
  return { failures: parseBatchFailures(stderr, names), isCutShort, complaint }
}

type Ip = (
  what: string,
  args: readonly string[],
  input?: string,
) => Promise<{ stdout: string; stderr: string; exitCode: number }>

/** A batch's exit code says only that something in it failed; its text tells what. */
async function callIp(
  run: RunCommand,
  what: string,
  { args: [file = '', ...args], input }: { readonly args: readonly string[]; readonly input: string | undefined },
) {
  const deadlineMs = input === undefined ? LIST_MS : CHANGE_MS
  const outcome = await run({ file, args, deadlineMs, ...(input === undefined ? {} : { input }) })
  if (outcome.kind === 'exited' && (input !== undefined || outcome.exitCode === 0)) return outcome
  if (outcome.kind === 'not-started')
    throw new PvcError('PVC_NETWORK_FAILED', `${what} failed: ip could not be started`, { cause: outcome.error })
  const why = outcome.kind === 'exited' ? (outcome.stderr.trim().split('\n').at(-1) ?? '') : outcome.kind
  throw new PvcError('PVC_NETWORK_FAILED', `${what} failed: ${why}`)
}

/** A change in the language of `ip -batch`. */
function batchLines(change: LinkChange): readonly string[] {
  const { name } = change
  switch (change.kind) {
    case 'add-bridge':
      // Without link-local addresses of its own: the gateway's is the same on whichever node it is.
      return [`link add ${name} address ${change.mac} type bridge`, `link set ${name} addrgenmode none`]
    case 'add-vxlan': {
      const { id, local, device } = change
      return [`link add ${name} type vxlan id ${id} local ${local} dstport ${VXLAN_PORT} dev ${device} nolearning`]
    }
    case 'add-vlan':
      return [`link add link ${change.device} name ${name} type vlan id ${change.id}`]
    case 'set': {
      const { mac, mtu, master, learning, alias, isUp } = change.to
      return [
        ...(master === undefined ? [] : [`link set ${name} master ${master}`]),
        ...(learning === undefined ? [] : [`link set ${name} type bridge_slave learning ${learning ? 'on' : 'off'}`]),
        ...(mac === undefined ? [] : [`link set ${name} address ${mac}`]),
        ...(mtu === undefined ? [] : [`link set ${name} mtu ${mtu}`]),
        ...(alias === undefined ? [] : [`link set ${name} alias "${alias}"`]),
        ...(isUp === undefined ? [] : [`link set ${name} up`]),
      ]
    }
    case 'set-vf':
      return vfLines(name, change.index, change.to)
    case 'remove':
      return [`link delete ${name}`]
    default:
      return unreachable(change)
  }
}

/** One line each: a driver that does not know one of them still does the others. */
function vfLines(name: string, index: number, to: Partial<VfConfig>): readonly string[] {
  const { vlanId, vlanQos, txRateMinMbit: min, txRateMaxMbit: max, linkState, spoofCheck, trust, queryRss } = to
  const words = (flag: boolean): string => (flag ? 'on' : 'off')
  const changes = [
    ...(vlanId === undefined ? [] : [`vlan ${vlanId}${vlanId > 0 ? ` qos ${vlanQos ?? 0}` : ''}`]),
    ...(max === undefined ? [] : [`max_tx_rate ${max} min_tx_rate ${min ?? 0}`]),
    ...(linkState === undefined ? [] : [`state ${linkState}`]),
    ...(spoofCheck === undefined ? [] : [`spoofchk ${words(spoofCheck)}`]),
    ...(trust === undefined ? [] : [`trust ${words(trust)}`]),
    ...(queryRss === undefined ? [] : [`query_rss ${words(queryRss)}`]),
  ]
  return changes.map((change) => `link set ${name} vf ${index} ${change}`)
}

/**
 * The kernel answers a read from memory, and there are four settings for each network: awaited, each costs twenty times the CPU.
 * A write may have to wait for other changes of devices.
 */
async function keepSetting(file: string, { key, value, mayBeAbsent }: KernelSetting): Promise<readonly LinkFailure[]> {
  try {
    if (readFileSync(file, 'utf8').trim() !== value) await writeFile(file, value)
    return []
  } catch (error) {
    if (mayBeAbsent === true && error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    return [{ name: key, reason: error instanceof Error ? error.message : String(error) }]
  }
}

/** Keeps `ip monitor link` running and says when it prints something. */
class LinkMonitor {
  readonly #options: LinksOptions
  readonly #listeners = new Set<() => void>()
  #child: ChildProcess | undefined
  #timer: Timer | undefined
  #failures = 0
  #isClosed = false

  constructor(options: LinksOptions) {
    this.#options = options
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    if (this.#child === undefined) this.#start()
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#child?.kill('SIGKILL')
  }

  #start(): void {
    if (this.#isClosed) return
    // It notices only at its next line that nobody reads it any more, so the kernel ends it with this daemon.
    const args = ['--pdeathsig', 'KILL', '--', ...(this.#options.prefix ?? []), 'ip', '-oneline', 'monitor', 'link']
    const child = spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'ignore'] })
    this.#child = child
    child.stdout.on('data', () => {
      this.#failures = 0
      for (const listener of this.#listeners) listener()
    })
    child.once('error', (error) => this.#again(error.message))
    child.once('exit', (code, signal) => this.#again(`it ended with ${signal ?? code}`))
  }

  #again(reason: string): void {
    this.#child = undefined
    if (this.#isClosed || this.#timer !== undefined) return
    this.#failures += 1
    this.#options.log.warn({ reason }, 'changes of network devices are not reported; they are looked for now and then')
    const delayMs = backoffDelayMs(MONITOR_RETRY, this.#failures)
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timer = undefined
      this.#start()
    })
  }
}
