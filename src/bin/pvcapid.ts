#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { stringify } from 'yaml'
import { createCephCli } from '../adapters/ceph/ceph-cli.ts'
import { createSystemClock } from '../adapters/clock/system.ts'
import { type LoadedConfig, readConfigFile } from '../adapters/config/config-file.ts'
import { createLog } from '../adapters/log/pino-log.ts'
import { createRuleChecker } from '../adapters/nft/nft.ts'
import { createConsoleDoor } from '../adapters/peer/console-door.ts'
import { newToken } from '../adapters/peer/peer-network.ts'
import { createZooKeeperStore } from '../adapters/zookeeper/store.ts'
import { buildApp } from '../api/app.ts'
import type { ApiDeps } from '../api/handler.ts'
import { VmJson } from '../api/vm-json.ts'
import { type Clock, sleep } from '../base/clock.ts'
import { Role } from '../model/cluster.ts'
import { errorChain, hasCode, PvcError } from '../model/errors.ts'
import { AuditLog } from '../operations/audit.ts'
import { initialiseCluster } from '../operations/cluster.ts'
import { apiCollections } from '../operations/collections.ts'
import { configuredHostNetworks } from '../operations/host-networks.ts'
import { PoolStatsCache } from '../operations/pool-stats.ts'
import { PrimaryAbsence } from '../operations/primary-absence.ts'
import { StreamFollowers } from '../operations/stream-followers.ts'
import type { ConsoleDoor } from '../ports/console-door.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import { createIndex } from '../view/index.ts'
import { type ListenDeps, listen, ownAddresses } from './api-listen.ts'
import { ensureLocalToken, issueToken } from './api-token.ts'
import { clusterKeyOrProblem } from './cluster-link.ts'

const DEFAULT_CONFIG_FILE = '/etc/pvc/pvc.yaml'
/** Requests in flight at the end may take this long; systemd waits 15 s. */
const DRAIN_MS = 10_000
const CONNECT_MS = 15_000
const INITIALISE_RETRY_MS = 1000

const USAGE = `usage: pvcapid [--config FILE] [--check | --version | --help]
       pvcapid [--config FILE] --create-token --role ROLE --description TEXT [--write FILE]

  --config FILE        configuration, default ${DEFAULT_CONFIG_FILE}
  --check              print what was understood of the configuration, or every error, and end
  --create-token       make an API token and print it once; it is not kept anywhere
  --role ROLE          ${Role.options.join(', ')}
  --description TEXT   whose token it is; shown in the audit log
  --write FILE         write the token to FILE, readable by root only, instead of printing it
  --version, --help
`

const OPTIONS = {
  config: { type: 'string', default: DEFAULT_CONFIG_FILE },
  check: { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
  'create-token': { type: 'boolean', default: false },
  role: { type: 'string' },
  description: { type: 'string' },
  write: { type: 'string' },
} as const

/** Two levels above this file in the source and in the build. */
function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version: unknown }).version)
}

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true })
  if (values.help) return say(USAGE)
  if (values.version) return say(`pvcapid ${readVersion()}\n`)
  const config = await readConfigFile(values.config, hostname())
  if (values.check) return say(stringify(config))
  if (values['create-token']) return createTokenCommand(config, values)
  return serve(config)
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}

function openStore(config: LoadedConfig, clock: Clock, log: Log): Store {
  const { servers, root, sessionTimeoutMs } = config.zookeeper
  return createZooKeeperStore({ servers, root, sessionTimeoutMs, clock, log })
}

async function createTokenCommand(
  config: LoadedConfig,
  values: {
    readonly role?: string | undefined
    readonly description?: string | undefined
    readonly write?: string | undefined
  },
): Promise<number> {
  const role = Role.safeParse(values.role)
  if (!role.success) throw new PvcError('PVC_ARGUMENT_INVALID', `--role must be one of ${Role.options.join(', ')}`)
  if (!values.description) throw new PvcError('PVC_ARGUMENT_INVALID', '--description is required')
  const clock = createSystemClock()
  const store = openStore(config, clock, createLog({ name: 'pvcapid', level: 'error' }))
  try {
    const session = await store.connected(CONNECT_MS)
    await initialiseCluster(session, clusterFacts(config))
    const wish = { role: role.data, description: values.description, wallMs: clock.wallMs() }
    const token = await issueToken(session, wish, values.write)
    return say(values.write === undefined ? `${token}\n` : '')
  } finally {
    await store.close()
  }
}

function clusterFacts(config: LoadedConfig) {
  return { name: config.cluster.name, shutdownTimeoutMs: config.vm.shutdownTimeoutMs }
}

/** Runs the daemon until it is told to end. */
async function serve(config: LoadedConfig): Promise<number> {
  const clock = createSystemClock()
  const log = createLog({ name: 'pvcapid', level: config.logging.level })
  // Before anything is started: a signal that finds nobody ends the process, or is lost beside a child of it.
  const asked = signalled()
  // Watches are counted per session, so the index has several; changes go over the first.
  const store = openStore(config, clock, log)
  const { main, more } = apiCollections()
  const others = more.map((collections) => ({ store: openStore(config, clock, log), collections }))
  const index = createIndex({ store, clock, log, collections: main, more: others })
  const ceph = createCephCli({ user: config.ceph.adminUser, configFile: config.ceph.configFile })
  const poolStats = new PoolStatsCache({ ceph, clock, log })
  const { underlayMtu, bridgeMtu } = config.network
  const defaults = { maxDowntimeMs: config.migration.maxDowntimeMs, underlayMtu, bridgeMtu }
  const rules = createRuleChecker()
  const hostNetworks = configuredHostNetworks(config)
  const part = log.child({ component: 'api' })
  const operations = { store, index, ceph, poolStats, rules, clock, log: part, hostNetworks, defaults }
  const audit = new AuditLog(operations)
  const followers = new StreamFollowers(operations)
  const deps: ApiDeps = {
    ...operations,
    audit,
    followers,
    primaryAbsence: new PrimaryAbsence(operations),
    openConsole: await consoleDoor(config, log),
    version: readVersion(),
    auth: { isEnabled: config.api.auth.enabled },
    upstreamIp: config.cluster.floating.upstream?.address.split('/')[0] ?? '',
  }
  const ending = new AbortController()
  const apps = await startListening(deps, { config, clock, log, signal: ending.signal })
  log.info({ addresses: ownAddresses(config), port: config.api.port, tls: config.api.tls !== undefined }, 'listening')
  if (!config.api.auth.enabled) log.warn({}, 'authentication is off: everybody who reaches this address is an admin')
  const prepared = prepare({ config, store, clock, log, signal: ending.signal })
  const signal = await asked
  log.info({ signal }, 'ending')
  ending.abort()
  await drain(apps, clock, log)
  await Promise.all([prepared, audit.settle(), followers.stop()])
  index.close()
  await Promise.all([store, ...others.map((other) => other.store)].map((each) => each.close()))
  return 0
}

/** The way to the consoles of guests. Without the cluster key no node opens one for us; the rest of the API works. */
async function consoleDoor(config: LoadedConfig, log: Log): Promise<ConsoleDoor> {
  const key = await clusterKeyOrProblem(config.cluster.keyFile)
  if (typeof key === 'string') {
    return async () => {
      throw new PvcError('PVC_HOST_FAILED', `This API cannot ask nodes for consoles: ${key}`)
    }
  }
  const self = config.node.name
  return createConsoleDoor({ self, key: key.derive('peer'), port: config.peer.port, log, newToken })
}

/** Listens before ZooKeeper is there: a client then gets a clear answer instead of a refused connection. */
async function startListening(
  deps: ApiDeps,
  listening: Omit<ListenDeps, 'build'>,
): Promise<readonly FastifyInstance[]> {
  const { tls: files } = listening.config.api
  const tls = files && {
    certificate: await readFile(files.certificate, 'utf8'),
    key: await readFile(files.key, 'utf8'),
  }
  const vmJson = new VmJson(deps.index)
  return listen({ ...listening, build: () => buildApp(deps, { tls, vmJson }) })
}

type Preparation = {
  readonly config: LoadedConfig
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** Creates what is missing in the store, as soon as it can be reached. A tree of another version or cluster ends the daemon. */
async function prepare({ config, store, clock, log, signal }: Preparation): Promise<void> {
  while (!signal.aborted) {
    try {
      const session = await store.connected(INITIALISE_RETRY_MS)
      await initialiseCluster(session, clusterFacts(config))
      if (config.api.auth.enabled) await ensureLocalToken({ session, config, clock, log })
      return
    } catch (error) {
      if (hasCode(error, 'PVC_STORE_SCHEMA')) {
        log.fatal({ err: error }, 'this tree is not ours')
        process.exit(1)
      }
      log.warn({ err: error }, 'ZooKeeper is not ready yet')
      await sleep(clock, INITIALISE_RETRY_MS, signal)
    }
  }
}

function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve)
  })
}

/** No new requests; those in flight may finish, but not for ever. */
async function drain(apps: readonly FastifyInstance[], clock: Clock, log: Log): Promise<void> {
  const limit = clock.setTimer(DRAIN_MS, () => {
    log.warn({}, 'requests in flight were cut off')
    for (const app of apps) app.server.closeAllConnections()
  })
  await Promise.all(apps.map((app) => app.close()))
  limit.cancel()
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isUsage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  process.stderr.write(`pvcapid: ${errorChain(error)}\n${isUsage ? `\n${USAGE}` : ''}`)
  // Not exitCode: open ZooKeeper sessions would keep a daemon alive that serves nobody, and systemd would not start it again.
  process.exit(isUsage || hasCode(error, 'PVC_ARGUMENT_INVALID') ? 2 : 1)
}
