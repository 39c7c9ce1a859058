import type { Command } from 'commander'
import { DEFAULT_API_PORT } from '../../contract/paths.ts'
import {
  addressesOf,
  checkConnection,
  damagedMessage,
  LOCAL_NAME,
  originOf,
  readStore,
  type StoredConnection,
  writeStore,
} from '../connection.ts'
import { CommandFailure, usageFailure } from '../failure.ts'
import { readLocalConnection } from '../local-connection.ts'
import {
  type ConnectionDetail,
  connectionDetail,
  connectionRow,
  formatConnectionDetail,
  formatConnectionList,
  formatPrometheusTargets,
} from '../output/connection-view.ts'
import type { Session } from '../session.ts'
import { readTextFile } from '../text-file.ts'
import { addGroup, formatOption, type OpenSession } from './options.ts'

type AddOptions = {
  readonly description: string
  readonly address: string
  readonly port: string
  readonly apiKey?: string
  readonly apiKeyFile?: string
  readonly ssl: boolean
}

/** `pvc connection …`. None of these needs a connection to be chosen. */
export function addConnectionCommands(program: Command, open: OpenSession): void {
  const connection = addGroup(
    program,
    'connection',
    'Manage PVC API connections.',
    'Manage the PVC clusters this client can connect to.',
  )
  addAdd(connection, open)
  addRemove(connection, open)
  addList(connection, open)
  addDetail(connection, open)
}

function addAdd(connection: Command, open: OpenSession): void {
  connection
    .command('add')
    .summary('Save a connection.')
    .description('Save the connection NAME. One of the same name is replaced.')
    .argument('<name>', 'name of the connection')
    .option('-d, --description <text>', 'Description of the cluster.', 'N/A')
    .requiredOption(
      '-a, --address <address>',
      'Host name or IP address of the API; several, with commas, are tried in order.',
    )
    .option('-p, --port <port>', 'Port of the API.', String(DEFAULT_API_PORT))
    .option('-k, --api-key <key>', 'API key. Other users of this machine may see it while the command runs.')
    .option('--api-key-file <file>', 'Read the API key from this file (- for standard input).')
    .option('-s, --ssl', 'The API speaks TLS.', false)
    .option('-S, --no-ssl', 'The API does not speak TLS.')
    .action(async (name: string, options: AddOptions) => {
      const session = open()
      const { host, port } = checkConnection(name, options.address, options.port)
      const scheme = options.ssl ? 'https' : 'http'
      const api_key = await readKey(session, options)
      const entry: StoredConnection = { description: options.description, host, port, scheme, api_key }
      const { document } = await readStore(session.host.env)
      await writeStore(session.host.env, { ...document, [name]: entry })
      const origins = addressesOf({ host }).map((address) => originOf(scheme, address, port))
      session.print(`Added connection "${name}" (${origins.join(', ')}) to client database`)
    })
}

async function readKey(session: Session, options: AddOptions): Promise<string | null> {
  if (options.apiKeyFile === undefined) return options.apiKey || null
  if (options.apiKey !== undefined) throw usageFailure('Give --api-key or --api-key-file, not both.')
  const key = (await readTextFile(session.host, options.apiKeyFile)).trim()
  if (key === '' || /\s/.test(key)) throw usageFailure(`"${options.apiKeyFile}" must hold one API key.`)
  return key
}

function addRemove(connection: Command, open: OpenSession): void {
  connection
    .command('remove')
    .summary('Remove a saved connection.')
    .description('Remove the connection NAME.')
    .argument('<connection>', 'name of the connection')
    .action(async (name: string) => {
      const session = open()
      const { document } = await readStore(session.host.env)
      if (!Object.hasOwn(document, name)) {
        throw new CommandFailure(`No connection found with name "${name}" in local database`)
      }
      const { [name]: _removed, ...rest } = document
      await writeStore(session.host.env, rest)
      session.print(`Removed connection "${name}" from client database`)
    })
}

/** Saved connections by name, with this machine's own one first. */
async function allConnections(session: Session): Promise<[string, StoredConnection][]> {
  const store = await readStore(session.host.env)
  for (const name of store.damaged) session.note(damagedMessage(name))
  const saved = [...store.connections].toSorted(([a], [b]) => a.localeCompare(b))
  const local = await readLocalIfReadable(session)
  return local ? [[LOCAL_NAME, local], ...saved] : saved
}

/** A list must not fail because somebody who is not root may not read this machine's own configuration. */
async function readLocalIfReadable(session: Session): Promise<StoredConnection | undefined> {
  try {
    return await readLocalConnection(session.host)
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error
    session.note(error.message)
    return undefined
  }
}

function addList(connection: Command, open: OpenSession): void {
  connection
    .command('list')
    .summary('List saved connections.')
    .description('List the connections of this client.')
    .option('-k, --show-keys', 'Show the API keys.', false)
    .addOption(formatOption('pretty', 'raw', 'json', 'json-pretty', 'json-prometheus'))
    .action(async (options: { readonly showKeys: boolean; readonly format: string }) => {
      const session = open()
      const connections = await allConnections(session)
      const rows = connections.map(([name, each]) => connectionRow(name, each, options.showKeys))
      session.show(options.format, rows, {
        pretty: () => formatConnectionList(rows, session.palette),
        raw: () => rows.map((row) => row.name).join('\n'),
        'json-prometheus': () => formatPrometheusTargets(rows),
      })
    })
}

function addDetail(connection: Command, open: OpenSession): void {
  connection
    .command('detail')
    .summary('Show the state of all connections.')
    .description('Ask the cluster of every connection for its state.')
    .addOption(formatOption('pretty', 'json', 'json-pretty'))
    .action(async (options: { readonly format: string }) => {
      const session = open()
      const connections = await allConnections(session)
      const details = await Promise.all(connections.map(([name, each]) => fetchDetail(session, name, each)))
      session.show(options.format, details, { pretty: () => formatConnectionDetail(details, session.palette) })
    })
}

const DETAIL_TIMEOUT_MS = 10_000

async function fetchDetail(session: Session, name: string, connection: StoredConnection): Promise<ConnectionDetail> {
  try {
    const api = session.clientOf(name, connection)
    const status = await api.call('status', {}, { timeoutMs: DETAIL_TIMEOUT_MS })
    return connectionDetail(name, connection.description, status)
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error
    session.note(`${name}: ${error.message}`)
    return connectionDetail(name, connection.description, undefined)
  }
}
