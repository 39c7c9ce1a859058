import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { settle } from '../../../src/adapters/fake/clock.ts'
import type { StreamPosition } from '../../../src/model/console.ts'
import { followStream, type StreamEvent } from '../../../src/operations/stream-follow.ts'
import { endOfStream, readLastLines } from '../../../src/operations/stream-read.ts'
import { keys, numbered, path, running, type World } from '../console/world.ts'

/** Somebody who follows the VM's console through an API of its own. */
class Listener {
  text = ''
  dropped = 0
  position: StreamPosition
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  constructor(world: World, from: StreamPosition) {
    this.position = from
    const { clock, log } = world
    const events = followStream({ store: world.ensemble.connect(), clock, log }, keys.console, from, this.#stop.signal)
    this.#done = this.#take(events)
  }

  async #take(events: AsyncGenerator<StreamEvent>): Promise<void> {
    for await (const event of events) {
      if ('next' in event) this.position = event.next
      if (event.kind === 'text') this.text += event.isEnd ? `${event.text}\n` : event.text
      if (event.kind === 'dropped') this.dropped += event.lines
    }
  }

  async leave(world: World): Promise<this> {
    this.#stop.abort()
    await world.clock.advance(5000)
    await this.#done
    return this
  }
}

const BEGIN = { line: 1, column: 0 }

describe('who follows a stream', () => {
  it('gets what is printed, also before there is anything', async () => {
    const world = await running()
    const listener = new Listener(world, BEGIN)
    await world.clock.advance(3000)
    world.file().append(path, 'one\nlog')
    await world.clock.advance(1000)
    expect(listener.text).toBe('one\nlog')
    world.file().append(path, 'in: \n')
    await world.clock.advance(1000)
    expect((await listener.leave(world)).text).toBe('one\nlogin: \n')
    await world.stop()
  })

  it('hears how many lines are gone', async () => {
    const world = await running({ lines: 100 })
    for (let line = 1; line <= 400; line += 50) {
      world.file().append(path, numbered(line, line + 49))
      await world.clock.advance(1000)
    }
    const listener = new Listener(world, { line: 11, column: 0 })
    await world.clock.advance(1000)
    const { text, dropped } = await listener.leave(world)
    expect(text).toBe(numbered(11 + dropped, 400))
    expect(dropped).toBeGreaterThan(200)
    await world.stop()
  })

  it('misses and repeats nothing, however often he comes back at another API', async () => {
    const step = fc.oneof(
      fc.stringMatching(/^[a-z]{0,9}\n?$/).map((text) => ({ text })),
      fc.integer({ min: 1, max: 900 }).map((ms) => ({ ms })),
      fc.constant({ leave: true }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const world = await running()
        let listener = new Listener(world, BEGIN)
        let heard = ''
        let printed = ''
        for (const each of steps) {
          if ('text' in each) {
            world.file().append(path, each.text)
            printed += each.text
          } else if ('ms' in each) await world.clock.advance(each.ms)
          else {
            heard += (await listener.leave(world)).text
            listener = new Listener(world, listener.position)
          }
        }
        await world.clock.advance(3000)
        expect(heard + (await listener.leave(world)).text).toBe(printed)
        await world.stop()
      }),
      { numRuns: 100 },
    )
  }, 30_000)

  it('goes on when the store was away', async () => {
    const world = await running()
    const listener = new Listener(world, BEGIN)
    world.file().append(path, 'one\n')
    await world.clock.advance(1000)
    world.ensemble.down()
    world.file().append(path, 'two\n')
    await world.clock.advance(20_000)
    world.ensemble.up()
    await world.clock.advance(5000)
    expect((await listener.leave(world)).text).toBe('one\ntwo\n')
    await world.stop()
  })
})

describe('the last lines of a stream', () => {
  it('are put together from their parts', async () => {
    const world = await running()
    expect(await readLastLines(world.session, keys.console, 10)).toEqual([])
    expect(await endOfStream(world.session, keys.console)).toEqual(BEGIN)
    for (const text of ['one\ntw', 'o\nthree', '\nfo', 'ur']) {
      world.file().append(path, text)
      await world.clock.advance(1000)
    }
    await settle()
    const lines = await readLastLines(world.session, keys.console, 3)
    expect(lines.map(({ text, isEnd }) => (isEnd ? `${text}$` : text))).toEqual(['two$', 'three$', 'four'])
    await world.stop()
  })
})
