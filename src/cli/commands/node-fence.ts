import type { Command } from 'commander'
import { sleep } from '../../base/clock.ts'
import type { NodeFence } from '../../contract/node-fence.ts'
import { isPassingFailure } from '../answer.ts'
import type { ApiClient } from '../client.ts'
import { CommandFailure } from '../failure.ts'
import { formatEvent, formatFence } from '../output/fence-view.ts'
import type { Session } from '../session.ts'
import { formatOption, type OpenSession, yesOption } from './options.ts'

const FOLLOW_LOOK_MS = 500

/** `node fence`, `node fence-confirm`, `node fence-status`. */
export function addNodeFenceCommands(node: Command, open: OpenSession): void {
  node
    .command('fence')
    .summary('Fence a node on purpose.')
    .description(
      'Treat NODE as dead: shut it out from the storage, cut its power if possible, and start its VMs elsewhere. Its guests are ended by force.',
    )
    .argument('<node>', 'name of the node')
    .addOption(yesOption())
    .action(async (name: string, options: { readonly yes: boolean }) => {
      const session = open()
      await session.confirm(`Fence node ${name}, ending its guests by force`, options.yes)
      const api = await session.connect()
      const { message } = await api.call('nodeFence', { node: name, yes: true })
      session.print(`${message} Follow it with "pvc node fence-status ${name} --follow".`)
    })
  node
    .command('fence-confirm')
    .summary('Say that a node is off.')
    .description(
      'Say that you LOOKED at NODE: its power is off, or all its network cables are out, also those of the guests, and it stays so until its VMs run elsewhere. Only this lets the recovery of a node go on whose death cannot be proven. If it is not true, disks are destroyed.',
    )
    .argument('<node>', 'name of the node')
    .addOption(yesOption())
    .action(async (name: string, options: { readonly yes: boolean }) => {
      const session = open()
      const api = await session.connect()
      // What is confirmed is the fence that was there when the question was asked.
      const { seq } = await api.call('nodeFenceStatus', { node: name })
      await session.confirm(
        `I looked at node ${name}: it is off, or all its network cables are out, and it stays so until its VMs run elsewhere`,
        options.yes,
      )
      const { message } = await api.call('nodeFenceConfirm', { node: name, yes: true, seq })
      session.print(message)
    })
  addFenceStatus(node, open)
}

function addFenceStatus(node: Command, open: OpenSession): void {
  node
    .command('fence-status')
    .summary('Show how far the fencing of a node is.')
    .description('Show what proves that NODE is over, what became of each of its VMs, and what happened when.')
    .argument('<node>', 'name of the node')
    .option('--follow', 'Show news until the fence is over (Ctrl-C ends it).', false)
    .addOption(formatOption('pretty', 'json', 'json-pretty'))
    .action(async (name: string, options: { readonly format: string; readonly follow: boolean }) => {
      const session = open()
      const api = await session.connect()
      const fence = await api.call('nodeFenceStatus', { node: name })
      session.show(options.format, fence, { pretty: () => formatFence(fence, session.palette) })
      if (options.follow) await follow(session, api, fence)
    })
}

/** Prints each later event once, and every change of what it is stuck at, until the journal is closed. */
async function follow(session: Session, api: ApiClient, first: NodeFence): Promise<void> {
  const interruption = new AbortController()
  const stopListening = session.host.onInterrupt(() => interruption.abort())
  let before = first
  try {
    while ((before.state !== 'closed' || before.pending_order !== '') && !interruption.signal.aborted) {
      await sleep(session.host.clock, FOLLOW_LOOK_MS, interruption.signal)
      const fence = await lookAgain(api, before)
      if (fence.seq !== before.seq) session.print(`Fence ${fence.seq} of node ${fence.node}`)
      const seen = new Set(fence.seq === before.seq ? before.events.map(formatEvent) : [])
      for (const event of fence.events) if (!seen.has(formatEvent(event))) session.print(formatEvent(event))
      if (fence.stuck !== '' && fence.stuck !== before.stuck) session.print(`Stuck: ${fence.stuck}`)
      before = fence
    }
  } finally {
    stopListening()
  }
  if (interruption.signal.aborted)
    throw new CommandFailure(`The fence goes on; see "pvc node fence-status ${first.node}".`)
}

/** While the API is away, as when it is the fenced node's, nothing is news. */
async function lookAgain(api: ApiClient, before: NodeFence): Promise<NodeFence> {
  try {
    return await api.call('nodeFenceStatus', { node: before.node })
  } catch (error) {
    if (isPassingFailure(error)) return before
    throw error
  }
}
