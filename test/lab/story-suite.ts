/** A story as a vitest suite: one lab, one test a step, logs kept on failure, nothing left behind. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { guestState } from './guest-state.ts'
import { type Lab, type LabOptions, startLab } from './lab.ts'
import { instanceDir, repoDir } from './plan.ts'
import { runStep, type StoryStep, seconds } from './story.ts'
import { machineTraces, newTraces } from './traces.ts'

/** Declares the suite. `name` is also the lab's name. */
export function describeStory(
  name: string,
  title: string,
  steps: readonly StoryStep[],
  options: LabOptions = {},
): void {
  describe(title, () => {
    let lab: Lab | undefined
    let before: Awaited<ReturnType<typeof machineTraces>>
    let hasFailed = false
    let guests = ''

    beforeAll(async () => {
      before = await machineTraces()
      lab = await startLab({ ...options, name, say: (line) => console.log(line) })
    }, 180_000)

    afterEach(async ({ task }) => {
      if (task.result?.state !== 'fail' || hasFailed) return
      hasFailed = true
      if (lab !== undefined) guests = await guestState(lab).catch((error: unknown) => `not to be had: ${error}`)
    }, 60_000)

    afterAll(async () => {
      if (lab === undefined) return
      if (hasFailed) {
        const folder = join(repoDir, '.cache', 'lab-failures', `${name}-${Date.now()}`)
        lab.collect(folder)
        writeFileSync(join(folder, 'guests.txt'), guests)
      }
      if (process.env['LAB_KEEP'] === '1') return
      await lab.down()
      const left = newTraces(before, await machineTraces(), (process) => process.includes(`${instanceDir(name)}/`))
      expect(left).toEqual([])
    }, 60_000)

    for (const step of steps) {
      it(step.title, async () => {
        // Each step stands on the ones before: after a failure the rest would only repeat it.
        expect(hasFailed, 'an earlier step failed').toBe(false)
        if (lab === undefined) throw new Error('the lab did not come up')
        const { seen, tookMs } = await runStep(lab, step)
        console.log(`${step.title}: ${seen} (${seconds(tookMs)})`)
      }, 180_000)
    }
  })
}
