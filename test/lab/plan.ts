/** The lab's fixed plan: networks, addresses, names. Pure: everything else derives its numbers from here. */
import { existsSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A path without links: hosts mount these folders, and a mount over a link would end up elsewhere. */
function canonical(path: string): string {
  const above = dirname(path)
  if (existsSync(path)) return realpathSync(path)
  return above === path ? path : join(canonical(above), basename(path))
}

/** The checkout this lab runs. */
export const repoDir = canonical(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
/** Folder of this module, where the shell pieces live. */
export const labSourceDir = join(repoDir, 'test', 'lab')
/** Things built once and kept: guest kernel and initrd. */
export const cacheDir = canonical(resolve(process.env['PVC_CACHE_DIR'] ?? join(repoDir, '.cache')))

/** The host networks; each is its own bridge in the machine room and its own cable per host. */
export type NetworkName = 'cluster' | 'storage' | 'upstream' | 'bmc'
/** All networks of a host, in the order of their cables. */
export const networkNames: readonly NetworkName[] = ['cluster', 'storage', 'upstream', 'bmc']

/** What a network is called and numbered: `/24` prefix, bridge in the machine room, device inside a host. */
export type Network = { prefix: string; bridge: string; device: string }
/** The networks' numbers. In a host the cluster cable (eth0) is a port of br0, to which guests are attached too. */
export const networks: Readonly<Record<NetworkName, Network>> = {
  cluster: { prefix: '10.90.0', bridge: 'sw-cluster', device: 'eth0' },
  storage: { prefix: '10.90.1', bridge: 'sw-storage', device: 'storage0' },
  upstream: { prefix: '10.90.2', bridge: 'sw-upstream', device: 'upstream0' },
  bmc: { prefix: '10.91.0', bridge: 'sw-bmc', device: 'bmc0' },
}

/** Hosts a lab may have at most. */
export const maxHosts = 5

/** Where Ceph's daemons run: all in the machine room, or one monitor and OSD in each host. */
export type Layout = 'central' | 'hyperconverged'

/** Name of host number `index` (from 1). */
export function hostName(index: number): string {
  return `hv${index}`
}

/** Address of host number `index` on a network. On the bmc network the BMCs have .11 and up, the hosts .101 and up. */
export function hostAddress(network: NetworkName, index: number): string {
  return `${networks[network].prefix}.${network === 'bmc' ? 100 + index : 10 + index}`
}

/** Networks with an address that follows the primary. */
export type FloatingNetwork = Exclude<NetworkName, 'bmc'>

/** The address on a network that follows the primary. */
export function floatingAddress(network: FloatingNetwork): string {
  return `${networks[network].prefix}.250`
}

/** Address of a host's BMC. */
export function bmcAddress(index: number): string {
  return `${networks.bmc.prefix}.${10 + index}`
}

/** Address of the machine room on a network. */
export function roomAddress(network: NetworkName): string {
  return `${networks[network].prefix}.1`
}

/** MAC of a host's cable; fixed, so that a rebooted host keeps its identity in every neighbour's table. */
export function hostMac(network: NetworkName, index: number): string {
  return `02:90:00:00:0${networkNames.indexOf(network)}:0${index}`
}

/** Numbers of the coordinators (API, ZooKeeper, later primary): three of three and more hosts, else one. */
export function coordinators(hosts: number): number[] {
  return hosts >= 3 ? [1, 2, 3] : [1]
}

/** libvirt secret that holds the guests' Ceph key. */
export const secretUuid = '11111111-2222-4333-8444-555555555555'
/** BMC login of every host. */
export const bmcLogin = { user: 'ipmi', password: 'lab-secret' }

/** Folder that holds all instances. */
export function labsDir(): string {
  return canonical(resolve(process.env['PVC_LAB_DIR'] ?? join(tmpdir(), 'pvc-lab')))
}

/** Folder of one instance. Instances share all inner addresses and see nothing of each other. */
export function instanceDir(name: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,30}$/.test(name)) throw new Error(`lab name ${name}: use a-z, 0-9 and -`)
  return join(labsDir(), name)
}

/** Folder of one host's files inside an instance. */
export function hostDir(dir: string, index: number): string {
  return join(dir, 'hosts', hostName(index))
}
