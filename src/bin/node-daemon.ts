/** pvcnoded's composition: real adapters, the node part, signals, the end of the process. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { arch, cpus, release } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCephCli } from '../adapters/ceph/ceph-cli.ts'
import { createStorageFence } from '../adapters/ceph/fence-cli.ts'
import { createSystemClock } from '../adapters/clock/system.ts'
import type { LoadedConfig } from '../adapters/config/config-file.ts'
import { createNodeFiles } from '../adapters/files/node-files.ts'
import { createHost } from '../adapters/host/host.ts'
import { takeInstanceLock } from '../adapters/host/instance-lock.ts'
import { startHypervisor } from '../adapters/libvirt/hypervisor.ts'
import { bootTimeNs, closeInheritedFds, sdNotify } from '../adapters/libvirt/system.ts'
import { createLog } from '../adapters/log/pino-log.ts'
import { createSupervisor } from '../adapters/systemd/supervisor.ts'
import { createZooKeeperStore } from '../adapters/zookeeper/store.ts'
import { type NodeDaemon, startNode } from '../node/start.ts'
import type { Log } from '../ports/log.ts'
import { createClusterLink } from './cluster-link.ts'

const SHIPPED_HOOK = fileURLToPath(new URL('../../systemd/libvirt-hook/qemu', import.meta.url))
/** A node that looks at, or lifts, its own entry hurries nobody. */
const OWN_BLOCKLIST_MS = 10_000
const OS_RELEASE = '/etc/os-release'

/** Runs pvcnoded until a signal ends it. @throws PvcError, Error when it cannot start at all */
export async function runNodeDaemon(config: LoadedConfig, version: string): Promise<void> {
  // First of all: a descriptor of whoever started us must not live on in QEMU tools.
  closeInheritedFds()
  const log = createLog({ name: 'pvcnoded', level: config.logging.level })
  crashOn('uncaughtException', log)
  crashOn('unhandledRejection', log)
  await mkdir(config.paths.run, { recursive: true, mode: 0o700 })
  await mkdir(config.paths.state, { recursive: true, mode: 0o700 })
  await takeInstanceLock(join(config.paths.run, 'pvcnoded.sock'))
  log.info({ version, node: config.node.name }, 'pvcnoded starts')
  const { daemon, close } = await startWithAdapters(config, version, log)
  const signal = await firstSignal(log)
  log.info({ signal }, 'asked to stop')
  await daemon.stop()
  close()
  process.exit(0)
}

async function startWithAdapters(config: LoadedConfig, version: string, log: Log) {
  const clock = createSystemClock(bootTimeNs)
  const { servers, root, sessionTimeoutMs } = config.zookeeper
  const { uri } = config.libvirt
  const supervisor = createSupervisor({ log, send: sdNotify, environment: process.env })
  const daemon: NodeDaemon = await startNode({
    config,
    identity: {
      pvc: version,
      kernel: release(),
      os: osName(),
      arch: ARCHITECTURES[arch()] ?? arch(),
      cpuModel: cpus()[0]?.model.trim(),
    },
    store: createZooKeeperStore({
      servers,
      root,
      sessionTimeoutMs,
      clock,
      log: log.child({ component: 'zookeeper' }),
    }),
    hypervisor: startHypervisor({
      uri,
      clock,
      log: log.child({ component: 'libvirt' }),
      createTimeoutMs: config.vm.createTimeoutMs,
      migration: { ...config.migration, scheme: config.libvirt.migrationScheme },
    }),
    ceph: createCephCli({ user: config.ceph.user, configFile: config.ceph.configFile }),
    storageFence: createStorageFence({
      user: config.ceph.user,
      configFile: config.ceph.configFile,
      deadlineMs: OWN_BLOCKLIST_MS,
    }),
    files: createNodeFiles({ runDir: config.paths.run, stateDir: config.paths.state }),
    host: createHost({
      guestKeyring: config.ceph.secretKeyring,
      guestUser: config.ceph.secretUser,
      shippedHook: SHIPPED_HOOK,
      rebootCommand: config.node.rebootCommand,
    }),
    link: await createClusterLink(config, clock, log),
    supervisor,
    clock,
    log,
    newUuid: randomUUID,
    isRealHypervisor: !uri.startsWith('test:'),
  })
  return { daemon, close: () => supervisor.close() }
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
