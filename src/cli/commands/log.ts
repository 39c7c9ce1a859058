import type { Command } from 'commander'
import { DEFAULT_CONSOLE_LINES, MAX_CONSOLE_LINES } from '../../model/console-limits.ts'
import { type LogView, parsePattern, showStream } from '../follow.ts'
import { settled } from '../output/console-text.ts'
import type { Session } from '../session.ts'
import { integerParser, type OpenSession } from './options.ts'

/** Lines shown before following when nothing is said. */
const DEFAULT_FOLLOW_LINES = 10

type LogOptions = {
  readonly lines?: number
  readonly follow: boolean
  readonly pager: boolean
  readonly timestamps: boolean
  readonly grep?: string
}

function addLogOptions(command: Command): Command {
  return command
    .option(
      '-l, --lines <lines>',
      `How many lines to show (default: ${DEFAULT_CONSOLE_LINES}, with --follow ${DEFAULT_FOLLOW_LINES}).`,
      integerParser(1, MAX_CONSOLE_LINES),
    )
    .option('-f, --follow', 'Go on showing what comes, until Ctrl-C.', false)
    .option('--timestamps', 'Show when each line arrived, in local time.', false)
    .option('--grep <pattern>', 'Only lines in which this regular expression is found.')
    .option('--no-pager', 'Print the text instead of opening a pager on a terminal.')
}

type Source = Pick<LogView, 'route' | 'args'>

async function showLog(session: Session, source: Source, options: LogOptions, read: Reader): Promise<void> {
  const pattern = parsePattern(options.grep)
  const api = await session.connect()
  const lines = options.lines ?? (options.follow ? DEFAULT_FOLLOW_LINES : DEFAULT_CONSOLE_LINES)
  const view = { ...source, lines, showTimes: options.timestamps, pattern }
  if (options.follow) return showStream(session, api, { ...view, isOnce: false })
  const usesPager = options.pager && session.host.stdout.isTty
  if (options.timestamps && !usesPager) return showStream(session, api, { ...view, isOnce: true })
  const parts: string[] = []
  if (options.timestamps) {
    await showStream(session.into(parts), api, { ...view, isOnce: true })
  } else {
    const { data } = await read(api, lines)
    const found = pattern === undefined ? [data] : data.split('\n').filter((line) => pattern.test(line))
    if (data !== '') parts.push(found.map((line) => `${line}\n`).join(''))
  }
  const text = parts.join('')
  if (usesPager) await session.host.page(settled(text))
  else session.write(text)
}

type Reader = (api: Awaited<ReturnType<Session['connect']>>, lines: number) => Promise<{ readonly data: string }>

/** `vm log`. */
export function addVmLogCommand(vm: Command, open: OpenSession): void {
  const command = vm
    .command('log')
    .summary('Show what a VM printed on its console.')
    .description(
      "Show the last lines that the guest of VM printed on its serial console. The VM's definition must have a log file for it; see the operator guide.",
    )
    .argument('<vm>', 'name or UUID of the VM')
  addLogOptions(command).action((name: string, options: LogOptions) =>
    showLog(open(), { route: 'vmConsoleStream', args: { vm: name } }, options, (api, lines) =>
      api.call('vmConsole', { vm: name, lines }),
    ),
  )
}

/** `node log`. NODE defaults to this machine. */
export function addNodeLogCommand(node: Command, open: OpenSession, hostname: string): void {
  const command = node
    .command('log')
    .summary("Show the log of a node's daemon.")
    .description('Show the last lines that pvcnoded of NODE logged. NODE defaults to this machine.')
    .argument('[node]', 'name of the node')
  addLogOptions(command).action((name: string | undefined, options: LogOptions) => {
    const args = { node: name ?? hostname }
    const read: Reader = (api, lines) => api.call('nodeLog', { ...args, lines })
    return showLog(open(), { route: 'nodeLogStream', args }, options, read)
  })
}
