/** Ceph's files, made before any of its daemons runs: keys with their rights, keyrings, configuration. */
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { put } from './host-files.ts'
import { coordinators, hostAddress, hostDir, type Layout, networks, roomAddress, secretUuid } from './plan.ts'

/** One Ceph daemon of a kind: its id and the host number it runs on (undefined = machine room). */
export type CephDaemon = { id: string; host: number | undefined; address: string }

/** A Ceph cluster before its start. */
export type CephPlan = {
  fsid: string
  /** Folder with configuration, keyrings and data. */
  dir: string
  monitors: CephDaemon[]
  osds: (CephDaemon & { uuid: string; key: string })[]
}

/** A new cephx secret: type 1 (AES), creation time, 16 random bytes, in base64. */
export function cephKey(): string {
  const header = Buffer.alloc(12)
  header.writeUInt16LE(1, 0)
  header.writeUInt32LE(Math.floor(Date.now() / 1000), 2)
  header.writeUInt32LE(0, 6)
  header.writeUInt16LE(16, 10)
  return Buffer.concat([header, randomBytes(16)]).toString('base64')
}

/**
 * Rights of every Ceph user but the OSDs. client.pvc and client.libvirt are not bound to a pool: the product makes its
 * pools itself, after the keys. `allow command "osd blocklist"` lets a node fence and be lifted from a fence; mgr
 * `allow r` lets it read `osd df`.
 */
const users: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'mon.': { mon: 'allow *' },
  'mgr.x': { mon: 'allow profile mgr', osd: 'allow *', mds: 'allow *' },
  'client.admin': { mon: 'allow *', osd: 'allow *', mgr: 'allow *', mds: 'allow *' },
  'client.pvc': { mon: 'profile rbd, allow command "osd blocklist"', osd: 'profile rbd', mgr: 'profile rbd, allow r' },
  'client.libvirt': { mon: 'profile rbd', osd: 'profile rbd', mgr: 'profile rbd' },
}

function keyring(user: string, key: string, caps: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries(caps).map(([kind, right]) => `\tcaps ${kind} = "${right.replaceAll('"', '\\"')}"\n`)
  return `[${user}]\n\tkey = ${key}\n${lines.join('')}`
}

function monHost(plan: CephPlan): string {
  return plan.monitors.map((m) => `[v2:${m.address}:3300,v1:${m.address}:6789]`).join(' ')
}

function daemonConfig(plan: CephPlan, layout: Layout): string {
  const copies = layout === 'hyperconverged' ? Math.min(2, plan.osds.length) : 1
  const { dir } = plan
  return `[global]
fsid = ${plan.fsid}
mon_initial_members = ${plan.monitors.map((m) => m.id).join(' ')}
mon_host = ${monHost(plan)}
public_network = ${networks.storage.prefix}.0/24
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = ${dir}/keyring.$name
log_file = ${dir}/log/$name.log
crash_dir = ${dir}/crash
osd_pool_default_size = ${copies}
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_warn_on_pool_no_redundancy = false
mon_allow_pool_delete = true
mon_allow_pool_size_one = true
mon_data_avail_warn = 2
mon_data_avail_crit = 1
# Failure detection within the budget of a node's recovery: an OSD's death is seen within osd_heartbeat_grace.
mon_osd_min_down_reporters = 1
mon_osd_reporter_subtree_level = osd
mon_osd_down_out_interval = 600
osd_heartbeat_interval = 1
osd_heartbeat_grace = 6
# Monitors that lost one of theirs take the word that shuts a dead host out 7 to 9 s after its death (defaults: 16 s).
mon_lease = 2
mon_election_timeout = 2
# An OSD whose monitor died with its host looks for another one within seconds: disks stand still until it has (default 30 s).
mon_client_ping_interval = 2
mon_client_ping_timeout = 5
rbd_default_features = 61
[mon]
mon_data = ${dir}/mon.$id
mon_cluster_log_file = ${dir}/log/cluster.log
[mgr]
mgr_data = ${dir}/mgr.$id
mgr_stats_period = 2
[osd]
osd_data = ${dir}/osd.$id
osd_objectstore = bluestore
bluestore_block_size = 8589934592
bluestore_cache_autotune = false
bluestore_cache_size = 67108864
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 1
osd_min_pg_log_entries = 10
osd_max_pg_log_entries = 100
`
}

/** Who runs what: central = one monitor and OSD in the machine room, hyperconverged = one of each per coordinator. */
export function planCeph(instanceDir: string, hosts: number, layout: Layout): CephPlan {
  const places: { host: number | undefined; address: string }[] =
    layout === 'central'
      ? [{ host: undefined, address: roomAddress('storage') }]
      : coordinators(hosts).map((host) => ({ host, address: hostAddress('storage', host) }))
  return {
    fsid: randomUUID(),
    dir: join(instanceDir, 'ceph'),
    monitors: places.map((place, i) => ({ ...place, id: 'abc'.charAt(i) })),
    osds: places.map((place, i) => ({ ...place, id: String(i), uuid: randomUUID(), key: cephKey() })),
  }
}

/**
 * Writes configuration and keyrings for the daemons, and /etc/ceph of every host: the administrator's keyring only on
 * coordinators. `withSecret` also gives libvirt the guests' key, for a lab whose daemons do not do it.
 */
export function writeCephFiles(
  instanceDir: string,
  plan: CephPlan,
  hosts: number,
  layout: Layout,
  withSecret: boolean,
): void {
  for (const folder of ['log', 'crash', 'mgr.x']) mkdirSync(join(plan.dir, folder), { recursive: true })
  put(join(plan.dir, 'ceph.conf'), daemonConfig(plan, layout))
  const keys = new Map(Object.keys(users).map((user) => [user, cephKey()]))
  const ring = (user: string): string => keyring(user, keys.get(user) ?? '', users[user])
  for (const user of keys.keys()) put(join(plan.dir, `keyring.${user}`), ring(user), 0o600)
  for (const monitor of plan.monitors) put(join(plan.dir, `keyring.mon.${monitor.id}`), ring('mon.'), 0o600)
  for (const osd of plan.osds) put(join(plan.dir, `keyring.osd.${osd.id}`), keyring(`osd.${osd.id}`, osd.key), 0o600)
  // The monitors take all users from this file when their store is made: no `ceph auth` calls at start.
  put(join(plan.dir, 'keyring.initial'), [...keys.keys()].map(ring).join(''), 0o600)
  for (let index = 1; index <= hosts; index++) {
    const etc = join(hostDir(instanceDir, index), 'fs/etc')
    put(join(etc, 'ceph/ceph.conf'), `[global]\nfsid = ${plan.fsid}\nmon_host = ${monHost(plan)}\n`)
    const admin = coordinators(hosts).includes(index) ? ['client.admin'] : []
    for (const user of ['client.pvc', 'client.libvirt', ...admin])
      put(join(etc, `ceph/ceph.${user}.keyring`), ring(user), 0o600)
    if (!withSecret) continue
    const secrets = join(etc, 'libvirt/secrets')
    const usage = "<usage type='ceph'><name>client.libvirt secret</name></usage>"
    put(
      join(secrets, `${secretUuid}.xml`),
      `<secret ephemeral='no' private='yes'><uuid>${secretUuid}</uuid>${usage}</secret>\n`,
      0o600,
    )
    put(join(secrets, `${secretUuid}.base64`), keys.get('client.libvirt') ?? '', 0o600)
  }
}
