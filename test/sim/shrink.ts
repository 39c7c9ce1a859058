/** Makes a script that breaks something as short as it can be. */
import type { Script } from './fault/script.ts'
import { type RunOptions, type RunResult, simulate } from './run.ts'

/** Runs that are spent on it at most. */
const MAX_RUNS = 120

/** Leaves out whatever the violation does not need: first large parts, then single steps. */
export async function shrink(options: RunOptions, broken: RunResult): Promise<RunResult> {
  let best = broken
  let runs = 0
  const isSame = async (script: Script): Promise<boolean> => {
    runs += 1
    const result = await simulate({ ...options, profile: broken.profile, script })
    if (result.violation?.id !== broken.violation?.id) return false
    best = result
    return true
  }
  for (let size = Math.ceil(best.script.length / 2); size >= 1 && runs < MAX_RUNS; size = Math.floor(size / 2)) {
    let from = 0
    while (from < best.script.length && runs < MAX_RUNS) {
      const without = [...best.script.slice(0, from), ...best.script.slice(from + size)]
      if (!(await isSame(without))) from += size
    }
  }
  return best
}
