/**
 * The museum: for every counterexample of the protocol that code can break, the bug that lets it happen. The simulator must
 * find each one, and must find nothing in the same runs without it; otherwise it proves nothing.
 */
import { FENCE_MUTATIONS } from './fence-mutations.ts'
import type { Mutation } from './mutation.ts'
import { NODE_MUTATIONS } from './node-mutations.ts'

export const MUTATIONS: readonly Mutation[] = [...NODE_MUTATIONS, ...FENCE_MUTATIONS]
