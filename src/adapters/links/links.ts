/** Network devices through iproute2's `ip`, and kernel settings through /proc/sys. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unreachable } from '../../base/assert.ts'
import { backoffDelayMs } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { PvcError } from '../../model/errors.ts'
import type { LinkChange } from '../../model/link.ts'
import type { LinkFailure, Links } from '../../ports/links.ts'
import type { Log } from '../../ports/log.ts'
import { type Command, type RunCommand, runCommand } from '../process/command.ts'
import { parseBatchFailures, parseLinks } from './parse.ts'

export type LinksOptions = {
  readonly clock: Clock
  readonly log: Log
  /** Default: real processes. */
  readonly run?: RunCommand
  /** Where the kernel's settings are; default /proc/sys. */
  readonly settingsDir?: string
}

const DEADLINE_MS = 10_000
/** UDP port of VXLAN (RFC 7348); the kernel's default is another one. */
const VXLAN_PORT = 4789
const MONITOR_RETRY = { firstMs: 500, maxMs: 30_000 }

export function createLinks(options: LinksOptions): Links {
  const { run = runCommand, settingsDir = '/proc/sys' } = options
  const monitor = new LinkMonitor(options)
  return {
    async list() {
      const text = await ip(run, 'listing network devices', { args: ['-json', '-details', 'link', 'show'] })
      return parseLinks(text.stdout)
    },
    async apply(changes) {
      if (changes.length === 0) return []
      const lines = changes.flatMap((change) => batchLines(change).map((line) => ({ line, name: change.name })))
      const input = `${lines.map(({ line }) => line).join('\n')}\n`
      const { stderr } = await ip(run, 'changing network devices', { args: ['-force', '-batch', '-'], input }, true)
      return parseBatchFailures(
        stderr,
        lines.map(({ name }) => name),
      )
    },
    async keep(settings) {
      const results = await Promise.all(
        settings.map(({ key, value }) => keepSetting(join(settingsDir, key), key, value)),
      )
      return results.flat()
    },
    subscribe: (listener) => monitor.subscribe(listener),
    close: () => monitor.close(),
  }
}

/** `mayFail`: the exit code says only that something failed; the text tells what. */
async function ip(run: RunCommand, what: string, command: Pick<Command, 'args' | 'input'>, mayFail = false) {
  const outcome = await run({ file: 'ip', deadlineMs: DEADLINE_MS, ...command })
  if (outcome.kind === 'exited' && (mayFail || outcome.exitCode === 0)) return outcome
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
      const { mac, mtu, master, alias, isUp } = change.to
      return [
        ...(master === undefined ? [] : [`link set ${name} master ${master}`]),
        ...(mac === undefined ? [] : [`link set ${name} address ${mac}`]),
        ...(mtu === undefined ? [] : [`link set ${name} mtu ${mtu}`]),
        ...(alias === undefined ? [] : [`link set ${name} alias "${alias}"`]),
        ...(isUp === undefined ? [] : [`link set ${name} up`]),
      ]
    }
    case 'remove':
      return [`link delete ${name}`]
    default:
      return unreachable(change)
  }
}

async function keepSetting(file: string, key: string, value: string): Promise<readonly LinkFailure[]> {
  try {
    if ((await readFile(file, 'utf8')).trim() !== value) await writeFile(file, value)
    return []
  } catch (error) {
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
    const child = spawn('ip', ['-oneline', 'monitor', 'link'], { stdio: ['ignore', 'pipe', 'ignore'] })
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
