import type { Clock } from '../base/clock.ts'
import type { Config } from '../model/config.ts'
import type { NodeName } from '../model/ids.ts'
import type { PowerAccess } from '../model/power.ts'
import type { Ceph } from '../ports/ceph.ts'
import type { NodeFiles } from '../ports/files.ts'
import type { Host, Supervisor } from '../ports/host.ts'
import type { Hypervisor } from '../ports/hypervisor.ts'
import type { Log } from '../ports/log.ts'
import type { LocalServer, PeerNetwork } from '../ports/peer.ts'
import type { PowerVault } from '../ports/power.ts'
import type { StorageFence } from '../ports/storage-fence.ts'
import type { Store } from '../ports/store.ts'
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

/** Everything the node part needs from the world. */
export type NodeDeps = {
  readonly config: NodeConfig
  readonly identity: HostIdentity
  readonly store: Store
  readonly hypervisor: Hypervisor
  readonly ceph: Ceph
  readonly storageFence: Pick<StorageFence, 'entries' | 'unblocklist'>
  readonly files: NodeFiles
  readonly host: Host
  readonly link: ClusterLink
  readonly supervisor: Supervisor
  readonly clock: Clock
  readonly log: Log
  /** A fresh random uuid. */
  readonly newUuid: () => string
  /** False for libvirt's test driver, which knows neither secrets nor hooks. */
  readonly isRealHypervisor: boolean
}
