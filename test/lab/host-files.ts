/** The files of one host: system identity, libvirt, ZooKeeper, and the run script of each service. */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import { frrService, guestNetworkFiles, hostRoutes, networkConfig } from './guest-network-files.ts'
import {
  bmcAddress,
  bmcLogin,
  coordinators,
  type FloatingNetwork,
  floatingAddress,
  hostAddress,
  hostDir,
  hostMac,
  hostName,
  type NetworkName,
  networkNames,
  networks,
  repoDir,
  roomAddress,
  secretUuid,
} from './plan.ts'
import { javaCommand, log4jProperties, type ZooKeeperMember, zooCfg } from './zookeeper-config.ts'

/** Not /etc/zookeeper/conf: that is a link into Debian's alternatives, which a private mount cannot replace. */
const zooKeeperConf = 'etc/zookeeper-lab'

/** Folders of a host that live on the machine's disk below its `fs/`: kept over power cuts, readable from outside. */
const binds = [
  'etc/libvirt',
  'etc/ceph',
  'etc/pvc',
  zooKeeperConf,
  'var/lib/libvirt',
  'var/cache/libvirt',
  'var/lib/pvc',
  'var/lib/zookeeper',
  'var/lib/ceph',
]

/** Writes a file and the folders above it. */
export function put(file: string, text: string, mode?: number): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  if (mode !== undefined) chmodSync(file, mode)
}

/** Adds a service to a namespace folder: `command` is run by bash with exec, restarted for ever, logged by name. */
export function putService(dir: string, name: string, command: string, enabled = true): void {
  put(join(dir, 'svc', name, 'run'), `${command}\n`)
  if (enabled) put(join(dir, 'svc', name, 'enabled'), '')
}

/** The ZooKeeper ensemble of the coordinators, on the cluster network. */
export function zooKeeperMembers(hosts: number): ZooKeeperMember[] {
  return coordinators(hosts).map((id) => ({
    id,
    address: hostAddress('cluster', id),
    clientPort: 2181,
    quorumPort: 2888,
    electionPort: 3888,
  }))
}

/** Services every host of this number runs; daemons start only when told to. */
export function hostServices(index: number, hosts: number): string[] {
  const coordinator = coordinators(hosts).includes(index)
  return ['virtlogd', 'libvirtd', 'frr', 'guard', 'pvcnoded', ...(coordinator ? ['zookeeper', 'pvcapid'] : [])]
}

function bootScript(index: number): string {
  const own = (network: NetworkName): string => `${hostAddress(network, index)}/24`
  const plain = networkNames.filter((network) => network !== 'cluster')
  return `# network of ${hostName(index)}, run by init: waits for its cables, then sets addresses
cabled() { for device in ${networkNames.map((network) => networks[network].device).join(' ')}; do [ -e "/sys/class/net/$device" ] || return 1; done; }
for _ in $(seq 500); do cabled && break; nap 0.01; done
sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0 net.ipv4.tcp_retries2=6
for f in iptables ip6tables arptables; do sysctl -qw net.bridge.bridge-nf-call-$f=0 2>/dev/null; done
ip -batch - <<LINKS
link set lo up
link add br0 address ${hostMac('cluster', index)} type bridge
link set ${networks.cluster.device} master br0 up
addr add ${own('cluster')} dev br0
link set br0 up
${plain.map((network) => `addr add ${own(network)} dev ${networks[network].device}\nlink set ${networks[network].device} up`).join('\n')}
${hostRoutes}
LINKS
`
}

function libvirtFiles(index: number): Record<string, string> {
  const address = hostAddress('cluster', index)
  return {
    'libvirtd.conf': `listen_tls = 0
listen_tcp = 1
listen_addr = "${address}"
auth_tcp = "none"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "00000000-0000-4000-8000-00000000000${index}"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
keepalive_interval = 5
keepalive_count = 5
`,
    'qemu.conf': `security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
stdio_handler = "logd"
migration_address = "${address}"
`,
    'virtlogd.conf': 'log_outputs = "3:file:/var/log/libvirt/virtlogd.log"\n',
  }
}

function floatingConfig(): Record<string, unknown> {
  const entry = (network: FloatingNetwork, device: string) => ({ address: `${floatingAddress(network)}/24`, device })
  return {
    cluster: entry('cluster', 'br0'),
    storage: entry('storage', networks.storage.device),
    upstream: entry('upstream', networks.upstream.device),
  }
}

/** The configuration of the PVC daemons of one host. */
export function pvcConfig(dir: string, index: number, hosts: number): Record<string, unknown> {
  // A host cannot restart itself here, but its BMC can.
  const login = ['-U', bmcLogin.user, '-f', '/etc/pvc/bmc-password', 'chassis']
  return {
    cluster: { name: 'lab', coordinators: coordinators(hosts).map(hostName), floating: floatingConfig() },
    node: {
      clusterAddress: hostAddress('cluster', index),
      storageAddresses: [hostAddress('storage', index)],
      rebootCommand: ['ipmitool', '-I', 'lanplus', '-C', '3', '-H', bmcAddress(index), ...login, 'power', 'reset'],
    },
    zookeeper: { servers: zooKeeperMembers(hosts).map((m) => `${m.address}:${m.clientPort}`) },
    ceph: { secretUuid },
    network: networkConfig,
    power: {
      method: 'ipmi',
      host: bmcAddress(index),
      user: bmcLogin.user,
      passwordFile: '/etc/pvc/bmc-password',
    },
    selfFence: { watchdog: { device: join(hostDir(dir, index), 'watchdog'), fixedTimeoutS: 10 } },
    logging: { level: 'debug' },
  }
}

/** The machine's user database plus the users that Debian's libvirt service package would have made. */
function withUsers(file: string, wanted: readonly string[]): string {
  const text = readFileSync(file, 'utf8')
  const missing = wanted.filter((line) => !new RegExp(`^${line.split(':')[0]}:`, 'm').test(text))
  return [text.trimEnd(), ...missing, ''].join('\n')
}

function identityFiles(index: number, hosts: number): Record<string, string> {
  const all = Array.from({ length: hosts }, (_, i) => `${hostAddress('cluster', i + 1)} ${hostName(i + 1)}`)
  return {
    ...guestNetworkFiles(),
    'etc/hosts': `127.0.0.1 localhost\n${roomAddress('cluster')} root\n${all.join('\n')}\n`,
    'etc/passwd': withUsers('/etc/passwd', ['libvirt-qemu:x:64055:64055:libvirt:/var/lib/libvirt:/usr/sbin/nologin']),
    'etc/group': withUsers('/etc/group', ['libvirt-qemu:x:64055:', 'kvm:x:64056:', 'libvirt:x:64057:']),
    'etc/hostname': `${hostName(index)}\n`,
    'etc/machine-id': `${randomBytes(16).toString('hex')}\n`,
    'usr/local/bin/qemu-system-x86_64': readFileSync(join(repoDir, 'test/lab/init/qemu.sh'), 'utf8'),
    'usr/local/bin/pvc': `#!/bin/sh\nexec ${process.execPath} ${repoDir}/dist/cli/pvc.cjs "$@"\n`,
  }
}

function putZooKeeper(dir: string, index: number, hosts: number): void {
  const members = zooKeeperMembers(hosts)
  const self = members.find((member) => member.id === index)
  if (self === undefined) return
  const conf = join(dir, 'fs', zooKeeperConf)
  put(join(conf, 'zoo.cfg'), zooCfg(self, members, '/var/lib/zookeeper'))
  put(join(conf, 'log4j.properties'), log4jProperties())
  put(join(dir, 'fs/var/lib/zookeeper/myid'), `${index}\n`)
  putService(dir, 'zookeeper', `exec ${javaCommand(`/${zooKeeperConf}`).join(' ')}`)
}

/** What all hosts of a lab share; `clusterKey` as it stands in its file. */
export type LabFacts = { readonly hosts: number; readonly daemons: boolean; readonly clusterKey: string }

/**
 * Writes everything a host needs to boot into the instance folder `dir`. The start hook of libvirt is there only with
 * the daemons that give its permits: without them it would refuse every start.
 */
export function writeHostFiles(dir: string, index: number, lab: LabFacts): void {
  const { hosts, daemons, clusterKey } = lab
  const own = hostDir(dir, index)
  for (const [file, text] of Object.entries(identityFiles(index, hosts))) {
    put(join(own, 'files', file), text, file.startsWith('usr/') ? 0o755 : 0o644)
  }
  for (const folder of binds) mkdirSync(join(own, 'fs', folder), { recursive: true })
  for (const folder of ['libvirt/qemu', 'pvc', 'ceph']) mkdirSync(join(own, 'log', folder), { recursive: true })
  mkdirSync(join(own, 'isolated'), { recursive: true })
  put(join(own, 'binds'), `${binds.join('\n')}\n`)
  put(join(own, 'boot.sh'), bootScript(index))
  for (const network of networkNames) {
    const { device, bridge } = networks[network]
    // br0 carries the cluster address and so the MAC of the plan; its port needs another one.
    const mac = network === 'cluster' ? hostMac('cluster', index).replace('02:90', '02:91') : hostMac(network, index)
    put(join(own, 'links', network), `${device} ${mac} ${bridge}\n`)
  }
  for (const [file, text] of Object.entries(libvirtFiles(index))) put(join(own, 'fs/etc/libvirt', file), text)
  if (daemons)
    put(join(own, 'fs/etc/libvirt/hooks/qemu'), readFileSync(join(repoDir, 'systemd/libvirt-hook/qemu'), 'utf8'), 0o755)
  putService(own, 'virtlogd', 'exec virtlogd')
  putService(own, 'libvirtd', 'exec libvirtd --listen')
  putService(own, 'frr', frrService)
  putService(own, 'guard', `exec ${join(repoDir, 'native/guard/build/pvc-guard')} --run /run/pvc`)
  putZooKeeper(own, index, hosts)
  put(join(own, 'fs/etc/pvc/pvc.yaml'), stringify(pvcConfig(dir, index, hosts)))
  put(join(own, 'fs/etc/pvc/cluster.key'), `${clusterKey}\n`, 0o600)
  put(join(own, 'fs/etc/pvc/bmc-password'), `${bmcLogin.password}\n`, 0o600)
  for (const daemon of hostServices(index, hosts).filter((service) => service.startsWith('pvc'))) {
    const command = `${process.execPath} --enable-source-maps dist/bin/${daemon}.js --config /etc/pvc/pvc.yaml`
    putService(own, daemon, `cd ${repoDir} && exec ${command}`, false)
  }
}
