import type { Signal } from '../base/signal.ts'
import type { VmArrival } from '../model/domain.ts'
import type { NodeName, VmUuid } from '../model/ids.ts'

/** What another node's pvcnoded said about itself. */
export type PeerProbe =
  /** pvcnoded answered. */
  | { readonly kind: 'answers'; readonly network: string }
  /** The machine answers (its network stack does), pvcnoded does not. */
  | { readonly kind: 'host-only'; readonly network: string }
  | { readonly kind: 'silent'; readonly network: string }

/** How long a coordinator's own ZooKeeper server has not been part of a quorum; 0 while it serves. */
export type QuorumAnswer = { readonly node: NodeName; readonly notServingForMs: number }

/**
 * Other nodes, asked directly over the cluster and storage networks. Hints, and evidence for a timeline: no record changes
 * on a peer's word, but for one: the target's that its copy is complete (protocol L3), which it also writes to the store.
 * Every call ends within its deadline of at most 1 s and never throws for what a peer does.
 */
export type Peers = {
  /** Asks one node on each of its networks. */
  probe(node: NodeName): Promise<readonly PeerProbe[]>
  /** The same on behalf of another node, a little quicker, so that the answer still reaches it in time. */
  probeFor(node: NodeName): Promise<readonly PeerProbe[]>
  /** Lets another coordinator probe a node; undefined: it did not answer. */
  probeFrom(coordinator: NodeName, node: NodeName): Promise<readonly PeerProbe[] | undefined>
  /** Asks every coordinator; one that does not answer is missing. */
  quorum(): Promise<readonly QuorumAnswer[]>
  /** Says "look again at this VM" to a node, and what arrived of it here: it stands still until that node has heard it. */
  wake(node: NodeName, vm: VmUuid, arrival: VmArrival): Promise<void>
}

/** Where a node can be asked, and on which network that is (`cluster`, `storage`, `storage2` and so on). */
export type PeerAddress = { readonly network: string; readonly address: string }

/** Who is where. A hint that may be some seconds old, also while ZooKeeper is away. */
export type PeerDirectory = {
  /** Every address of a node, the cluster network first; empty when nothing is known of it. */
  addresses(node: NodeName): readonly PeerAddress[]
  readonly coordinators: readonly NodeName[]
}

/** What this node answers to others. An error is logged and told the other side as "no answer". */
export type PeerHandlers = {
  probeFor(node: NodeName): Promise<readonly PeerProbe[]>
  /** Undefined: this node runs no ZooKeeper server. */
  notServingForMs(): Promise<number | undefined>
  wake(vm: VmUuid, arrival: VmArrival): void
}

/** This node's place in the conversation of nodes. */
export type PeerNetwork = {
  peers(directory: PeerDirectory): Peers
  /** Listens from now on, on all addresses of this node; what is not possible yet is tried again. */
  serve(handlers: PeerHandlers): PeerEndpoint
}

export type PeerEndpoint = {
  /** Why some address is not listened on, as a sentence; undefined: all is well. */
  readonly problem: Signal<string | undefined>
  close(): Promise<void>
}

/**
 * What the ZooKeeper server of this machine says of itself. `refused`: nothing listens at its address. `silent`: no answer in
 * time, from which nothing follows.
 */
export type ServerState = 'serving' | 'not-serving' | 'refused' | 'silent'

/** The ZooKeeper server of this machine. Never throws. */
export type LocalServer = { state(deadlineMs: number): Promise<ServerState> }
