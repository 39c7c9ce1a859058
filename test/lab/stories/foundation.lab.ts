import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { foundationStory } from '../foundation-story.ts'
import { type Lab, startLab } from '../lab.ts'
import { repoDir } from '../plan.ts'
import { runStep, seconds } from '../story.ts'
import { machineTraces, newTraces } from '../traces.ts'

describe('three hosts run a real VM through the whole chain', () => {
  let lab: Lab
  let before: Awaited<ReturnType<typeof machineTraces>>
  let hasFailed = false

  beforeAll(async () => {
    before = await machineTraces()
    lab = await startLab({ name: 'foundation', say: (line) => console.log(line) })
  }, 180_000)

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') hasFailed = true
  })

  afterAll(async () => {
    if (lab === undefined) return
    if (hasFailed) lab.collect(join(repoDir, '.cache', 'lab-failures', `foundation-${Date.now()}`))
    if (process.env['LAB_KEEP'] === '1') return
    await lab.down()
    const left = newTraces(before, await machineTraces(), (process) => process.includes('foundation'))
    expect(left).toEqual([])
  }, 60_000)

  for (const step of foundationStory) {
    it(step.title, async () => {
      // Each step stands on the ones before: after a failure the rest would only repeat it.
      expect(hasFailed, 'an earlier step failed').toBe(false)
      const { seen, tookMs } = await runStep(lab, step)
      console.log(`${step.title}: ${seen} (${seconds(tookMs)})`)
    }, 180_000)
  }
})
