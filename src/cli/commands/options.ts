import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Session } from '../session.ts'

/** Opens the session of the command that runs: its place to print, its choices, its cluster. */
export type OpenSession = () => Session

const FORMAT_MEANINGS: Readonly<Record<string, string>> = {
  pretty: 'details for people',
  short: 'health only',
  long: 'all details for people',
  raw: 'names only',
  json: 'JSON on one line',
  'json-pretty': 'indented JSON',
  'json-prometheus': 'Prometheus file service discovery',
}

/** `-f/--format`, with the formats a command has; the first is the default. */
export function formatOption(...formats: readonly [string, ...string[]]): Option {
  const meanings = formats.map((format) => `${format}: ${FORMAT_MEANINGS[format] ?? format}`).join('; ')
  return new Option('-f, --format <format>', `Output format (${meanings}).`).choices(formats).default(formats[0])
}

/** `-y/--yes`. */
export function yesOption(): Option {
  return new Option('-y, --yes', 'Do it without asking.').default(false, 'ask')
}

/** `-r/--restart` and `-R/--no-restart`; undefined when neither was given. */
export function addRestartOptions(command: Command): Command {
  return command
    .option('-r, --restart', 'Restart the VM at once to apply the change.')
    .option('-R, --no-restart', 'Apply the change at the next start.')
}

/** `-w/--wait` and `--timeout`; `timeoutS` is how long is waited if nothing is said. */
export function addWaitOptions(command: Command, what: string, timeoutS = 600): Command {
  return command
    .option('-w, --wait', `Wait for the ${what} to complete, with progress.`, false)
    .option('--timeout <seconds>', 'Stop waiting after this time; what was asked for goes on.', parseSeconds, timeoutS)
}

/** A positive number of seconds. */
export function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds > 0 && seconds <= 86_400)) throw new InvalidArgumentError('It must be a number from 1 to 86400.')
  return seconds
}

/** A parser of whole numbers from `min` to `max`. */
export function integerParser(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

/** Collects an option that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value]
}

/** `-a/--autostart` and `-A/--no-autostart`; `initial` is what holds when neither is given. */
export function addAutostartOptions(command: Command, initial?: boolean): Command {
  const on = new Option('-a, --autostart', 'Start the VM when its home node next becomes ready; used once.')
  return command
    .addOption(initial === undefined ? on : on.default(initial, 'no'))
    .option('-A, --no-autostart', 'Do not.')
}

/** Adds a group of commands. */
export function addGroup(parent: Command, name: string, summary: string, description = summary): Command {
  return parent.command(name).summary(summary).description(description).helpCommand(false)
}
