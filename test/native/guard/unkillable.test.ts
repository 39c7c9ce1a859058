/**
 * A QEMU that does not die of SIGKILL, as one that hangs in the kernel. Such a state cannot be made at will; the first
 * process of a PID namespace comes close: the kernel drops every SIGKILL that is sent to it from inside.
 */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { GuardRoom } from './room.ts'

let room: GuardRoom
beforeEach(async () => {
  room = new GuardRoom()
  room.fed()
  await room.start('unkillable-qemu')
  await room.startGuard()
})
afterEach(() => room.close())

it('the watchdog is fed no more, so that it resets the machine, and guests are shot at for ever', async () => {
  await room.arm()
  await room.until('latched', (report) => report.latch === 1)
  room.fed()
  await room.elapsed(2500)
  expect(room.fed()).toBe('')
  expect(room.pages.report()).toMatchObject({ isKillVerified: false, watchdog: { kind: 'present' } })
  expect(room.log).toContain('the watchdog is fed no more')
})
