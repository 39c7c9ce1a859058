import type { Random } from '../engine/random.ts'
import type { Cluster } from '../world/cluster.ts'

/** One kind of thing that can be done to a cluster. Its arguments are words, so that a script can be read. */
export type Deed = {
  random(random: Random, cluster: Pick<Cluster, 'hosts' | 'vms'>): readonly string[]
  act(cluster: Cluster, args: readonly string[]): void
}
