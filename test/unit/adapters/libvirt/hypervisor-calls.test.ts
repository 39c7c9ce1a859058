import { beforeEach, describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../src/adapters/fake/clock.ts'
import { CallGate } from '../../../../src/adapters/libvirt/hypervisor-calls.ts'
import { LibvirtError } from '../../../../src/adapters/libvirt/libvirt-error.ts'

describe('a call that cannot be cancelled', () => {
  let clock: ManualClock
  let gate: CallGate

  beforeEach(() => {
    clock = new ManualClock()
    gate = new CallGate(clock)
  })

  /** A call that hangs until it is told to return. */
  function hanging() {
    let started = 0
    let finish: (value: string) => void = () => undefined
    const start = () => {
      started += 1
      return new Promise<string>((resolve) => {
        finish = resolve
      })
    }
    return { start, finish: (value: string) => finish(value), started: () => started }
  }

  it('ends for its caller at the deadline, and is not sent again before it has returned', async () => {
    const call = hanging()
    const first = expect(gate.run('list', 1000, call.start)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
    await clock.advance(1000)
    await first
    await expect(gate.run('list', 1000, call.start)).rejects.toMatchObject({ code: 'PVC_HYPERVISOR_TIMEOUT' })
    expect(call.started()).toBe(1)
    await expect(gate.run('other', 1000, async () => 'works')).resolves.toBe('works')
    call.finish('late')
    await clock.advance(0)
    const again = gate.run('list', 1000, call.start)
    call.finish('now')
    await expect(again).resolves.toBe('now')
    expect(call.started()).toBe(2)
  })

  it('may run beside the same call that is still in time', async () => {
    const call = hanging()
    const first = gate.run('list', 1000, call.start)
    await expect(gate.run('list', 1000, async () => 'second')).resolves.toBe('second')
    call.finish('first')
    await expect(first).resolves.toBe('first')
    expect(clock.pendingTimers).toBe(0)
  })

  it('passes on what libvirt answered', async () => {
    const error = new LibvirtError('no', { code: 55, domain: 10, level: 2, call: 'x' })
    await expect(gate.run('destroy of x', 1000, () => Promise.reject(error))).rejects.toMatchObject({
      code: 'PVC_HYPERVISOR_FAILED',
      message: 'destroy of x failed',
    })
  })
})
