/** A story: named steps against one lab, told by the demo and asserted by the tests. */
import type { Lab } from './lab.ts'

/** One step: what it proves, and a check that returns a sentence about what was seen, or throws. */
export type StoryStep = {
  readonly title: string
  run(lab: Lab): Promise<string>
}

/** What came of a step. */
export type StepReport = { readonly title: string; readonly seen: string; readonly tookMs: number }

/** Runs one step and takes its time. */
export async function runStep(lab: Lab, step: StoryStep): Promise<StepReport> {
  const startMs = performance.now()
  const seen = await step.run(lab)
  return { title: step.title, seen, tookMs: performance.now() - startMs }
}

/** Throws with the sentence when the condition does not hold. */
export function expectThat(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new Error(sentence)
}

/** Milliseconds as a person reads them. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 9950 ? 2 : 1)} s`
}
