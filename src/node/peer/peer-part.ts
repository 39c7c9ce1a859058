/** This node as others ask it, and others as it asks them. */
import type { Clock } from '../../base/clock.ts'
import type { NodeName } from '../../model/ids.ts'
import type { Log } from '../../ports/log.ts'
import type { LocalServer, PeerEndpoint, PeerHandlers, PeerNetwork, Peers } from '../../ports/peer.ts'
import type { Index } from '../../view/index.ts'
import type { FaultBoard } from '../faults.ts'
import { createPeerDirectory } from './directory.ts'
import { QuorumSampler } from './quorum.ts'

export type PeerPartOptions = {
  /** Undefined: there is no usable cluster key, so this node neither asks nor answers. */
  readonly network: PeerNetwork | undefined
  /** Undefined on a node without a ZooKeeper server. */
  readonly server: LocalServer | undefined
  readonly index: Index
  readonly coordinators: readonly NodeName[]
  readonly wake: PeerHandlers['wake']
  readonly clock: Clock
  readonly log: Log
  readonly faults: FaultBoard
}

export type PeerPart = {
  /** Others, through the directory of this node's index. Without a cluster key nobody is ever reached. */
  readonly peers: Peers
  start(): void
  stop(): Promise<void>
}

/** Answers as if every other node were silent; used while there is no cluster key, which is a fault of its own. */
const NOBODY: Peers = {
  probe: async () => [],
  probeFor: async () => [],
  probeFrom: async () => undefined,
  quorum: async () => [],
  wake: async () => undefined,
}

/** Creates the part; nothing listens before `start`. */
export function createPeerPart(options: PeerPartOptions): PeerPart {
  const { network, server, clock, faults } = options
  const peers = network?.peers(createPeerDirectory(options.index, options.coordinators)) ?? NOBODY
  const sampler = server && new QuorumSampler(clock, server)
  let endpoint: PeerEndpoint | undefined
  const show = (problem: string | undefined): void => {
    if (problem === undefined) faults.clear('PEER_ENDPOINT')
    else faults.set('PEER_ENDPOINT', 'error', `Other nodes cannot ask this one: ${problem}. It is tried again.`)
  }
  return {
    peers,
    start() {
      if (network === undefined) return
      sampler?.start()
      endpoint = network.serve({
        probeFor: (node) => peers.probeFor(node),
        notServingForMs: async () => sampler?.notServingForMs(),
        wake: options.wake,
      })
      endpoint.problem.subscribe(show)
      show(endpoint.problem.value)
    },
    async stop() {
      sampler?.stop()
      await endpoint?.close()
    },
  }
}
