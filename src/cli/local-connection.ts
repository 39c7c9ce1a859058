import { readFile } from 'node:fs/promises'
import { DEFAULT_API_PORT } from '../contract/paths.ts'
import type { StoredConnection } from './connection.ts'
import { CommandFailure, systemErrorCode } from './failure.ts'
import type { Host } from './host.ts'

const DEFAULT_CONFIG_FILE = '/etc/pvc/pvc.yaml'
const DEFAULT_TOKEN_FILE = '/etc/pvc/api-token'

/** Where the daemons of this machine are configured; PVC_CONFIG_FILE names another place. */
export function localConfigFile(env: Host['env']): string {
  return env['PVC_CONFIG_FILE'] || DEFAULT_CONFIG_FILE
}

type Section = Readonly<Record<string, unknown>>

function section(parent: Section, name: string): Section {
  const value = parent[name]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Section) : {}
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []
}

/** An address one can connect to for one a server listens on. */
function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  return address === '::' ? '::1' : address
}

/**
 * Addresses of pvcapid, best first: its own one when this machine is a coordinator, then those of the coordinators, which
 * are where the ZooKeeper servers are.
 */
function apiAddresses(config: Section, hostname: string): string[] {
  const node = section(config, 'node')
  const own = typeof node['name'] === 'string' ? node['name'] : hostname
  const isCoordinator = texts(section(config, 'cluster')['coordinators']).includes(own)
  const listen = texts(section(config, 'api')['listen'])
  const clusterAddress = node['clusterAddress']
  const here = listen.length > 0 ? listen : texts([clusterAddress])
  const coordinators = texts(section(config, 'zookeeper')['servers']).map((server) => server.replace(/:\d+$/, ''))
  const all = [...(isCoordinator ? here.slice(0, 1).map(reachable) : []), ...coordinators]
  return [...new Set(all.filter((address) => isCoordinator || address !== clusterAddress))]
}

async function readToken(file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim() || null
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null
    throw new CommandFailure(
      `The API token ${file} cannot be read (${systemErrorCode(error)}): run as root, or use "pvc connection add" with a key of your own.`,
      1,
      error,
    )
  }
}

/**
 * The connection `local`, from this machine's configuration file; undefined when there is no such file.
 * Only the keys that lead to the API are looked at: whether the rest is right is the daemons' business.
 */
export async function readLocalConnection(host: Host): Promise<StoredConnection | undefined> {
  const file = localConfigFile(host.env)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined
    throw new CommandFailure(
      `The configuration ${file} cannot be read (${systemErrorCode(error)}): run as root, or name a connection with -c.`,
      1,
      error,
    )
  }
  let document: unknown
  try {
    document = await host.parseYaml(text)
  } catch (error) {
    throw new CommandFailure(`The configuration ${file} is not YAML: check it with "pvcnoded --check".`, 1, error)
  }
  const config = section({ document }, 'document')
  const api = section(config, 'api')
  const addresses = apiAddresses(config, host.hostname)
  if (addresses.length === 0) throw new CommandFailure(`The configuration ${file} does not say where the API is.`)
  const tokenFile = api['localTokenFile']
  const needsToken = section(api, 'auth')['enabled'] !== false
  return {
    description: 'This machine',
    host: addresses.join(','),
    port: typeof api['port'] === 'number' ? api['port'] : DEFAULT_API_PORT,
    scheme: api['tls'] === undefined || api['tls'] === null ? 'http' : 'https',
    api_key: needsToken ? await readToken(typeof tokenFile === 'string' ? tokenFile : DEFAULT_TOKEN_FILE) : null,
  }
}
