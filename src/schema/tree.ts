import { AuditEntry, AuthToken, Cluster, PrimaryEpoch, PrimaryLease, SchemaVersion } from '../model/cluster.ts'
import { ConsoleHead, type ConsoleSegment, StreamFollower } from '../model/console.ts'
import { PrimaryStatus, PrimaryWanted } from '../model/coordinator.ts'
import { VmDecisions } from '../model/decision.ts'
import { VmArrival, VmDocument, VmNameReservation, VmStatus } from '../model/domain.ts'
import { FenceJournal, FenceOrder } from '../model/fence.ts'
import { FlushRun, FlushTurn } from '../model/flush.ts'
import type { NodeName, PoolName, VmUuid, VolumeName } from '../model/ids.ts'
import { DhcpLease, DhcpReservation, DhcpState, DnsSerials, Network, NetworkAcls, type Vni } from '../model/network.ts'
import { NodeAlive, NodeSeqs, NodeSpec, NodeStats, NodeStatus } from '../model/node.ts'
import { FenceReach, FenceTestWish, PowerDocument, Readiness } from '../model/power.ts'
import { Profile, UserData } from '../model/provisioner.ts'
import { NodeSriov, SriovWish } from '../model/sriov.ts'
import { Pool, Volume } from '../model/storage.ts'
import { json } from './codec.ts'
import { consoleSegment } from './console-codec.ts'
import type { Dir, Key } from './key.ts'

const codecs = {
  schema: json(SchemaVersion),
  cluster: json(Cluster),
  lease: json(PrimaryLease),
  epoch: json(PrimaryEpoch),
  nodeSpec: json(NodeSpec),
  nodeStatus: json(NodeStatus),
  nodeStats: json(NodeStats),
  nodeSeqs: json(NodeSeqs),
  nodeAlive: json(NodeAlive),
  fence: json(FenceJournal),
  fenceOrder: json(FenceOrder),
  power: json(PowerDocument),
  readiness: json(Readiness),
  fenceTest: json(FenceTestWish),
  fenceReach: json(FenceReach),
  sriov: json(NodeSriov),
  sriovWish: json(SriovWish),
  primaryWanted: json(PrimaryWanted),
  primaryStatus: json(PrimaryStatus),
  flush: json(FlushRun),
  flushTurn: json(FlushTurn),
  vm: json(VmDocument),
  vmStatus: json(VmStatus),
  vmArrival: json(VmArrival),
  vmName: json(VmNameReservation),
  consoleHead: json(ConsoleHead),
  consoleSegment,
  follower: json(StreamFollower),
  network: json(Network),
  dhcpLease: json(DhcpLease),
  dhcpState: json(DhcpState),
  dnsSerials: json(DnsSerials),
  reservation: json(DhcpReservation),
  acls: json(NetworkAcls),
  userData: json(UserData),
  profile: json(Profile),
  pool: json(Pool),
  volume: json(Volume),
  token: json(AuthToken),
  audit: json(AuditEntry),
  decisions: json(VmDecisions),
}

function dir<T>(path: string, codec: Key<T>['codec']): Dir<T> {
  return { path, child: (name) => ({ path: `${path}/${name}`, codec }) }
}

/** A stream of text: its document, and its segments by number. */
export type StreamKeys = { readonly head: Key<ConsoleHead>; readonly segments: Dir<ConsoleSegment> }

function stream(path: string): StreamKeys {
  return { head: { path, codec: codecs.consoleHead }, segments: dir(path, codecs.consoleSegment) }
}

/** Name of a segment's znode. */
export function segmentName(number: number): string {
  return String(number).padStart(10, '0')
}

/** The only version of the tree this build reads and writes. */
export const SCHEMA_VERSION = 1

/**
 * The ZooKeeper tree, written once. No other file holds a path literal. One document has one writer at a time,
 * because the client has no transactions: what must change together is one document.
 */
export const tree = {
  schema: { path: '/schema', codec: codecs.schema } satisfies Key<SchemaVersion>,
  cluster: { path: '/cluster', codec: codecs.cluster } satisfies Key<Cluster>,
  primary: {
    lease: { path: '/primary/lease', codec: codecs.lease } satisfies Key<PrimaryLease>,
    epoch: { path: '/primary/epoch', codec: codecs.epoch } satisfies Key<PrimaryEpoch>,
    wanted: { path: '/primary/wanted', codec: codecs.primaryWanted } satisfies Key<PrimaryWanted>,
    status: { path: '/primary/status', codec: codecs.primaryStatus } satisfies Key<PrimaryStatus>,
  },
  nodes: dir('/nodes', codecs.nodeSpec),
  node: (name: NodeName) => ({
    spec: { path: `/nodes/${name}`, codec: codecs.nodeSpec } satisfies Key<NodeSpec>,
    status: { path: `/nodes/${name}/status`, codec: codecs.nodeStatus } satisfies Key<NodeStatus>,
    stats: { path: `/nodes/${name}/stats`, codec: codecs.nodeStats } satisfies Key<NodeStats>,
    seqs: { path: `/nodes/${name}/seqs`, codec: codecs.nodeSeqs } satisfies Key<NodeSeqs>,
    alive: { path: `/nodes/${name}/alive`, codec: codecs.nodeAlive } satisfies Key<NodeAlive>,
    fence: { path: `/nodes/${name}/fence`, codec: codecs.fence } satisfies Key<FenceJournal>,
    fenceOrder: { path: `/nodes/${name}/fence-order`, codec: codecs.fenceOrder } satisfies Key<FenceOrder>,
    power: { path: `/nodes/${name}/power`, codec: codecs.power } satisfies Key<PowerDocument>,
    readiness: { path: `/nodes/${name}/readiness`, codec: codecs.readiness } satisfies Key<Readiness>,
    fenceTest: { path: `/nodes/${name}/fence-test`, codec: codecs.fenceTest } satisfies Key<FenceTestWish>,
    /** Of a coordinator: which nodes it could fence. */
    fenceReach: { path: `/nodes/${name}/fence-reach`, codec: codecs.fenceReach } satisfies Key<FenceReach>,
    flush: { path: `/nodes/${name}/flush`, codec: codecs.flush } satisfies Key<FlushRun>,
    sriov: { path: `/nodes/${name}/sriov`, codec: codecs.sriov } satisfies Key<NodeSriov>,
    sriovWish: { path: `/nodes/${name}/sriov-wish`, codec: codecs.sriovWish } satisfies Key<SriovWish>,
    /** What pvcnoded says about its work, kept as a console is. */
    log: stream(`/nodes/${name}/log`),
  }),
  vms: dir('/vms', codecs.vm),
  vm: (uuid: VmUuid) => ({
    spec: { path: `/vms/${uuid}`, codec: codecs.vm } satisfies Key<VmDocument>,
    status: { path: `/vms/${uuid}/status`, codec: codecs.vmStatus } satisfies Key<VmStatus>,
    arrival: { path: `/vms/${uuid}/arrival`, codec: codecs.vmArrival } satisfies Key<VmArrival>,
    console: stream(`/vms/${uuid}/console`),
  }),
  /** Ephemeral: a stream that somebody follows, named as followerName of the model says. */
  followers: dir('/followers', codecs.follower),
  /** One znode per VM name: its creation decides who gets the name. */
  vmNames: dir('/vmnames', codecs.vmName),
  /** Ephemeral: whose turn it is to move VMs off a node or back; the lowest number has it, the name begins with its node. */
  flushTurns: dir('/locks/flush', codecs.flushTurn),
  networks: dir('/networks', codecs.network),
  network: (vni: Vni) => ({
    spec: { path: `/networks/${vni}`, codec: codecs.network } satisfies Key<Network>,
    acls: { path: `/networks/${vni}/acls`, codec: codecs.acls } satisfies Key<NetworkAcls>,
    /** By MAC address. */
    reservations: dir(`/networks/${vni}/reservations`, codecs.reservation),
    /** By IP address; written by the primary. */
    leases: dir(`/networks/${vni}/leases`, codecs.dhcpLease),
    /** Written by the primary. */
    dhcpState: { path: `/networks/${vni}/dhcp`, codec: codecs.dhcpState } satisfies Key<DhcpState>,
  }),
  /** Serial numbers of the zones of guest networks; written by the primary. */
  dnsSerials: { path: '/dns/serials', codec: codecs.dnsSerials } satisfies Key<DnsSerials>,
  provisioner: {
    userData: dir('/provisioner/userdata', codecs.userData),
    profiles: dir('/provisioner/profiles', codecs.profile),
  },
  pools: dir('/storage/pools', codecs.pool),
  pool: (name: PoolName) => ({ path: `/storage/pools/${name}`, codec: codecs.pool }) satisfies Key<Pool>,
  volumes: (pool: PoolName) => dir(`/storage/volumes/${pool}`, codecs.volume),
  volume: (pool: PoolName, name: VolumeName) =>
    ({ path: `/storage/volumes/${pool}/${name}`, codec: codecs.volume }) satisfies Key<Volume>,
  volumePools: { path: '/storage/volumes' },
  tokens: dir('/auth/tokens', codecs.token),
  audit: dir('/audit', codecs.audit),
  /** One document per VM, by its UUID: its latest automatic choices of a node. */
  decisions: dir('/decisions', codecs.decisions),
  decisionsOf: (uuid: VmUuid) => ({ path: `/decisions/${uuid}`, codec: codecs.decisions }) satisfies Key<VmDecisions>,
} as const

/** Permanent parents that must exist before anything else is written, parents first. */
export const TREE_DIRS: readonly string[] = [
  '/primary',
  '/nodes',
  '/vms',
  '/vmnames',
  '/locks',
  '/locks/flush',
  '/networks',
  '/dns',
  '/provisioner',
  '/provisioner/userdata',
  '/provisioner/profiles',
  '/storage',
  '/storage/pools',
  '/storage/volumes',
  '/auth',
  '/auth/tokens',
  '/audit',
  '/decisions',
  '/followers',
]
