/** pvcnoded's composition: real adapters, the node part, signals, the end of the process. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { arch, cpus, release } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCephCli } from '../adapters/ceph/ceph-cli.ts'
import { createStorageFence } from '../adapters/ceph/storage-fence.ts'
import { createSystemClock } from '../adapters/clock/system.ts'
import type { LoadedConfig } from '../adapters/config/config-file.ts'
import { createLogFiles } from '../adapters/console/log-files.ts'
import { createNodeFiles } from '../adapters/files/node-files.ts'
import { createFrr } from '../adapters/frr/frr.ts'
import { createGuardPages } from '../adapters/guard/guard.ts'
import { createHost } from '../adapters/host/host.ts'
import { takeInstanceLock } from '../adapters/host/instance-lock.ts'
import { startHypervisor } from '../adapters/libvirt/hypervisor.ts'
import { bootTimeNs, closeInheritedFds, sdNotify } from '../adapters/libvirt/system.ts'
import { createForwarding } from '../adapters/links/forwarding.ts'
import { createLinks } from '../adapters/links/links.ts'
import { createSriovCards } from '../adapters/links/sriov.ts'
import { createLog } from '../adapters/log/pino-log.ts'
import { createAddressRecord } from '../adapters/net/address-record.ts'
import { createHostNetwork } from '../adapters/net/host-network.ts'
import { createPacketFilter } from '../adapters/nft/nft.ts'
import { createSupervisor } from '../adapters/systemd/supervisor.ts'
import { createZooKeeperStore } from '../adapters/zookeeper/store.ts'
import type { Clock } from '../base/clock.ts'
import { withDeadline } from '../base/deadline.ts'
import { MutableSignal } from '../base/signal.ts'
import { type Consoles, startConsoles } from '../console/start.ts'
import { errorChain } from '../model/errors.ts'
import type { CoordinatorState } from '../model/node.ts'
import type { GuestNetworks, NodeDaemon } from '../node/deps.ts'
import { startNode } from '../node/start.ts'
import type { Log } from '../ports/log.ts'
import { createClusterLink } from './cluster-link.ts'
import { dropLeftovers, startCoordinator } from './coordinator-part.ts'

const SHIPPED_HOOK = fileURLToPath(new URL('../../systemd/libvirt-hook/qemu', import.meta.url))
/** A node that looks at, or lifts, its own entry hurries nobody. */
const OWN_BLOCKLIST_MS = 10_000
const OS_RELEASE = '/etc/os-release'

/** Runs pvcnoded until a signal ends it. @throws PvcError, Error when it cannot start at all */
export async function runNodeDaemon(config: LoadedConfig, version: string): Promise<void> {
  // First of all: a descriptor of whoever started us must not live on in QEMU tools.
  closeInheritedFds()
  const tap = createLogTap()
  const log = createLog({ name: 'pvcnoded', level: config.logging.level, tap: tap.write })
  crashOn('uncaughtException', log)
  crashOn('unhandledRejection', log)
  // Before anything is started: a signal that finds nobody ends the process, or is lost beside a child of it.
  const asked = firstSignal(log)
  await mkdir(config.paths.run, { recursive: true, mode: 0o700 })
  await mkdir(config.paths.state, { recursive: true, mode: 0o700 })
  await takeInstanceLock(join(config.paths.run, 'pvcnoded.sock'))
  log.info({ version, node: config.node.name }, 'pvcnoded starts')
  // Before anything else: a neighbour must not be told of an address that belongs to another primary by now.
  await dropLeftovers(config, log)
  const { daemon, coordinator, consoles, close } = await startWithAdapters(config, version, log)
  tap.attach(consoles.logLine)
  const signal = await asked
  log.info({ signal }, 'asked to stop')
  // First, so that another coordinator has the primary's work before this node is marked as stopped.
  await coordinator?.stop()
  await stopConsoles(consoles, log)
  await daemon.stop()
  close()
  process.exit(0)
}

async function startWithAdapters(config: LoadedConfig, version: string, log: Log) {
  const clock = createSystemClock(bootTimeNs)
  const isCoordinator = config.cluster.coordinators.includes(config.node.name)
  const state = new MutableSignal<CoordinatorState>(isCoordinator ? 'secondary' : 'client')
  const files = createNodeFiles({ runDir: config.paths.run, stateDir: config.paths.state })
  const supervisor = createSupervisor({ log, send: sdNotify, environment: process.env })
  const { store, hypervisor } = connect(config, clock, log)
  const link = await createClusterLink(config, hypervisor, clock, log)
  const daemon: NodeDaemon = await startNode({
    config,
    identity: {
      pvc: version,
      kernel: release(),
      os: osName(),
      arch: ARCHITECTURES[arch()] ?? arch(),
      cpuModel: cpus()[0]?.model.trim(),
    },
    store,
    hypervisor,
    ceph: createCephCli({ user: config.ceph.user, configFile: config.ceph.configFile }),
    storageFence: createStorageFence({
      user: config.ceph.user,
      configFile: config.ceph.configFile,
      deadlineMs: OWN_BLOCKLIST_MS,
    }),
    files,
    guard: createGuardPages({ runDir: config.paths.run, clock }),
    host: createHost({
      guestKeyring: config.ceph.secretKeyring,
      guestUser: config.ceph.secretUser,
      shippedHook: SHIPPED_HOOK,
      rebootCommand: config.node.rebootCommand,
    }),
    link,
    guestNetworks: guestNetworksOf(config, clock, log),
    supervisor,
    coordinator: state,
    clock,
    log,
    newUuid: randomUUID,
    isRealHypervisor: !config.libvirt.uri.startsWith('test:'),
  })
  const { index, session, faults } = daemon
  const directory = config.paths.consoleLogs
  const logFiles = createLogFiles({ directory, clock, log: log.child({ component: 'console' }) })
  const { name: self } = config.node
  const consoles = startConsoles({
    self,
    settings: config.console,
    store,
    session,
    index,
    hypervisor,
    files: logFiles,
    faults,
    clock,
    log,
  })
  const bootId = await files.bootId()
  const fencing = { session: daemon.session, peers: daemon.peers, vault: link.vault }
  const coordinator = isCoordinator
    ? startCoordinator({ config, bootId, isNodeAble: daemon.isAble, state, fencing, index, clock, log })
    : undefined
  return { daemon, coordinator, consoles, close: () => supervisor.close() }
}

function guestNetworksOf(config: LoadedConfig, clock: Clock, log: Log): GuestNetworks {
  return {
    links: createLinks({ clock, log: log.child({ component: 'links' }) }),
    routing: createFrr(),
    filter: createPacketFilter(),
    forwarding: createForwarding(),
    sriov: createSriovCards(),
    host: createHostNetwork(clock),
    anycastRecord: createAddressRecord(config.paths.run, 'anycast-gateways'),
  }
}

/** The connections that the node part and the consoles share. */
function connect(config: LoadedConfig, clock: Clock, log: Log) {
  const { servers, root, sessionTimeoutMs } = config.zookeeper
  const store = createZooKeeperStore({
    servers,
    root,
    sessionTimeoutMs,
    clock,
    log: log.child({ component: 'zookeeper' }),
  })
  const hypervisor = startHypervisor({
    uri: config.libvirt.uri,
    clock,
    log: log.child({ component: 'libvirt' }),
    createTimeoutMs: config.vm.createTimeoutMs,
    migration: { ...config.migration, scheme: config.libvirt.migrationScheme },
  })
  return { store, hypervisor }
}

/** Early lines of the log, which have nowhere to go yet; more than these are in the journal only. */
const EARLY_LINES = 500

/** Passes the lines of the log on once there is somebody who takes them. */
function createLogTap() {
  let taker: ((json: string) => void) | undefined
  const early: string[] = []
  return {
    write(json: string): void {
      if (taker !== undefined) taker(json)
      else if (early.length < EARLY_LINES) early.push(json)
    },
    attach(take: (json: string) => void): void {
      for (const json of early.splice(0)) take(json)
      taker = take
    },
  }
}

/** What does not reach the store in this time is still in the files of the guests. */
const STOP_CONSOLES_MS = 2000

async function stopConsoles(consoles: Consoles, log: Log): Promise<void> {
  try {
    await withDeadline(createSystemClock(bootTimeNs), STOP_CONSOLES_MS, 'the consoles', consoles.stop())
  } catch (error) {
    log.warn({ error: errorChain(error) }, 'the consoles did not end in order')
  }
}

/** Names of processors as the kernel gives them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

function osName(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(readFileSync(OS_RELEASE, 'utf8'))?.[1] ?? 'Linux'
  } catch {
    // A name for people only; a system without the file is none of our business.
    return 'Linux'
  }
}

/** A bug: the state of the process is not known any more. systemd starts a new one, which adopts the guests. */
function crashOn(event: 'uncaughtException' | 'unhandledRejection', log: Log): void {
  process.on(event, (error: unknown) => {
    log.fatal({ error: error instanceof Error ? error : new Error(String(error)) }, `${event}: pvcnoded ends`)
    process.exit(1)
  })
}

/** Waits for the signal to stop. A second one does not wait for an orderly end. */
function firstSignal(log: Log): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isAsked = false
    const onSignal = (signal: NodeJS.Signals): void => {
      if (isAsked) {
        log.warn({ signal }, 'asked again, ending at once')
        process.exit(1)
      }
      isAsked = true
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
