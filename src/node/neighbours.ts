/** This node among others: it answers their questions, and lets them know how its power is switched. */
import type { PeerHandlers, Peers } from '../ports/peer.ts'
import type { Index } from '../view/index.ts'
import type { NodeDeps } from './deps.ts'
import type { FaultBoard } from './faults.ts'
import type { Membership } from './membership/membership.ts'
import { createPeerPart } from './peer/peer-part.ts'
import { createPowerPublisher } from './power/publish.ts'

export type Neighbours = {
  readonly peers: Peers
  start(): void
  stop(): Promise<void>
}

export type NeighboursOptions = {
  readonly deps: NodeDeps
  readonly faults: FaultBoard
  readonly index: Index
  readonly membership: Membership
  /** Another node has the copy of a VM and asks this one to look at it at once. */
  readonly wake: PeerHandlers['wake']
}

/** Creates the parts; nothing happens before `start`. */
export function createNeighbours({ deps, faults, index, membership, wake }: NeighboursOptions): Neighbours {
  const { config, link, clock } = deps
  const log = deps.log.child({ component: 'peer' })
  const { coordinators } = config.cluster
  const part = createPeerPart({
    network: link.network,
    server: link.localServer,
    index,
    coordinators,
    wake,
    clock,
    log,
    faults,
  })
  const power =
    link.vault &&
    createPowerPublisher({
      self: config.node.name,
      vault: link.vault,
      readAccess: link.readPowerAccess,
      session: () => membership.presence()?.session,
      clock,
      log: deps.log.child({ component: 'power' }),
      faults,
    })
  let unsubscribe: (() => void) | undefined
  return {
    peers: part.peers,
    start() {
      if (link.keyProblem !== undefined) {
        const effect = 'This node neither asks nor answers others, and cannot be fenced by its power.'
        faults.set('CLUSTER_KEY', 'error', `${link.keyProblem} ${effect} Then restart pvcnoded.`)
      }
      part.start()
      power?.start()
      // It can be written as soon as there is a session.
      unsubscribe = membership.state.subscribe(() => power?.trigger())
    },
    async stop() {
      unsubscribe?.()
      await Promise.all([part.stop(), power?.stop()])
    },
  }
}
