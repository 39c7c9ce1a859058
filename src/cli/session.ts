import { API_PREFIX } from '../contract/paths.ts'
import { ApiClient } from './client.ts'
import { addressesOf, damagedMessage, LOCAL_NAME, originOf, readStore, type StoredConnection } from './connection.ts'
import { CommandFailure } from './failure.ts'
import { type Host, isSet } from './host.ts'
import { readLocalConnection } from './local-connection.ts'
import { createPalette, type Palette, shouldColour } from './output/colour.ts'
import { formatJson } from './output/json.ts'

/** Options that stand before the command; each can also come from the environment. */
export type GlobalOptions = {
  readonly connection: string | undefined
  readonly debug: boolean
  readonly quiet: boolean
  readonly silent: boolean
  readonly unsafe: boolean
  readonly colour: boolean
}

/** What commander collected, before the environment is looked at. */
export type GivenOptions = { readonly [Name in keyof GlobalOptions]?: GlobalOptions[Name] | undefined }

/** Merges what was given on the command line with PVC_CONNECTION, PVC_DEBUG, PVC_QUIET, PVC_SILENT, PVC_UNSAFE, PVC_COLOUR. */
export function readGlobalOptions(given: GivenOptions, env: Host['env']): GlobalOptions {
  return {
    connection: given.connection ?? (env['PVC_CONNECTION'] || undefined),
    debug: given.debug === true || isSet(env, 'PVC_DEBUG'),
    quiet: given.quiet === true || isSet(env, 'PVC_QUIET'),
    silent: given.silent === true || isSet(env, 'PVC_SILENT'),
    unsafe: given.unsafe === true || isSet(env, 'PVC_UNSAFE'),
    colour: given.colour === true || isSet(env, 'PVC_COLOUR'),
  }
}

/** Formats that every command with data understands; the others are particular to a command. */
export const JSON_FORMATS = ['json', 'json-pretty'] as const

/** One run of one command: where it prints, what it may assume, and whom it talks to. */
export class Session {
  readonly host: Host
  readonly options: GlobalOptions
  readonly palette: Palette

  constructor(host: Host, options: GlobalOptions) {
    this.host = host
    this.options = options
    this.palette = createPalette(
      shouldColour({ isForced: options.colour, noColor: host.env['NO_COLOR'], isTty: host.stdout.isTty }),
    )
  }

  /** Prints the result of a command. */
  print(text: string): void {
    if (!this.options.silent) this.host.stdout.write(`${text}\n`)
  }

  /** Prints a text as it is, with the line ends it has. */
  write(text: string): void {
    if (!this.options.silent) this.host.stdout.write(text)
  }

  /** The same session, with its output collected instead of printed. */
  into(parts: string[]): Session {
    return new Session(
      { ...this.host, stdout: { ...this.host.stdout, write: (text) => void parts.push(text) } },
      this.options,
    )
  }

  /** Tells a person something beside the result; --quiet hides it. */
  note(text: string): void {
    if (!this.options.quiet && !this.options.silent) this.host.stderr.write(`${text}\n`)
  }

  /** Prints data as JSON when the format says so; else as `views` says for the format. */
  show(format: string, data: unknown, views: Readonly<Record<string, () => string>>): void {
    const view = views[format]
    if (view) this.print(view())
    else this.print(formatJson(data, format === 'json-pretty'))
  }

  /** The connection this command uses, by name: the one asked for, else `local`. */
  async findConnection(): Promise<{ readonly name: string; readonly connection: StoredConnection }> {
    const name = this.options.connection
    if (name === undefined || name === LOCAL_NAME) {
      const connection = await readLocalConnection(this.host)
      if (connection) return { name: LOCAL_NAME, connection }
      throw new CommandFailure(
        'No connection specified and no local API configuration found. Use "pvc connection add" to add a connection, and -c NAME or PVC_CONNECTION to choose it.',
      )
    }
    const store = await readStore(this.host.env)
    const connection = store.connections.get(name)
    if (connection) return { name, connection }
    if (store.damaged.includes(name)) throw new CommandFailure(damagedMessage(name))
    const known = [...store.connections.keys()].toSorted().join(', ') || 'none'
    throw new CommandFailure(`Invalid connection "${name}" specified; connections known here: ${known}.`)
  }

  /** A client of the cluster this command is for; says on stderr which one that is. */
  async connect(): Promise<ApiClient> {
    const { name, connection } = await this.findConnection()
    const isUnverified = connection.scheme === 'https' && !this.#verifiesTls(name)
    this.note(
      `Using connection "${name}" - Host: "${addressesOf(connection)
        .map((address) => hostAndPort(address, connection.port))
        .join(',')}"  Scheme: "${connection.scheme}${isUnverified ? ' (unverified)' : ''}"  Prefix: "${API_PREFIX}"`,
    )
    this.note('')
    return this.clientOf(name, connection)
  }

  /** A client of any known cluster. */
  clientOf(name: string, connection: StoredConnection): ApiClient {
    return new ApiClient({
      scheme: connection.scheme,
      addresses: addressesOf(connection),
      port: connection.port,
      apiKey: connection.api_key,
      isLocal: name === LOCAL_NAME,
      verifyTls: this.#verifiesTls(name),
      userAgent: `pvc/${this.host.version}`,
      clock: this.host.clock,
      trace: (line) => {
        if (this.options.debug && !this.options.silent) this.host.stderr.write(`${line}\n`)
      },
    })
  }

  /** Certificates name the cluster's address, not each node's own, so the local connection does not check them. */
  #verifiesTls(name: string): boolean {
    if (name === LOCAL_NAME) return false
    const given = this.host.env['PVC_CLIENT_VERIFY_SSL']
    return given === undefined || given === '' || isSet(this.host.env, 'PVC_CLIENT_VERIFY_SSL')
  }

  /**
   * Makes sure that a dangerous step is wanted: by `isConfirmed` (-y), by --unsafe, or by asking.
   * @throws CommandFailure when the answer is no or nobody can be asked; nothing was done then.
   */
  async confirm(question: string, isConfirmed: boolean): Promise<void> {
    if (isConfirmed || this.options.unsafe) return
    if (!this.host.canAsk) {
      throw new CommandFailure(
        `Nothing was done: this needs a confirmation (${question}) and there is no terminal to ask on. Add --yes, or set PVC_UNSAFE=1.`,
      )
    }
    if (!(await this.#ask(question))) throw new CommandFailure('Aborted.')
  }

  /** Asks a question that may be left open: --unsafe says yes, and without a terminal the answer is no. */
  async agrees(question: string): Promise<boolean> {
    if (this.options.unsafe) return true
    return this.host.canAsk ? await this.#ask(question) : false
  }

  async #ask(question: string): Promise<boolean> {
    for (;;) {
      const answer = (await this.host.ask(`${question} [y/N]: `))?.trim().toLowerCase()
      if (answer === undefined || answer === '' || answer === 'n' || answer === 'no') return false
      if (answer === 'y' || answer === 'yes') return true
    }
  }
}

function hostAndPort(address: string, port: number): string {
  return originOf('', address, port).slice('://'.length)
}
