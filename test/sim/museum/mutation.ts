import type { Patch } from './bundle.ts'

export type Mutation = {
  /** Number of the counterexample, and a letter where it has several. */
  readonly id: string
  /** What goes wrong. */
  readonly what: string
  readonly patches: readonly Patch[]
  /** The mixture of deeds under which it shows, or the deeds themselves where they meet too rarely to wait for. */
  readonly profile?: string
  readonly script?: string
  /** Size of the cluster, where the seed shall not say it: in a small one more time passes within the same steps. */
  readonly nodes?: number
  readonly vms?: number
  /** Runs have the seeds from this one on. */
  readonly seed: number
}
