import { describe, expect, it } from 'vitest'
import { NodeName } from '../../../src/model/ids.ts'
import { tree } from '../../../src/schema/tree.ts'
import { numbered, path, running, World } from './world.ts'

const hv1 = NodeName.parse('hv1')

describe('a console that goes to another node', () => {
  it('ends there and goes on here, also in the middle of a line', async () => {
    const world = await running()
    await world.boot('hv2')
    world.file().append(path, 'one\nhalf a ')
    await world.clock.advance(100)
    await world.hold('hv2')
    world.file('hv2').append(path, 'line\ntwo\n')
    await world.clock.advance(3000)
    expect(await world.text()).toBe('one\nhalf a line\ntwo\n')
    expect((await world.segments()).map(({ node }) => node)).toEqual(['hv1', 'hv2'])
    await world.stop()
    await world.stop('hv2')
  })

  it('waits for the last lines of the node before', async () => {
    const world = await running()
    await world.boot('hv2')
    world.file().append(path, numbered(1, 3))
    await world.clock.advance(600)
    world.file().append(path, numbered(4, 6))
    world.file('hv2').append(path, numbered(7, 9))
    await world.hold('hv2')
    await world.clock.advance(3000)
    expect(await world.text()).toBe(numbered(1, 9))
    await world.stop()
    await world.stop('hv2')
  })

  it('goes on where it stopped when it comes back', async () => {
    const world = await running()
    await world.boot('hv2')
    let line = 1
    for (const node of ['hv1', 'hv2', 'hv1', 'hv2', 'hv1']) {
      await world.hold(node)
      world.file(node).append(path, numbered(line, line + 2))
      line += 3
      await world.clock.advance(3000)
    }
    expect(await world.text()).toBe(numbered(1, 15))
    await world.stop()
    await world.stop('hv2')
  })

  it('says when the node before had no time for its last lines', async () => {
    const world = await running()
    await world.boot('hv2')
    world.file().append(path, 'one\nhalf')
    await world.clock.advance(600)
    await world.crash()
    await world.hold('hv2')
    world.file('hv2').append(path, 'two\n')
    await world.clock.advance(3000)
    const marker = '[hv1 stopped without notice: the last that was printed there may be missing]'
    expect(await world.text()).toBe(`one\nhalf\n${marker}\ntwo\n`)
    await world.stop('hv2')
  })

  it('is not written by the node before any more once the next one has it', async () => {
    const world = await running()
    await world.boot('hv2')
    world.file().append(path, 'one\n')
    await world.clock.advance(600)
    // The old node lives, and does not learn that it lost the VM.
    world.cut(true)
    await world.clock.advance(7000)
    await world.hold('hv2')
    world.file('hv2').append(path, 'two\n')
    await world.clock.advance(6000)
    world.file().append(path, 'late\n')
    world.cut(false)
    await world.clock.advance(10_000)
    expect(await world.text()).not.toContain('late')
    expect((await world.text()).endsWith('two\n')).toBe(true)
    await world.stop('hv2')
  })

  it('ends its last line when the guest has ended', async () => {
    const world = await running()
    world.file().append(path, 'login: ')
    await world.clock.advance(600)
    await world.hold(null)
    await world.clock.advance(3000)
    await world.hold('hv1')
    world.file().append(path, 'BIOS\n')
    await world.clock.advance(3000)
    expect(await world.text()).toBe('login: \nBIOS\n')
    await world.stop()
  })
})

describe('the log of a node', () => {
  it('is a stream as well', async () => {
    const world = await World.start()
    const consoles = await world.boot()
    const stream = tree.node(hv1).log
    for (let count = 0; count < 200; count += 1) {
      consoles.logLine(JSON.stringify({ level: 'info', time: 'T', component: 'a', msg: `m${count}`, vm: 'x y' }))
      await world.clock.advance(100)
    }
    await world.clock.advance(1000)
    const text = await world.text(stream)
    expect(text.endsWith('T info  a: m199 vm="x y"\n')).toBe(true)
    expect(text.split('\n').length).toBeLessThan(80)
    await world.stop()
    await world.boot()
    expect((await world.segments(stream)).length).toBeGreaterThan(0)
    await world.stop()
  })
})
