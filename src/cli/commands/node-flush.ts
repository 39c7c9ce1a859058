import type { Command } from 'commander'
import type { DOMAIN_WISHES } from '../../contract/node-flush.ts'
import { waitForNode } from '../node-flush-wait.ts'
import { formatPlan } from '../output/flush-view.ts'
import { formatElapsed } from '../output/quantity.ts'
import { addWaitOptions, type OpenSession } from './options.ts'

type Wish = (typeof DOMAIN_WISHES)[number]

type WishCommand = {
  readonly name: Wish
  readonly summary: string
  readonly description: string
  /** What is said when the wait is over. */
  readonly done: (node: string) => string
}

const COMMANDS: readonly WishCommand[] = [
  {
    name: 'flush',
    summary: 'Take a node out of service.',
    description:
      'Move all VMs off NODE, which then takes no VMs. A VM with nowhere to go is shut down, and started again when the node is ready. NODE defaults to this machine.',
    done: (node) => `Node "${node}" is empty.`,
  },
  {
    name: 'ready',
    summary: 'Take a node back into service.',
    description:
      'Let NODE take VMs again: its own come home, and those with autostart are started. NODE defaults to this machine.',
    done: (node) => `Node "${node}" is in service.`,
  },
]

/** A node with many VMs takes hours. */
const WAIT_S = 86_400

type WishOptions = { readonly dryRun: boolean; readonly wait: boolean; readonly timeout: number }

/** `node flush`, `node ready`. */
export function addNodeFlushCommands(node: Command, open: OpenSession, hostname: string): void {
  for (const spec of COMMANDS) {
    const command = node
      .command(spec.name)
      .summary(spec.summary)
      .description(spec.description)
      .argument('[node]', 'name of the node')
    addWaitOptions(command, spec.name, WAIT_S)
      .option('--dry-run', 'Say what would happen to each VM, and do nothing.', false)
      .action((name: string = hostname, options: WishOptions) => runWish(open, spec, name, options))
  }
}

async function runWish(open: OpenSession, spec: WishCommand, name: string, options: WishOptions): Promise<void> {
  const session = open()
  const api = await session.connect()
  const answer = await api.call('nodeSetDomainState', {
    node: name,
    state: spec.name,
    ...(options.dryRun ? { dry_run: true } : {}),
  })
  session.print(answer.message)
  if (options.dryRun) {
    const steps = answer.plan?.steps ?? []
    if (steps.length > 0) session.print(`\n${formatPlan(steps, session.palette)}`)
    return
  }
  if (!options.wait) return
  const { clock } = session.host
  const startMs = clock.nowMs()
  await waitForNode(session, api, { node: name, kind: spec.name, wish: answer.wish }, options.timeout * 1000)
  session.print(`${spec.done(name)} This took ${formatElapsed(clock.nowMs() - startMs)}.`)
}
