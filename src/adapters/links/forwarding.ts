/** Forwarding tables of VXLAN devices through iproute2's `bridge`. */
import { z } from 'zod'
import { PvcError } from '../../model/errors.ts'
import type { Forwarding, ForwardingEntry } from '../../ports/forwarding.ts'
import { type CommandOutcome, type RunCommand, runCommand } from '../process/command.ts'

const DEADLINE_MS = 10_000
const GONE = /^(RTNETLINK answers: No such file or directory|Cannot find device)/
const FAILED_LINE = /^Command failed -:\d+$/

const Entries = z.array(
  z.object({
    mac: z.string(),
    ifname: z.string(),
    dst: z.string().optional(),
    master: z.string().optional(),
    flags: z.array(z.string()).default([]),
    state: z.string().optional(),
  }),
)

/** `prefix`: words before `bridge`, such as those that lead into a network namespace. */
export function createForwarding(run: RunCommand = runCommand, prefix: readonly string[] = []): Forwarding {
  const bridge = async (args: readonly string[], input?: string): Promise<CommandOutcome> => {
    const [file = '', ...rest] = [...prefix, 'bridge', ...args]
    return run({ file, args: rest, deadlineMs: DEADLINE_MS, ...(input === undefined ? {} : { input }) })
  }
  const batch = async (lines: readonly string[]): Promise<void> => {
    if (lines.length === 0) return
    const outcome = await bridge(['-force', '-batch', '-'], `${lines.join('\n')}\n`)
    if (outcome.kind === 'exited' && outcome.exitCode === 0) return
    const errors = 'stderr' in outcome ? outcome.stderr.split('\n').filter((line) => line !== '') : []
    const serious = errors.filter((line) => !FAILED_LINE.test(line) && !GONE.test(line))
    if (outcome.kind !== 'exited' || serious.length > 0) throw failure('changing forwarding entries', outcome, serious)
  }
  return {
    async list() {
      const outcome = await bridge(['-json', 'fdb', 'show'])
      if (outcome.kind !== 'exited' || outcome.exitCode !== 0) throw failure('listing forwarding entries', outcome, [])
      return parseForwarding(outcome.stdout)
    },
    // Two tables: that of the bridge leads to the device, that of the device to the node.
    set: (entries) =>
      batch(
        entries.flatMap(({ mac, device, to }) => [
          `fdb replace ${mac} dev ${device} dst ${to} self permanent`,
          `fdb replace ${mac} dev ${device} master static`,
        ]),
      ),
    remove: (entries) =>
      batch(
        entries.flatMap(({ mac, device }) => [
          `fdb del ${mac} dev ${device} master`,
          `fdb del ${mac} dev ${device} self`,
        ]),
      ),
  }
}

/** Output of `bridge -json fdb show`: entries that stand in both tables, without those that routing made. */
export function parseForwarding(text: string): readonly ForwardingEntry[] {
  const entries = Entries.parse(JSON.parse(text.trim() === '' ? '[]' : text))
  const isOfBridge = new Set(
    entries.filter(({ master, state }) => master !== undefined && state === 'static').map(keyOf),
  )
  return entries.flatMap((entry) => {
    const { mac, ifname, dst, flags, state } = entry
    if (dst === undefined || state !== 'permanent' || flags.includes('extern_learn')) return []
    return isOfBridge.has(keyOf(entry)) ? [{ mac, device: ifname, to: dst }] : []
  })
}

function keyOf({ mac, ifname }: { readonly mac: string; readonly ifname: string }): string {
  return `${mac} ${ifname}`
}

function failure(what: string, outcome: CommandOutcome, errors: readonly string[]): PvcError {
  if (outcome.kind === 'not-started')
    return new PvcError('PVC_NETWORK_FAILED', `${what} failed: bridge could not be started`, { cause: outcome.error })
  const said = 'stderr' in outcome ? outcome.stderr.trim().split('\n').at(-1) : ''
  return new PvcError('PVC_NETWORK_FAILED', `${what} failed: ${errors.join(', ') || said || outcome.kind}`)
}
