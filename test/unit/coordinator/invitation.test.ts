/** How long what a named successor has prepared may stay. */
import { expect, it } from 'vitest'
import { ManualClock } from '../../../src/adapters/fake/clock.ts'
import { FakeLog } from '../../../src/adapters/fake/log.ts'
import { MutableSignal } from '../../../src/base/signal.ts'
import { Invitation } from '../../../src/coordinator/invitation.ts'
import { Roles } from '../../../src/coordinator/roles.ts'
import type { CoordinatorState } from '../../../src/model/node.ts'
import type { SessionState, StoreSession } from '../../../src/ports/store.ts'
import { TestRole } from './coordinators.ts'

const TIMEOUT_MS = 4000

function invited(heardMsAgo: number) {
  const clock = new ManualClock()
  const log = new FakeLog()
  const said: string[] = []
  const heardAtMs = clock.nowMs() - heardMsAgo
  const session = {
    timeoutMs: TIMEOUT_MS,
    state: new MutableSignal<SessionState>('connected'),
    lastAckSentAtMs: () => heardAtMs,
  } as unknown as StoreSession
  const state = new MutableSignal<CoordinatorState>('secondary')
  const roles = new Roles([new TestRole('floating', (what) => said.push(what))], {
    clock,
    log,
    onChange: () => undefined,
  })
  const invitation = new Invitation({ clock, log, state }, roles)
  return { clock, said, state, accepted: invitation.accept(session) }
}

it('prepares, and gives everything back when ZooKeeper is not heard for two thirds of the session time-out', async () => {
  const { clock, said, state, accepted } = invited(0)
  await clock.advance(100)
  await accepted
  expect([said, state.value]).toEqual([['prepare floating, invited'], 'takeover'])
  await clock.advance(TIMEOUT_MS)
  expect([said.at(-1), state.value]).toEqual(['stop floating', 'secondary'])
})

it('prepares nothing when ZooKeeper was not heard for as long already', async () => {
  const { clock, said, state, accepted } = invited(TIMEOUT_MS)
  await clock.advance(100)
  await accepted
  expect([said, state.value]).toEqual([[], 'secondary'])
})
