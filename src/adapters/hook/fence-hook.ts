/** Calls the operator's command and address at each step of a fence, one after the other, each bounded. */
import type { Clock } from '../../base/clock.ts'
import { MutableSignal } from '../../base/signal.ts'
import { errorChain } from '../../model/errors.ts'
import { type FenceNotice, fenceNotice, heldNotice, noticeEvent, type Told } from '../../model/fence-notice.ts'
import type { FenceHook } from '../../ports/fence-hook.ts'
import type { Log } from '../../ports/log.ts'
import type { RunCommand } from '../process/command.ts'

export type FenceHookOptions = {
  readonly cluster: string
  readonly hook: { readonly command?: readonly string[] | undefined; readonly url?: string | undefined }
  readonly run: RunCommand
  readonly clock: Clock
  readonly log: Log
  /** Bound of one call. Default 10 s. */
  readonly deadlineMs?: number
}

/** More than this many waiting steps: the hook hangs, and the oldest are dropped. */
const MAX_WAITING = 100
const MAX_OUTPUT_BYTES = 64 * 1024

/** Creates the hook; without command and address it tells nobody. */
export function createFenceHook(options: FenceHookOptions): FenceHook {
  const { cluster, hook, clock, log, deadlineMs = 10_000 } = options
  const problem = new MutableSignal<string | undefined>(undefined)
  const told = new Map<string, Told>()
  const waiting: FenceNotice[] = []
  let running: Promise<void> | undefined

  const deliver = async (notice: FenceNotice): Promise<void> => {
    const body = JSON.stringify(notice)
    const [file, ...args] = hook.command ?? []
    const failures = await Promise.all([
      file === undefined ? undefined : callCommand(options.run, { file, args }, body, deadlineMs),
      hook.url === undefined ? undefined : callAddress(hook.url, body, deadlineMs),
    ])
    const failed = failures.filter((failure) => failure !== undefined)
    problem.set(failed.length === 0 ? undefined : failed.join('; '))
    const fields = { node: notice.node, event: notice.event, seq: notice.seq }
    if (failed.length === 0) log.info(fields, 'told the fence hook')
    else log.warn({ ...fields, failed }, 'the fence hook failed')
  }
  const drain = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await deliver(next)
    running = undefined
  }
  const tell = (notice: FenceNotice): void => {
    if (hook.command === undefined && hook.url === undefined) return
    if (waiting.length >= MAX_WAITING) log.warn({ dropped: waiting.shift()?.event }, 'the fence hook is too slow')
    waiting.push(notice)
    running ??= drain()
  }

  return {
    problem,
    announce(node, journal) {
      const event = noticeEvent(told.get(node), journal)
      told.set(node, { seq: journal.seq, state: journal.state, stuck: journal.stuck })
      if (event !== undefined) tell(fenceNotice(cluster, node, event, journal, clock.wallMs()))
    },
    held(node, journal, reason) {
      tell(heldNotice(cluster, node, reason, journal, clock.wallMs()))
    },
    async settled() {
      await running
    },
  }
}

type Program = { readonly file: string; readonly args: readonly string[] }

async function callCommand(run: RunCommand, program: Program, input: string, deadlineMs: number) {
  const outcome = await run({ ...program, input, deadlineMs, isGroup: true, maxOutputBytes: MAX_OUTPUT_BYTES })
  if (outcome.kind === 'exited' && outcome.exitCode === 0) return undefined
  const how = outcome.kind === 'exited' ? `ended with ${outcome.exitCode}` : HOW[outcome.kind]
  return `the command ${program.file} ${how}`
}

const HOW = {
  signalled: 'was killed',
  timeout: 'took too long and was killed',
  aborted: 'was called off',
  'too-much-output': 'printed too much',
  'not-started': 'could not be started',
} as const

/** Only the origin of the address is ever shown: the rest may hold a token. */
async function callAddress(url: string, body: string, deadlineMs: number): Promise<string | undefined> {
  const { origin } = new URL(url)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(deadlineMs),
    })
    await response.body?.cancel()
    return response.ok ? undefined : `${origin} answered ${response.status}`
  } catch (error) {
    return `${origin} could not be called: ${errorChain(error).replaceAll(url, origin)}`
  }
}
