/**
 * The coordinator part of pvcnoded: takes part in the election of the primary over a session of its own, and runs the
 * primary's roles while this node holds the lease (protocol P1, P2, T9).
 */
import type { PrimaryRole } from '../ports/primary.ts'
import type { CoordinatorDeps } from './deps.ts'
import { Election } from './election.ts'

/** The running coordinator part. */
export type Coordinator = {
  /** Leaves the primary's work to another coordinator when it has it, then ends. It takes a few seconds at most. */
  stop(): Promise<void>
}

/** Starts taking part in the election; `roles` are started in this order and given up in the reverse one. */
export function createCoordinator(deps: CoordinatorDeps, roles: readonly PrimaryRole[]): Coordinator {
  const election = new Election(deps, roles)
  election.start()
  return { stop: () => election.stop() }
}
