import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { PowerCall } from '../../src/ports/power.ts'
import { pollUntil } from '../lab/poll.ts'
import type { PowerWorld } from './power-world.ts'

const call = (deadlineMs = 8000, signal = new AbortController().signal): PowerCall => ({
  node: 'hv1',
  deadlineMs,
  signal,
})

/**
 * What fencing relies on, whatever switches the power.
 * @param actsLate a command of which the answer was not waited for has its effect all the same
 */
export function describePower(name: string, create: () => Promise<PowerWorld>, actsLate: boolean): void {
  describe(`power by ${name}`, () => {
    let world: PowerWorld
    beforeAll(async () => {
      world = await create()
    })
    afterAll(() => world.close())
    beforeEach(async () => {
      if (!world.isOn()) await world.power.on(world.access, call())
    })
    afterEach(() => world.flaw(undefined))

    it('is read, switched off and on, and read back', async () => {
      const { power, access } = world
      expect(await power.status(access, call())).toEqual({ kind: 'on' })
      expect(await power.off(access, call())).toEqual({ kind: 'accepted' })
      expect(await power.status(access, call())).toEqual({ kind: 'off' })
      expect(world.isOn()).toBe(false)
      expect(await power.on(access, call())).toEqual({ kind: 'accepted' })
      expect(await power.status(access, call())).toEqual({ kind: 'on' })
    })

    it('may be switched off twice: nothing happens the second time', async () => {
      const { power, access } = world
      await power.off(access, call())
      expect(await power.off(access, call())).toEqual({ kind: 'accepted' })
      expect(await power.status(access, call())).toEqual({ kind: 'off' })
    })

    it('is not off because a controller says yes: reading back tells', async () => {
      world.flaw('lie')
      expect(await world.power.off(world.access, call())).toEqual({ kind: 'accepted' })
      expect(await world.power.status(world.access, call())).toEqual({ kind: 'on' })
    })

    it('reads as on after a controller reset the machine instead', async () => {
      world.flaw('reset')
      expect(await world.power.off(world.access, call())).toEqual({ kind: 'accepted' })
      expect(await world.power.status(world.access, call())).toEqual({ kind: 'on' })
    })

    it('reports an error of the controller as a failure with its words', async () => {
      world.flaw('fail')
      const answer = await world.power.off(world.access, call())
      expect(answer).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/\S{4,}/) })
      expect(await world.power.status(world.access, call())).toEqual({ kind: 'on' })
    })

    it('is given up at the deadline when nobody answers', async () => {
      world.flaw('dead')
      const began = performance.now()
      const answer = await world.power.off(world.access, call(1500))
      expect(performance.now() - began).toBeLessThan(4000)
      expect(answer).toMatchObject({ kind: 'unreachable', reason: expect.stringContaining('1500 ms') })
    })

    it('is given up at once when the lease ends', async () => {
      world.flaw('dead')
      const ending = new AbortController()
      const began = performance.now()
      const answer = world.power.off(world.access, call(8000, ending.signal))
      ending.abort()
      expect((await answer).kind).toBe('failed')
      expect(performance.now() - began).toBeLessThan(2000)
      expect((await world.power.off(world.access, call(8000, ending.signal))).kind).toBe('failed')
    })

    it.runIf(actsLate)('takes effect late when the controller is slow, also after the caller gave up', async () => {
      world.flaw('slow')
      const before = world.commands().length
      expect((await world.power.off(world.access, call(1000))).kind).toBe('unreachable')
      await pollUntil({ what: 'the late effect', timeoutMs: 10_000, intervalMs: 50 }, async () => !world.isOn())
      expect(world.commands().length).toBeGreaterThan(before)
    })

    it('cannot be switched without a controller', async () => {
      const answer = await world.power.off({ method: 'none' }, call())
      expect(answer).toMatchObject({ kind: 'failed', reason: expect.stringContaining('hv1') })
    })
  })
}
