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
 * on a peer's word. Every call ends within its deadline of at most 1 s and never throws for what a peer does.
 */
export type Peers = {
  /** Asks one node on each of its networks. */
  probe(node: NodeName): Promise<readonly PeerProbe[]>
  /** Lets another coordinator probe a node; undefined: it did not answer. */
  probeFrom(coordinator: NodeName, node: NodeName): Promise<readonly PeerProbe[] | undefined>
  /** Asks every coordinator; one that does not answer is missing. */
  quorum(): Promise<readonly QuorumAnswer[]>
  /** Says "look again at this VM" to its new node. */
  wake(node: NodeName, vm: VmUuid): Promise<void>
}
