/** What pvcnoded can do with the cluster key: wiring of everything that needs it. */
import { type ClusterKey, readClusterKey } from '../adapters/crypto/cluster-key.ts'
import { createPowerVault } from '../adapters/crypto/power-vault.ts'
import { CONSOLE_PATH, createConsoleUpgrade } from '../adapters/peer/console-upgrade.ts'
import { createPeerNetwork } from '../adapters/peer/peer-network.ts'
import { readPowerAccess } from '../adapters/power/power-access.ts'
import { createLocalServer } from '../adapters/zookeeper/local-server.ts'
import type { Clock } from '../base/clock.ts'
import { ConsoleSessions } from '../console/sessions.ts'
import { PvcError } from '../model/errors.ts'
import type { ClusterLink, NodeConfig } from '../node/deps.ts'
import type { Hypervisor } from '../ports/hypervisor.ts'
import type { Log } from '../ports/log.ts'
import type { LocalServer } from '../ports/peer.ts'

/** Reads the cluster key; a missing or unusable one is a fault of the node, not a reason not to run its guests. */
export async function createClusterLink(
  config: NodeConfig,
  hypervisor: Hypervisor,
  clock: Clock,
  log: Log,
): Promise<ClusterLink> {
  const shared = { localServer: localServerOf(config), readPowerAccess: () => readPowerAccess(config.power) }
  const key = await clusterKeyOrProblem(config.cluster.keyFile)
  if (typeof key === 'string') return { keyProblem: key, network: undefined, vault: undefined, ...shared }
  const consoleLog = log.child({ component: 'console' })
  const sessions = new ConsoleSessions(hypervisor, consoleLog)
  const console = createConsoleUpgrade({
    open: (uuid, isForced, listener) => sessions.open(uuid, isForced, listener),
    clock,
    log: consoleLog,
  })
  const network = createPeerNetwork({
    self: config.node.name,
    key: key.derive('peer'),
    port: config.peer.port,
    addresses: [...new Set([config.node.clusterAddress, ...config.node.storageAddresses])],
    clock,
    log: log.child({ component: 'peer' }),
    upgrades: new Map([[CONSOLE_PATH, console]]),
  })
  return { keyProblem: undefined, network, vault: createPowerVault(key, config.node.name), ...shared }
}

/** The cluster key, or why there is none, as sentences with the fix. */
export async function clusterKeyOrProblem(file: string): Promise<ClusterKey | string> {
  try {
    return await readClusterKey(file)
  } catch (error) {
    if (error instanceof PvcError) return error.message
    throw error
  }
}

/** The server of the list that has an address of this machine. */
function localServerOf({ node, zookeeper }: NodeConfig): LocalServer | undefined {
  const own = [node.clusterAddress, ...node.storageAddresses]
  for (const server of zookeeper.servers) {
    const [address = '', port = ''] = server.split(':')
    if (own.includes(address)) return createLocalServer(address, Number(port))
  }
  return undefined
}
