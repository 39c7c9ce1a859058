import { z } from 'zod'
import { DEFAULT_CONSOLE_LINES, MAX_CONSOLE_LINES } from './console-limits.ts'
import { type FenceTimes, timingProblems } from './fence-timing.ts'
import { NodeName } from './ids.ts'

const ipv4 = /^(\d{1,3}\.){3}\d{1,3}$/
const ipv6 = /^[0-9a-fA-F:]*:[0-9a-fA-F:]+$/
const IpAddress = z.string().refine((text) => ipv4.test(text) || ipv6.test(text), 'must be an IP address, not a name')
const Port = z.number().int().min(1).max(65535)
const AbsolutePath = z.string().startsWith('/', 'must be an absolute path')
const Uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be a lower-case UUID')

const FloatingAddress = z.strictObject({
  /** `10.90.0.250/24`. */
  address: z
    .string()
    .regex(/^[0-9a-fA-F.:]+\/\d{1,3}$/, 'must be an address with its prefix length, such as 10.90.0.250/24'),
  /** Network device that carries it on this node. */
  device: z.string().min(1).max(15),
})

const ClusterSection = z.strictObject({
  name: z.string().min(1),
  /** Nodes that vote in ZooKeeper and can be primary: 3 or 5 of them. */
  coordinators: z.array(NodeName).min(1),
  /** Root-only file with 32 random bytes in base64, the same on every node: seals secrets, signs what nodes say to each other. */
  keyFile: AbsolutePath.default('/etc/pvc/cluster.key'),
  /** Addresses that follow the primary, by network; each with its prefix length. */
  floating: z
    .strictObject({
      cluster: FloatingAddress.optional(),
      storage: FloatingAddress.optional(),
      upstream: FloatingAddress.optional(),
    })
    .prefault({}),
})

const NodeSection = z.strictObject({
  /** Default: the short host name. */
  name: NodeName.optional(),
  /** Address on the cluster network. */
  clusterAddress: IpAddress,
  /** Addresses from which this node talks to Ceph. */
  storageAddresses: z.array(IpAddress).min(1),
  /** Restarts this machine at once. Run only when a fenced node cannot get rid of a guest by any other means. */
  rebootCommand: z.array(z.string()).min(1).default(['systemctl', 'reboot', '--force', '--force']),
})

const ZookeeperSection = z.strictObject({
  /** `address:port` of every server. Addresses only: the client resolves names on the event loop. */
  servers: z
    .array(z.string().refine((text) => ipv4.test(text.replace(/:\d+$/, '')) && /:\d+$/.test(text), 'must be IP:port'))
    .min(1),
  root: z
    .string()
    .regex(/^\/[a-z0-9-]+$/, 'must be one path element such as /pvc')
    .default('/pvc'),
  sessionTimeoutMs: z.number().int().min(4000).max(60_000).default(6000),
})

const LibvirtSection = z.strictObject({
  uri: z.string().default('qemu:///system'),
  /** How this node's libvirt talks to the target's at a live migration. Guests' memory itself goes unencrypted. */
  migrationScheme: z.enum(['qemu+tcp', 'qemu+tls', 'qemu+ssh']).default('qemu+tcp'),
})

const CephSection = z.strictObject({
  configFile: AbsolutePath.default('/etc/ceph/ceph.conf'),
  /** Ceph user of pvcnoded. */
  user: z.string().default('pvc'),
  /** Ceph user of pvcapid on coordinators: may make pools. */
  adminUser: z.string().default('admin'),
  /** libvirt secret that guests name in their XML; pvcnoded defines it from the user's keyring. */
  secretUuid: Uuid,
  /** Ceph user of guests. */
  secretUser: z.string().default('libvirt'),
  /** Keyring file of `secretUser`. */
  secretKeyring: AbsolutePath.default('/etc/ceph/ceph.client.libvirt.keyring'),
})

const ApiSection = z.strictObject({
  /** Addresses to listen on; default: the node's cluster address. */
  listen: z.array(IpAddress).min(1).optional(),
  port: Port.default(7370),
  auth: z.strictObject({ enabled: z.boolean().default(true) }).prefault({}),
  tls: z.strictObject({ certificate: AbsolutePath, key: AbsolutePath }).optional(),
  /** Root-only file with a token, used by `pvc` on this machine (connection `local`). */
  localTokenFile: AbsolutePath.default('/etc/pvc/api-token'),
})

const MigrationSection = z.strictObject({
  /** Most MiB per second a copy may take of the network; absent: all it can get. */
  bandwidthMiBps: z.number().int().min(1).max(1_000_000).optional(),
  /** Slows a guest down that changes its memory faster than it can be copied: otherwise its copy might never end. */
  autoConverge: z.boolean().default(true),
  /** Streams of one copy. */
  parallel: z.number().int().min(1).max(16).default(1),
  /** Longest pause of a guest at the end of a copy, for VMs defined without one. */
  maxDowntimeMs: z.number().int().min(1).max(600_000).default(300),
})

/** How the power of this node is switched by others; it is sealed under the cluster key and published. */
const PowerSection = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('none') }),
  z.strictObject({
    method: z.literal('ipmi'),
    host: z.string().min(1),
    user: z.string(),
    /** Root-only file with the password in its first line. */
    passwordFile: AbsolutePath,
    interface: z.enum(['lanplus', 'lan']).default('lanplus'),
    /** Named, because ipmitool needs ten seconds to find out by itself. */
    cipherSuite: z.number().int().min(0).max(17).default(3),
  }),
  z.strictObject({
    method: z.literal('command'),
    on: z.array(z.string()).min(1),
    off: z.array(z.string()).min(1),
    /** Prints `on` or `off`. */
    status: z.array(z.string()).min(1),
    /** Root-only file of NAME=VALUE lines that becomes the command's environment. */
    environmentFile: AbsolutePath.optional(),
  }),
])

const FencingSection = z.strictObject({
  enabled: z.boolean().default(true),
  /** Nodes that may be fenced at the same time; default: fewer than half of all. */
  maxNodes: z.number().int().min(1).optional(),
  /** Bound of power off and its reading back. */
  powerTimeoutMs: z.number().int().min(1000).max(60_000).default(8000),
  /** Bound of one Ceph command of a fence. */
  cephTimeoutMs: z.number().int().min(500).max(10_000).default(2000),
  /** A node whose daemon was stopped in order is reported as unprotected after this time. */
  stopGraceMs: z.number().int().min(0).default(120_000),
  /** When every node is tested for whether it could be fenced; five fields of cron, UTC. */
  testSchedule: z
    .string()
    .regex(/^[\d*][^\s]*( [\w*][^\s]*){4}$/, 'must be the five fields of cron: minute hour day month weekday')
    .default('17 * * * *'),
  /** Called with a JSON text on standard input when a node is fenced. */
  hook: z.strictObject({ command: z.array(z.string()).min(1).optional(), url: z.url().optional() }).prefault({}),
})

const SelfFenceSection = z.strictObject({
  enabled: z.boolean().default(true),
  /** Guests are ended this long after the last certain contact (protocol SFB). */
  boundMs: z.number().int().min(4000).max(120_000).default(9000),
  /** The guard's kill of all guests takes no longer (protocol K). */
  killMs: z.number().int().min(500).default(2000),
  watchdog: z
    .strictObject({
      device: AbsolutePath.default('/dev/watchdog'),
      timeoutS: z.number().int().min(2).max(120).default(10),
      /** The device cannot be asked for its time-out: this is what it is known to be. */
      fixedTimeoutS: z.number().int().min(1).max(120).optional(),
      /** From the watchdog's end to the moment nothing runs any more (protocol R). */
      resetMs: z.number().int().min(0).default(1000),
    })
    .prefault({}),
})

const NetworkSection = z.strictObject({
  /** Device of the cluster network, over which the networks of guests are tunnelled; absent: no managed networks here. */
  underlayDevice: z.string().min(1).max(15).optional(),
  /** MTU of the cluster network, the same on every node; managed networks have 50 less. */
  underlayMtu: z.number().int().min(1280).max(65_535).default(1500),
  /** Device that carries the VLANs of bridged networks; absent: no bridged networks here. */
  bridgeDevice: z.string().min(1).max(15).optional(),
  bridgeMtu: z.number().int().min(576).max(65_535).default(1500),
  /** Cards whose virtual functions guests are given. */
  sriov: z
    .array(
      z.strictObject({
        device: z.string().min(1).max(15),
        /** Virtual functions made of it at the start. */
        vfs: z.number().int().min(1).max(256),
        mtu: z.number().int().min(576).max(65_535).optional(),
      }),
    )
    .default([]),
  bgp: z
    .strictObject({
      asn: z.number().int().min(1).max(4_294_967_294).default(65_500),
      /** Routers outside, to which coordinators announce the networks of guests. */
      upstream: z.array(z.strictObject({ address: IpAddress, asn: z.number().int().min(1) })).default([]),
    })
    .prefault({}),
  dns: z
    .strictObject({
      /** Resolvers asked for all other names; absent: those of the host. */
      forwarders: z.array(IpAddress).default([]),
      /** Who may copy whole zones, as addresses or networks. */
      allowTransfer: z.array(z.string()).default([]),
      /** Name servers of the zones are named below this domain. */
      domain: z.string().default('pvc.local'),
    })
    .prefault({}),
})

const RecoverySection = z.strictObject({
  /** Starts at the same time on this node, whoever asks; more would fight for its processors while they boot. */
  parallel: z.number().int().min(1).max(64).default(4),
  /** A fenced node takes VMs again as soon as it is back. */
  autoReady: z.boolean().default(false),
})

/** The configuration of all daemons of a node: one YAML file, read once, frozen, passed down. */
export const Config = z.strictObject({
  cluster: ClusterSection,
  node: NodeSection,
  zookeeper: ZookeeperSection,
  libvirt: LibvirtSection.prefault({}),
  ceph: CephSection,
  paths: z
    .strictObject({
      run: AbsolutePath.default('/run/pvc'),
      state: AbsolutePath.default('/var/lib/pvc'),
      consoleLogs: AbsolutePath.default('/var/log/libvirt/qemu'),
    })
    .prefault({}),
  heartbeat: z.strictObject({ intervalMs: z.number().int().min(500).max(60_000).default(5000) }).prefault({}),
  vm: z
    .strictObject({
      shutdownTimeoutMs: z.number().int().min(1000).default(180_000),
      /** How long a create call may take before its VM is reported as slow to start; the call is never abandoned. */
      createTimeoutMs: z.number().int().min(1000).default(30_000),
    })
    .prefault({}),
  console: z
    .strictObject({
      /** Lines kept of each guest's console; 0: none. A VM may say otherwise. */
      lines: z.number().int().min(0).max(MAX_CONSOLE_LINES).default(DEFAULT_CONSOLE_LINES),
      /** Lines kept of what pvcnoded says. */
      nodeLogLines: z.number().int().min(0).max(MAX_CONSOLE_LINES).default(2000),
      /** What all consoles of this node together may write to ZooKeeper. */
      budgetKiBps: z.number().int().min(16).max(65_536).default(512),
    })
    .prefault({}),
  migration: MigrationSection.prefault({}),
  /** How many VMs leave a node, or come home to it, at the same time. */
  flush: z.strictObject({ parallel: z.number().int().min(1).max(64).default(2) }).prefault({}),
  fencing: FencingSection.prefault({}),
  selfFence: SelfFenceSection.prefault({}),
  recovery: RecoverySection.prefault({}),
  network: NetworkSection.prefault({}),
  /** Default: nobody can switch this node's power. */
  power: PowerSection.default({ method: 'none' }),
  /** Where nodes ask each other. */
  peer: z.strictObject({ port: Port.default(7373) }).prefault({}),
  api: ApiSection.prefault({}),
  logging: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
})
export type Config = z.infer<typeof Config>

/** One thing wrong with a configuration: where, and what would be right. */
export type ConfigProblem = { readonly path: string; readonly message: string }

/** Checks a parsed YAML document. Returns the configuration with all defaults, or every problem at once. */
export function parseConfig(
  document: unknown,
  hostname: string,
): { readonly config: Config & { node: { name: NodeName } } } | { readonly problems: readonly ConfigProblem[] } {
  const result = Config.safeParse(document)
  if (!result.success) {
    return {
      problems: result.error.issues.map((issue) => ({ path: issue.path.join('.') || '(top)', message: issue.message })),
    }
  }
  const name = NodeName.safeParse(result.data.node.name ?? hostname.split('.')[0])
  if (!name.success)
    return { problems: [{ path: 'node.name', message: `host name ${hostname} is not usable; set it here` }] }
  const config = { ...result.data, node: { ...result.data.node, name: name.data } }
  if (config.cluster.coordinators.length % 2 === 0) {
    return { problems: [{ path: 'cluster.coordinators', message: 'must be an odd number: 1, 3 or 5' }] }
  }
  const problems = timingProblems(fenceTimes(config))
  if (problems.length > 0)
    return { problems: problems.map(({ rule, path, message }) => ({ path, message: `${message} (${rule})` })) }
  return { config }
}

/** The times of a configuration that fencing rests on. */
export function fenceTimes({
  zookeeper,
  fencing,
  selfFence,
}: Pick<Config, 'zookeeper' | 'fencing' | 'selfFence'>): FenceTimes {
  const { boundMs, killMs, watchdog } = selfFence
  const { fixedTimeoutS, timeoutS, resetMs } = watchdog
  const isOn = fencing.enabled && selfFence.enabled
  return {
    sessionTimeoutMs: zookeeper.sessionTimeoutMs,
    cephTimeoutMs: fencing.cephTimeoutMs,
    selfFence: isOn ? { boundMs, killMs, watchdogTimeoutS: fixedTimeoutS ?? timeoutS, resetMs } : undefined,
  }
}
