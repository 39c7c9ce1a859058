import type { Command } from 'commander'
import { sleep } from '../../base/clock.ts'
import type { COORDINATOR_WISHES } from '../../contract/node.ts'
import { isPassingFailure } from '../answer.ts'
import type { ApiClient } from '../client.ts'
import { CommandFailure } from '../failure.ts'
import { formatElapsed } from '../output/quantity.ts'
import type { Session } from '../session.ts'
import { addWaitOptions, type OpenSession } from './options.ts'

type Wish = (typeof COORDINATOR_WISHES)[number]

/** A handover takes a second or two; one that does not come is answered by the primary within five. */
const WAIT_S = 60
const LOOK_MS = 200

const TEXTS: Readonly<Record<Wish, { readonly summary: string; readonly description: string }>> = {
  primary: {
    summary: 'Make a coordinator primary.',
    description:
      'Ask the primary to hand its work over to NODE: floating addresses and what else only one coordinator does. Connections to a floating address break. NODE defaults to this machine.',
  },
  secondary: {
    summary: 'Take the work of the primary off a coordinator.',
    description:
      'Ask NODE to hand the work of the primary over to another coordinator. NODE does not take it again while another one can, until "pvc node primary NODE". NODE defaults to this machine.',
  },
}

/** `node primary`, `node secondary`. */
export function addNodePrimaryCommands(node: Command, open: OpenSession, hostname: string): void {
  for (const wish of ['primary', 'secondary'] as const) {
    const command = node
      .command(wish)
      .summary(TEXTS[wish].summary)
      .description(TEXTS[wish].description)
      .argument('[node]', 'name of the node')
    addWaitOptions(command, 'handover', WAIT_S).action(
      async (name: string = hostname, options: { readonly wait: boolean; readonly timeout: number }) => {
        const session = open()
        const api = await session.connect()
        const answer = await api.call('nodeSetCoordinatorState', { node: name, state: wish })
        session.print(answer.message)
        if (options.wait && answer.wish > 0)
          await waitForHandover(session, api, { node: name, wish, number: answer.wish }, options.timeout * 1000)
      },
    )
  }
}

type Goal = { readonly node: string; readonly wish: Wish; readonly number: number }

/** @throws CommandFailure when the primary refused, `timeoutMs` passed or Ctrl-C was pressed */
async function waitForHandover(session: Session, api: ApiClient, goal: Goal, timeoutMs: number): Promise<void> {
  const { clock } = session.host
  const interruption = new AbortController()
  const stopListening = session.host.onInterrupt(() => interruption.abort())
  const startMs = clock.nowMs()
  try {
    for (;;) {
      if (await isReached(api, goal)) {
        session.print(`Node "${goal.node}" is ${goal.wish}. This took ${formatElapsed(clock.nowMs() - startMs)}.`)
        return
      }
      const leftMs = timeoutMs - (clock.nowMs() - startMs)
      if (interruption.signal.aborted || leftMs <= 0)
        throw new CommandFailure(`Node "${goal.node}" is not ${goal.wish} yet. What was asked for goes on.`)
      await sleep(clock, Math.min(LOOK_MS, leftMs), interruption.signal)
    }
  } finally {
    stopListening()
  }
}

/** False also while the API is away: the address it is asked at may just be moving. */
async function isReached(api: ApiClient, { node, wish, number }: Goal): Promise<boolean> {
  try {
    const now = await api.call('nodeCoordinatorState', { node })
    if (now.wish_seen === number && now.wish_problem !== '')
      throw new CommandFailure(`The primary did not hand over: ${now.wish_problem}.`)
    if (now.wish_seen < number) return false
    return wish === 'primary' ? now.coordinator_state === 'primary' : now.coordinator_state === 'secondary'
  } catch (error) {
    if (isPassingFailure(error)) return false
    throw error
  }
}
