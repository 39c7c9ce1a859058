import { describe, expect, it } from 'vitest'
import { followerName, linesOfSegment, MAX_SEGMENT_BYTES } from '../../../src/model/console.ts'
import { DEFAULT_CONSOLE_LINES } from '../../../src/model/console-limits.ts'
import { tree } from '../../../src/schema/tree.ts'
import { keys, numbered, path, running, uuid, World, xmlOf } from './world.ts'

describe('the file of a console', () => {
  it('may appear later, and is then read from its beginning', async () => {
    const world = await running()
    await world.clock.advance(5000)
    expect(world.faults.size).toBe(0)
    world.file().append(path, 'hello\n')
    await world.clock.advance(50)
    expect(await world.text()).toBe('hello\n')
    await world.stop()
  })

  it('is looked at twice a second when nothing tells of changes', async () => {
    const world = await running()
    world.file().append(path, 'one\n')
    await world.clock.advance(600)
    world.file().tells = false
    world.file().append(path, 'two\n')
    await world.clock.advance(1000)
    expect(await world.text()).toBe('one\ntwo\n')
    await world.stop()
  })

  it('that cannot be read is a fault until it can', async () => {
    const world = await running()
    world.file().append(path, 'one\n')
    world.file().failure = 'permission denied'
    await world.clock.advance(1500)
    expect([...world.faults]).toEqual([
      [`CONSOLE_LOG_UNREADABLE:${uuid}`, expect.stringContaining('permission denied')],
    ])
    world.file().failure = undefined
    await world.clock.advance(1500)
    expect(world.faults.size).toBe(0)
    expect(await world.text()).toBe('one\n')
    await world.stop()
  })

  it('of gigabytes costs no more than its end', async () => {
    const world = await World.start()
    world.file().append(path, numbered(1, 300_000))
    await world.hold('hv1')
    await world.boot()
    await world.clock.advance(5000)
    expect(await world.text()).toBe(numbered(299_001, 300_000))
    expect(world.file().readBytes).toBeLessThan(1024 * 1024)
    await world.stop()
  })

  it('that grew too much meanwhile goes on at its end, with a marker', async () => {
    const world = await running({ lines: 10_000 })
    world.file().append(path, 'begin\n')
    await world.clock.advance(600)
    await world.stop()
    world.file().append(path, numbered(1, 100_000))
    await world.boot()
    await world.clock.advance(60_000)
    const text = await world.text()
    expect(text).toMatch(/^\[\d+ bytes dropped\]\n\[\d+ lines dropped\]\nline \d+\n/)
    expect(text.endsWith(numbered(91_000, 100_000))).toBe(true)
    await world.stop()
  })

  it('that grew back to the same text after the guest was started anew is read again', async () => {
    const world = await running({ append: 'off' })
    world.started()
    world.file().append(path, 'BIOS\nboot\n')
    await world.clock.advance(600)
    world.file().tells = false
    for (let start = 0; start < 2; start += 1) {
      world.file().truncate(path)
      world.file().append(path, 'BIOS\nboot\n')
      world.started()
      await world.clock.advance(1000)
    }
    expect(await world.text()).toBe('BIOS\nboot\n'.repeat(3))
    await world.stop()
  })

  it('is not read again because its guest was started before the console was opened', async () => {
    const world = await running({ append: 'off' })
    world.file().append(path, 'one\n')
    await world.clock.advance(600)
    await world.crash()
    await world.boot()
    world.file().append(path, 'two\n')
    await world.clock.advance(1000)
    expect(await world.text()).toBe('one\ntwo\n')
    await world.stop()
  })

  it('may be another one after the definition was changed', async () => {
    const world = await running()
    world.file().append(path, 'old\n')
    await world.clock.advance(600)
    world.live = xmlOf('on', '/logs/new.log')
    world.file().append('/logs/new.log', 'new\n')
    world.started()
    await world.clock.advance(5000)
    expect(await world.text()).toBe('old\nnew\n')
    await world.stop()
  })
})

describe('the segments of a console', () => {
  it('keep the lines that were asked for, and little more', async () => {
    const world = await running({ lines: 100 })
    for (let line = 1; line <= 1000; line += 5) {
      world.file().append(path, numbered(line, line + 4))
      await world.clock.advance(500)
    }
    await world.clock.advance(2000)
    const text = await world.text()
    const first = Number(/^line (\d+)\n/.exec(text)?.[1])
    expect(text).toBe(numbered(first, 1000))
    expect(first).toBeLessThanOrEqual(901)
    expect(first).toBeGreaterThan(885)
    await world.stop()
  })

  it('tell when each line arrived', async () => {
    const world = await running()
    const startMs = world.clock.wallMs()
    for (let line = 1; line <= 3; line += 1) {
      world.file().append(path, numbered(line, line))
      await world.clock.advance(100)
    }
    await world.clock.advance(1000)
    const lines = (await world.segments()).flatMap(linesOfSegment)
    expect(lines.map(({ at }) => at - startMs)).toEqual([0, 100, 200])
    await world.stop()
  })

  it('are written at most twice a second, and at once while somebody follows', async () => {
    const world = await running()
    const version = async () => (await world.segments()).length
    const print = async () => {
      for (let count = 0; count < 20; count += 1) {
        world.file().append(path, numbered(1, 4))
        await world.clock.advance(100)
      }
    }
    await print()
    const unfollowed = await version()
    expect(unfollowed).toBeGreaterThanOrEqual(4)
    expect(unfollowed).toBeLessThanOrEqual(5)
    await world.clock.advance(2000)
    const before = await version()
    await world.session.create(tree.followers.child(followerName(`vm-${uuid}`, 'api')), { since: 0 }, 'ephemeral')
    await world.clock.advance(10)
    await print()
    expect((await version()) - before).toBe(20)
    await world.stop()
  })

  it('do not grow above their size, and none is written for ever', async () => {
    const world = await running()
    world.file().append(path, `${'x'.repeat(99)}\n`.repeat(900))
    await world.clock.advance(5000)
    const segments = await world.segments()
    expect(segments.length).toBeGreaterThan(5)
    for (const { text } of segments) expect(text.length).toBeLessThanOrEqual(MAX_SEGMENT_BYTES)
    expect((await world.text()).length).toBe(90_000)
    await world.stop()
  })

  it('say how many lines gave way while the store was away', async () => {
    const world = await running({ lines: 100 })
    world.file().append(path, numbered(1, 10))
    await world.clock.advance(1000)
    world.cut(true)
    for (let line = 11; line <= 522; line += 1) {
      world.file().append(path, numbered(line, line))
      await world.clock.advance(100)
    }
    world.cut(false)
    await world.clock.advance(10_000)
    expect(await world.text()).toContain('[412 lines dropped]\nline 423\n')
    expect((await world.text()).endsWith(numbered(423, 522))).toBe(true)
    await world.stop()
  })

  it('hold back when the node has used up its budget', async () => {
    const world = await running({ budgetKiBps: 16, lines: DEFAULT_CONSOLE_LINES })
    world.file().append(path, `${'x'.repeat(99)}\n`.repeat(1000))
    await world.clock.advance(3000)
    const written = (await world.text()).length
    expect(written).toBeGreaterThan(30_000)
    expect(written).toBeLessThan(90_000)
    await world.clock.advance(10_000)
    expect((await world.text()).length).toBe(100_000)
    await world.stop()
  })

  it('are removed when nothing is to be kept', async () => {
    const world = await running()
    world.file().append(path, 'secret\n')
    await world.clock.advance(1000)
    const spec = await world.session.get(keys.spec)
    if (spec === undefined || spec.value.deleted !== undefined) throw new Error('no spec')
    const meta = { ...spec.value.meta, consoleLines: 0 }
    await world.session.set(keys.spec, { ...spec.value, generation: 2, meta }, spec.version)
    await world.clock.advance(5000)
    expect(await world.session.children(keys.console.segments.path)).toBeUndefined()
    await world.stop()
  })
})
