import { expect, it } from 'vitest'
import { ManualClock } from '../../../src/adapters/fake/clock.ts'
import { PowerCollector } from '../../../src/fence/proof/power.ts'
import { NodeName } from '../../../src/model/ids.ts'
import type { PowerAnswer, PowerCall } from '../../../src/ports/power.ts'

const TIMEOUT_MS = 1200.5

/** A controller that takes the order and then gives these answers; its deadlines are noted. */
async function verdictAfter(...answers: readonly PowerAnswer[]) {
  const clock = new ManualClock()
  const deadlines: number[] = []
  const left = [...answers]
  const status = async (_access: unknown, { deadlineMs }: PowerCall): Promise<PowerAnswer> => {
    deadlines.push(deadlineMs)
    return left.shift() ?? { kind: 'unreachable', reason: `no answer within ${deadlineMs} ms` }
  }
  const accept = async (): Promise<PowerAnswer> => ({ kind: 'accepted' })
  const collector = new PowerCollector(
    {
      power: { off: accept, on: accept, status },
      access: async () => ({
        method: 'ipmi',
        host: 'h',
        user: 'u',
        password: 'p',
        interface: 'lanplus',
        cipherSuite: 3,
      }),
      node: NodeName.parse('n1'),
      timeoutMs: TIMEOUT_MS,
    },
    {
      clock,
      signal: new AbortController().signal,
      irreversible: async (_what, work) => ({ kind: 'done', value: await work() }),
      tell: () => undefined,
    },
  )
  const step = collector.step()
  await clock.advance(2000)
  await step
  return { proof: collector.proof, deadlines }
}

it('tells what the controller said, not that its last question had no time left', async () => {
  const { proof, deadlines } = await verdictAfter({ kind: 'on' }, { kind: 'on' })
  expect(proof).toMatchObject({ kind: 'no-proof', reason: expect.stringContaining('still says the power is on') })
  expect(deadlines.length).toBeGreaterThan(2)
  expect(deadlines.every((ms) => Number.isInteger(ms) && ms >= 1)).toBe(true)
})

it('tells that it was not reached when it never said anything', async () => {
  const { proof } = await verdictAfter()
  expect(proof).toMatchObject({ kind: 'no-proof', reason: expect.stringContaining('could not be reached') })
})
