import { type FlushRun, type FlushStep, isOver } from '../../model/flush.ts'

/** Limit of the document of a run. */
export const RUN_LIMIT_BYTES = 256_000
/** A reason is a sentence, whatever libvirt makes of it. */
const MAX_REASON = 300

const encoder = new TextEncoder()

function bytesOf(value: unknown): number {
  return encoder.encode(JSON.stringify(value)).length
}

/**
 * Fits a run to its document: steps that are over go first, then those furthest from their turn. What is left out is
 * judged anew from what is, so nothing is forgotten but its history.
 */
export function fitRun(run: FlushRun): FlushRun {
  const steps = run.steps.map(shorten)
  const sizes = new Map(steps.map((step) => [step, bytesOf(step) + 1]))
  let sum = bytesOf({ ...run, steps: [], hidden: run.hidden + steps.length })
  for (const size of sizes.values()) sum += size
  if (sum <= RUN_LIMIT_BYTES) return { ...run, steps, later: 0 }
  const dropped = new Set<FlushStep>()
  for (const step of [...steps.filter(isOver), ...steps.filter((each) => !isOver(each)).reverse()]) {
    if (sum <= RUN_LIMIT_BYTES) break
    dropped.add(step)
    sum -= sizes.get(step) ?? 0
  }
  const hidden = run.hidden + [...dropped].filter(isOver).length
  const later = [...dropped].filter((step) => !isOver(step)).length
  return { ...run, steps: steps.filter((step) => !dropped.has(step)), hidden, later }
}

function shorten(step: FlushStep): FlushStep {
  return step.reason.length <= MAX_REASON ? step : { ...step, reason: `${step.reason.slice(0, MAX_REASON - 1)}…` }
}
