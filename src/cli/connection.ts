import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CommandFailure, systemErrorCode, usageFailure } from './failure.ts'
import type { Host } from './host.ts'

/** A saved cluster, in the form the older client stores it. `host` may list several addresses, separated by commas. */
export type StoredConnection = {
  readonly description: string
  readonly host: string
  readonly port: number
  readonly scheme: 'http' | 'https'
  readonly api_key: string | null
}

/** Name of the connection that is read from this machine's own configuration and never stored. */
export const LOCAL_NAME = 'local'

/** Directory of the connection store. */
export function storeDirectory(env: Host['env']): string {
  if (env['PVC_CLIENT_DIR']) return env['PVC_CLIENT_DIR']
  if (env['HOME']) return join(env['HOME'], '.config', 'pvc')
  throw new CommandFailure('There is no place to keep connections: set HOME or PVC_CLIENT_DIR.')
}

function storeFile(env: Host['env']): string {
  return join(storeDirectory(env), 'pvc.json')
}

/** What the store holds. `document` is all of it, so that entries this client does not understand outlive a change. */
export type Store = {
  readonly document: Readonly<Record<string, unknown>>
  readonly connections: ReadonlyMap<string, StoredConnection>
  /** Names of entries that cannot be used. */
  readonly damaged: readonly string[]
}

function parseConnection(value: unknown): StoredConnection | undefined {
  const entry = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  const { host, scheme, description } = entry
  const port = Number(entry['port'])
  const apiKey = entry['api_key']
  if (typeof host !== 'string' || host === '' || !(port >= 1 && port <= 65_535)) return undefined
  if (scheme !== 'http' && scheme !== 'https') return undefined
  if (!addressesOf({ host }).every((address) => URL.canParse(originOf(scheme, address, port)))) return undefined
  return {
    description: typeof description === 'string' ? description : 'N/A',
    host,
    port,
    scheme,
    api_key: typeof apiKey === 'string' && apiKey !== '' ? apiKey : null,
  }
}

/** Older clients write down where they found this machine's own API; this client looks by itself. */
function isFileReference(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'cfgfile' in value
}

async function readDocument(file: string): Promise<Record<string, unknown>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return {}
    throw new CommandFailure(`The connection store ${file} cannot be read (${systemErrorCode(error)}).`, 1, error)
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    throw new CommandFailure(`The connection store ${file} is not JSON: correct or remove it.`, 1, error)
  }
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) {
    return document as Record<string, unknown>
  }
  throw new CommandFailure(`The connection store ${file} is not a JSON object: correct or remove it.`)
}

/** Reads the saved connections; a store that does not exist is empty. */
export async function readStore(env: Host['env']): Promise<Store> {
  const document = await readDocument(storeFile(env))
  const connections = new Map<string, StoredConnection>()
  const damaged: string[] = []
  for (const [name, value] of Object.entries(document)) {
    if (isFileReference(value)) continue
    const connection = parseConnection(value)
    if (connection) connections.set(name, connection)
    else damaged.push(name)
  }
  return { document, connections, damaged }
}

/** What to tell a person about an entry that cannot be used. */
export function damagedMessage(name: string): string {
  return `Connection "${name}" is damaged in the connection store: remove it, or add it again.`
}

function storeMode(env: Host['env']): number {
  const text = env['PVC_CLIENT_DB_PERMS'] ?? '600'
  if (!/^[0-7]{3,4}$/.test(text)) throw usageFailure(`PVC_CLIENT_DB_PERMS must be an octal mode such as 600.`)
  return Number.parseInt(text, 8)
}

/** Replaces the store at once: a reader sees the old file or the new one, and the keys in it are never readable by others. */
export async function writeStore(env: Host['env'], document: Store['document']): Promise<void> {
  const file = storeFile(env)
  const temporary = `${file}.${process.pid}.new`
  const mode = storeMode(env)
  try {
    await mkdir(storeDirectory(env), { recursive: true, mode: 0o700 })
    const handle = await open(temporary, 'w', mode)
    try {
      await handle.writeFile(`${JSON.stringify(document, undefined, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    // The mode given to open is narrowed by the umask.
    await chmod(temporary, mode)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw new CommandFailure(`The connection store ${file} cannot be written (${systemErrorCode(error)}).`, 1, error)
  }
}

/** Addresses of a connection, in the order they are tried. */
export function addressesOf(connection: Pick<StoredConnection, 'host'>): readonly string[] {
  return connection.host
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
}

/** `scheme://address:port` for people and URLs; IPv6 addresses get their brackets. */
export function originOf(scheme: string, address: string, port: number): string {
  return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** Host names and addresses; what looks like one but is none, as 300.1.1.1, no URL may contain. */
function isAddress(text: string): boolean {
  const looksRight = /^[A-Za-z0-9][A-Za-z0-9.-]*$|^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*$/.test(text)
  return looksRight && URL.canParse(originOf('http', text, 80))
}

/** Checks what `connection add` was given; throws a usage failure that names the option. */
export function checkConnection(name: string, host: string, port: string): { host: string; port: number } {
  if (!/^[\w.-]+$/.test(name)) throw usageFailure('NAME must be letters, digits, dot, underscore or hyphen.')
  if (name === LOCAL_NAME) throw usageFailure(`The name "${LOCAL_NAME}" is reserved for this machine's own API.`)
  const addresses = addressesOf({ host })
  const bad = addresses.find((address) => !isAddress(address))
  if (addresses.length === 0 || bad !== undefined) {
    throw usageFailure(`--address must be a host name or IP address, or several with commas: ${bad ?? 'it is empty'}.`)
  }
  const number = Number(port)
  if (!/^\d+$/.test(port) || number < 1 || number > 65_535)
    throw usageFailure('--port must be a number from 1 to 65535.')
  return { host: addresses.join(','), port: number }
}
