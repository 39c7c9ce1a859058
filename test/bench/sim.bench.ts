/** How quick the simulator is: seeds and steps per second, on all cores. */
import { availableParallelism } from 'node:os'
import { runSeeds } from '../sim/seeds.ts'
import type { Report } from './figure.ts'

const RUNS = 400

export async function run(report: Report): Promise<void> {
  const processes = availableParallelism()
  const { runs, steps, seconds, broken } = await runSeeds({ seed: 1, runs: RUNS, processes })
  if (broken.length > 0) throw new Error(`seeds ${broken.join(', ')} break an invariant`)
  const params = { processes }
  report({ metric: 'seeds_per_s', value: runs / seconds, unit: '1/s', params, n: runs })
  report({ metric: 'steps_per_s', value: steps / seconds, unit: '1/s', params, n: runs })
}
