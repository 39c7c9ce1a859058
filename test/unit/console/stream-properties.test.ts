import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { path, World } from './world.ts'

/** What can happen to a console, its file and its daemon. */
type Step =
  | { readonly is: 'print'; readonly text: string }
  | { readonly is: 'wait'; readonly ms: number }
  | { readonly is: 'rotate' }
  | { readonly is: 'truncate' }
  | { readonly is: 'crash' }
  | { readonly is: 'restart' }
  | { readonly is: 'outage'; readonly ms: number }
  | { readonly is: 'deaf'; readonly tells: boolean }

const text = fc.oneof(
  fc.stringMatching(/^[a-z]{0,12}$/),
  fc.constantFrom('\n', 'line\n', 'one\r\ntwo\r\n', 'ä€😀\n', '10%\r', '\x1b[1mok\x1b[0m', '\0'),
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: text.map((each): Step => ({ is: 'print', text: each })) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 900 }).map((ms): Step => ({ is: 'wait', ms })) },
  { weight: 1, arbitrary: fc.constant<Step>({ is: 'rotate' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ is: 'truncate' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ is: 'crash' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ is: 'restart' }) },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 20_000 }).map((ms): Step => ({ is: 'outage', ms })) },
  { weight: 1, arbitrary: fc.boolean().map((tells): Step => ({ is: 'deaf', tells })) },
)

/** What a reader of the whole file, who looked before each loss, has seen. */
class Expected {
  /** Rotations since the daemon last looked: virtlogd keeps three old files. */
  rotations = 0
  #done = ''
  #text = 'begin\n'

  print(more: string): void {
    this.#text += more
  }

  truncate(): void {
    this.#done = this.shown()
    if (!this.#done.endsWith('\n')) this.#done += '\n'
    this.#text = ''
  }

  shown(): string {
    // A return at the end is not judged before more comes.
    const judged = this.#text.replace(/\r$/, '')
    return this.#done + judged.replaceAll('\r\n', '\n').replaceAll('\0', '')
  }
}

async function play(world: World, steps: readonly Step[]): Promise<Expected> {
  const expected = new Expected()
  const file = world.file()
  const seen = async () => {
    await world.clock.advance(600)
    expected.rotations = 0
  }
  for (const each of steps) {
    switch (each.is) {
      case 'print':
        file.append(path, each.text)
        expected.print(each.text)
        break
      case 'wait':
        await world.clock.advance(each.ms)
        break
      case 'rotate':
        expected.rotations += 1
        if (expected.rotations > 2) await seen()
        file.rotate(path)
        break
      case 'truncate':
        if (file.sizeBytes(path) === 0) break
        await seen()
        file.truncate(path)
        await seen()
        expected.truncate()
        break
      case 'crash':
        await world.crash()
        await world.boot()
        break
      case 'restart':
        await world.stop()
        await world.boot()
        break
      case 'outage':
        world.cut(true)
        await world.clock.advance(each.ms)
        world.cut(false)
        break
      case 'deaf':
        file.tells = each.tells
    }
  }
  return expected
}

describe('a console', () => {
  it('has the lines of its file in order, without loss or repeat, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const world = await World.start()
        await world.hold('hv1')
        await world.boot()
        // Old files of a console that nobody has read yet are history.
        world.file().append(path, 'begin\n')
        await world.clock.advance(600)
        const expected = await play(world, steps)
        await world.clock.advance(20_000)
        expect(await world.text()).toBe(expected.shown())
        await world.stop()
      }),
      { numRuns: 150 },
    )
  }, 60_000)
})
