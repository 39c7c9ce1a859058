import type { Clock } from '../base/clock.ts'
import type { Signal } from '../base/signal.ts'
import type { Config } from '../model/config.ts'
import type { NodeName } from '../model/ids.ts'
import type { CoordinatorState, DaemonState } from '../model/node.ts'
import type { PowerAccess } from '../model/power.ts'
import type { AddressRecord } from '../ports/address-record.ts'
import type { Ceph } from '../ports/ceph.ts'
import type { NodeFiles } from '../ports/files.ts'
import type { Forwarding } from '../ports/forwarding.ts'
import type { Guard } from '../ports/guard.ts'
import type { Host, Supervisor } from '../ports/host.ts'
import type { Hypervisor } from '../ports/hypervisor.ts'
import type { Links } from '../ports/links.ts'
import type { Log } from '../ports/log.ts'
import type { HostNetwork } from '../ports/network.ts'
import type { PacketFilter } from '../ports/packet-filter.ts'
import type { LocalServer, PeerNetwork, Peers } from '../ports/peer.ts'
import type { PowerVault } from '../ports/power.ts'
import type { Routing } from '../ports/routing.ts'
import type { SriovCards } from '../ports/sriov.ts'
import type { StorageFence } from '../ports/storage-fence.ts'
import type { Store, StoreSession } from '../ports/store.ts'
import type { Index } from '../view/index.ts'
import type { FaultBoard } from './faults.ts'
import type { HostIdentity } from './keepalive/heartbeat.ts'

/** A configuration whose node name is settled. */
export type NodeConfig = Config & { readonly node: { readonly name: NodeName } }

/** What the cluster key makes possible: asking other nodes, and being asked. */
export type ClusterLink = {
  /** Why there is no usable cluster key, as sentences with the fix; undefined: there is one. */
  readonly keyProblem: string | undefined
  /** Undefined without a cluster key. */
  readonly network: PeerNetwork | undefined
  /** Undefined without a cluster key. */
  readonly vault: PowerVault | undefined
  /** How this node's power is switched, with its secrets. @throws PvcError PVC_CONFIG_INVALID */
  readonly readPowerAccess: () => Promise<PowerAccess>
  /** The ZooKeeper server of this machine; undefined where there is none. */
  readonly localServer: LocalServer | undefined
}

/** What networks of guests are made of. */
export type GuestNetworks = {
  readonly filter: PacketFilter
  readonly links: Links
  readonly routing: Routing
  readonly forwarding: Forwarding
  readonly sriov: SriovCards
  readonly host: HostNetwork
  /** Gateway addresses that every node has, as they were last put on this one. */
  readonly anycastRecord: AddressRecord
}

/** Everything the node part needs from the world. */
export type NodeDeps = {
  readonly config: NodeConfig
  readonly identity: HostIdentity
  readonly store: Store
  readonly hypervisor: Hypervisor
  readonly ceph: Ceph
  readonly storageFence: Pick<StorageFence, 'entries' | 'unblocklist'>
  readonly files: NodeFiles
  readonly guard: Guard
  readonly host: Host
  readonly link: ClusterLink
  /** Undefined: no networks of guests are kept on this machine. */
  readonly guestNetworks?: GuestNetworks | undefined
  readonly supervisor: Supervisor
  /** What the coordinator part says of this node. */
  readonly coordinator: Signal<CoordinatorState>
  readonly clock: Clock
  readonly log: Log
  /** A fresh random uuid. */
  readonly newUuid: () => string
  /** False for libvirt's test driver, which knows neither secrets nor hooks. */
  readonly isRealHypervisor: boolean
}

/** The running node part. */
export type NodeDaemon = {
  readonly state: Signal<DaemonState>
  readonly faults: FaultBoard
  /** Other nodes; without a cluster key nobody is ever reached. */
  readonly peers: Peers
  /** Every VM with its status. */
  readonly index: Index
  /** The session in which this node is certified; undefined: none now. */
  session(): StoreSession | undefined
  /** The daemon runs and the node is certified. */
  readonly isAble: Signal<boolean>
  /** Orderly stop: guests run on, the node is marked as stopped, its proof of life goes with the session. */
  stop(): Promise<void>
}
