import type { Argument, Command, Option } from 'commander'
import { withDeadline } from '../base/deadline.ts'
import type { ApiClient } from './client.ts'
import { FILE_CANDIDATE } from './completion-script.ts'
import { LOCAL_NAME, readStore } from './connection.ts'
import type { Host } from './host.ts'
import { createProgram } from './program.ts'
import { readGlobalOptions, Session } from './session.ts'

/** A person waits at the prompt: names that take longer are not worth it. */
const NAMES_DEADLINE_MS = 1000

export type Candidate = { readonly text: string; readonly meaning: string }

/** What kind of name a word is, so that names can be fetched. */
type NameKind = 'vm' | 'node' | 'pool' | 'volume' | 'connection' | 'file'

type Position = {
  readonly command: Command
  /** Words that are arguments of the command. */
  readonly operands: readonly string[]
  /** The option whose value is being typed. */
  readonly option: Option | undefined
  /** Connection named on the line. */
  readonly connection: string | undefined
}

/** Finds out where on the line the last word stands. */
function locate(program: Command, words: readonly string[]): Position {
  let command = program
  let option: Option | undefined
  let connection: string | undefined
  const operands: string[] = []
  for (const word of words) {
    if (option) {
      if (option.long === '--connection') connection = word
      option = undefined
    } else if (word.startsWith('-')) {
      const [name, value] = word.split('=', 2)
      const found = command.options.find((each) => each.long === name || each.short === name)
      if (found?.required && value === undefined) option = found
      if (found?.long === '--connection' && value !== undefined) connection = value
    } else {
      const sub = operands.length === 0 ? command.commands.find((each) => each.name() === word) : undefined
      if (sub) command = sub
      else operands.push(word)
    }
  }
  return { command, operands, option, connection }
}

const OPTION_KINDS: Readonly<Record<string, NameKind>> = {
  '--connection': 'connection',
  '--target': 'node',
  '--pool': 'pool',
  '--file': 'file',
  '--api-key-file': 'file',
}

/** Argument names that are kinds of objects; LIMIT is of the noun it filters. */
function argumentKind(command: Command, argument: Argument | undefined): NameKind | undefined {
  const name = argument?.name()
  if (name === 'limit') return argumentKindOf(command.parent?.name())
  return argumentKindOf(name)
}

function argumentKindOf(name: string | undefined): NameKind | undefined {
  const kinds: readonly NameKind[] = ['vm', 'node', 'pool', 'volume', 'connection', 'file']
  return kinds.find((kind) => kind === name)
}

function optionCandidates(command: Command): Candidate[] {
  return command.options
    .filter((option) => !option.hidden)
    .map((option) => ({ text: option.long ?? option.short ?? '', meaning: option.description }))
}

async function fetchNames(api: ApiClient, kind: NameKind, pool: string | undefined): Promise<string[]> {
  switch (kind) {
    case 'vm':
      return (await api.call('vmList', { negate: false })).map((vm) => vm.name)
    case 'node':
      return (await api.call('nodeList', {})).map((node) => node.name)
    case 'pool':
      return (await api.call('poolList', {})).map((each) => each.name)
    case 'volume':
      return (await api.call('volumeList', { pool })).map((each) => each.name)
    default:
      return []
  }
}

async function names(kind: NameKind, position: Position, host: Host): Promise<string[]> {
  if (kind === 'file') return [FILE_CANDIDATE]
  if (kind === 'connection') return [LOCAL_NAME, ...(await readStore(host.env)).connections.keys()]
  const session = new Session(host, readGlobalOptions({ connection: position.connection }, host.env))
  const { name, connection } = await session.findConnection()
  const api = session.clientOf(name, connection)
  return await withDeadline(host.clock, NAMES_DEADLINE_MS, 'names', fetchNames(api, kind, position.operands[0]))
}

/** All candidates for the last of the words. */
export async function candidates(words: readonly string[], host: Host): Promise<Candidate[]> {
  const program = createProgram(host)
  const typed = words.at(-1) ?? ''
  const position = locate(program, words.slice(0, -1))
  const { command, option, operands } = position
  const plain = (texts: readonly string[]) => texts.map((text) => ({ text, meaning: '' }))
  if (option?.argChoices) return plain(option.argChoices)
  if (!option && typed.startsWith('-')) return optionCandidates(command)
  if (!option && command.commands.length > 0) {
    if (operands.length > 0) return []
    return command.commands.map((each) => ({ text: each.name(), meaning: each.summary() }))
  }
  const argument = option ? undefined : command.registeredArguments[operands.length]
  if (argument?.argChoices) return plain(argument.argChoices)
  const kind = option ? OPTION_KINDS[option.long ?? ''] : argumentKind(command, argument)
  if (kind === undefined) return []
  try {
    return plain(await names(kind, position, host))
  } catch {
    // A prompt is no place for errors: no names, then.
    return []
  }
}

/** Prints the candidates that begin with the last word, one a line with their meaning after a tab. */
export async function printCandidates(words: readonly string[], host: Host): Promise<void> {
  const typed = words.at(-1) ?? ''
  for (const { text, meaning } of await candidates(words, host)) {
    if (text === FILE_CANDIDATE || text.startsWith(typed)) {
      host.stdout.write(`${text}${meaning === '' ? '' : `\t${meaning}`}\n`)
    }
  }
}
