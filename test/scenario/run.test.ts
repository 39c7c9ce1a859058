import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { play } from './script.ts'
import { type Cluster, World } from './world.ts'

const scenarios = readdirSync(import.meta.dirname, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort()

describe('scenario', () => {
  it.each(scenarios)('%s', { timeout: 60_000 }, async (name) => {
    const dir = join(import.meta.dirname, name)
    // A scenario without a word on what it shows is not worth keeping.
    expect(readFileSync(join(dir, 'README.md'), 'utf8').trim()).not.toBe('')
    const cluster = JSON.parse(readFileSync(join(dir, 'cluster.json'), 'utf8')) as Cluster
    const world = await World.create(cluster)
    const log = await play(world, readFileSync(join(dir, 'script.txt'), 'utf8'))
    await expect(log).toMatchFileSnapshot(join(dir, 'log.expect'))
  })
})
