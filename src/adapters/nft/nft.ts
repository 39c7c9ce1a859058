/** The packet filter through nft. */
import { z } from 'zod'
import { PvcError } from '../../model/errors.ts'
import type { PacketFilter, RuleChecker } from '../../ports/packet-filter.ts'
import { type CommandOutcome, type RunCommand, runCommand } from '../process/command.ts'

const DEADLINE_MS = 5000
const Tables = z.object({
  nftables: z.array(z.object({ table: z.object({ family: z.string(), name: z.string() }).optional() })),
})

export function createPacketFilter(run: RunCommand = runCommand): PacketFilter {
  return {
    async tables() {
      const outcome = await run({ file: 'nft', args: ['-j', 'list', 'tables'], deadlineMs: DEADLINE_MS })
      if (outcome.kind !== 'exited' || outcome.exitCode !== 0) throw failure(outcome)
      return Tables.parse(JSON.parse(outcome.stdout)).nftables.flatMap(({ table }) => table ?? [])
    },
    apply: (input) => ask(run, { file: 'nft', args: ['-f', '-'], input }),
  }
}

/**
 * Checks in an empty network namespace of its own, so that whoever asks needs no right over the host's network: pvcapid has none.
 */
export function createRuleChecker(run: RunCommand = runCommand): RuleChecker {
  const args = ['--user', '--map-root-user', '--net', 'nft', '--check', '--file', '-']
  return { check: (input) => ask(run, { file: 'unshare', args, input }) }
}

type Call = { readonly file: string; readonly args: readonly string[]; readonly input: string }

async function ask(run: RunCommand, call: Call): Promise<string | undefined> {
  const outcome = await run({ ...call, deadlineMs: DEADLINE_MS })
  if (outcome.kind === 'exited' && outcome.exitCode === 0) return undefined
  const words = outcome.kind === 'exited' ? objection(outcome.stderr) : undefined
  if (words === undefined) throw failure(outcome)
  return words
}

/** Words of nft about a text: `/dev/stdin:5:13-20: Error: syntax error, unexpected foo`, then the line and a mark below it. */
function objection(stderr: string): string | undefined {
  return /^[^\n]*: Error: ([^\n]+)/m.exec(stderr)?.[1]
}

function failure(outcome: CommandOutcome): PvcError {
  const said = 'stderr' in outcome ? outcome.stderr.trim() : outcome.error.message
  return new PvcError('PVC_NETWORK_FAILED', `nft could not be asked: ${said || outcome.kind}`)
}
