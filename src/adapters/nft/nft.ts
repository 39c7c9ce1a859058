/** The packet filter through nft. */
import { z } from 'zod'
import { PvcError } from '../../model/errors.ts'
import type { FilterTable, PacketFilter, RuleChecker } from '../../ports/packet-filter.ts'
import { type Command, type CommandOutcome, type RunCommand, runCommand } from '../process/command.ts'

/** nft 1.0.6 takes 0.4 ms of CPU for each table there is, for whatever it is asked; a busy machine may take twenty times that. */
const LIST_MS = 15_000
const APPLY_MS = 30_000
/** In a namespace without tables, and somebody waits for the answer. */
const CHECK_MS = 5000

const Chains = z.object({
  nftables: z.array(
    z.object({ chain: z.object({ family: z.string(), table: z.string(), name: z.string() }).optional() }),
  ),
})

export function createPacketFilter(run: RunCommand = runCommand): PacketFilter {
  return {
    async tables() {
      // `list tables` reads every rule and every set once for each table: 1.5 s of CPU with 200 of them, where this takes 0.1 s.
      const outcome = await run({ file: 'nft', args: ['-j', 'list', 'chains'], deadlineMs: LIST_MS })
      if (outcome.kind !== 'exited' || outcome.exitCode !== 0) throw failure(outcome)
      return parseTables(outcome.stdout)
    },
    apply: (input) => ask(run, { file: 'nft', args: ['-f', '-'], input, deadlineMs: APPLY_MS }),
  }
}

/**
 * Checks in an empty network namespace of its own, so that whoever asks needs no right over the host's network: pvcapid has none.
 */
export function createRuleChecker(run: RunCommand = runCommand): RuleChecker {
  const args = ['--user', '--map-root-user', '--net', 'nft', '--check', '--file', '-']
  return { check: (input) => ask(run, { file: 'unshare', args, input, deadlineMs: CHECK_MS }) }
}

/** Output of `nft -j list chains`. */
export function parseTables(text: string): readonly FilterTable[] {
  const tables = new Map<string, { readonly family: string; readonly name: string; readonly chains: string[] }>()
  for (const { chain } of Chains.parse(JSON.parse(text)).nftables) {
    if (chain === undefined) continue
    const key = `${chain.family} ${chain.table}`
    const table = tables.get(key) ?? { family: chain.family, name: chain.table, chains: [] }
    tables.set(key, table)
    table.chains.push(chain.name)
  }
  return [...tables.values()]
}

async function ask(run: RunCommand, command: Command): Promise<string | undefined> {
  const outcome = await run(command)
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
