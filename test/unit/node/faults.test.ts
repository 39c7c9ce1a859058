import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../src/adapters/fake/clock.ts'
import { createFaultBoard } from '../../../src/node/faults.ts'

describe('fault board', () => {
  it('keeps the time of the first report while the message changes', () => {
    const clock = new ManualClock()
    const board = createFaultBoard(clock)
    board.set('CEPH_UNREACHABLE', 'error', 'for 1 s')
    const since = board.list()[0]?.since
    clock.advanceSync(5000)
    board.set('CEPH_UNREACHABLE', 'error', 'for 6 s')
    expect(board.list()).toEqual([{ id: 'CEPH_UNREACHABLE', severity: 'error', message: 'for 6 s', since }])
  })

  it('tells of what appears, gets worse and disappears, not of new words', () => {
    const board = createFaultBoard(new ManualClock())
    const told: string[] = []
    board.subscribe(({ kind, fault }) => told.push(`${kind} ${fault.id} ${fault.severity}`))
    board.set('A', 'warning', 'one')
    board.set('A', 'warning', 'two')
    board.set('A', 'error', 'two')
    board.clear('A')
    board.clear('A')
    expect(told).toEqual(['raised A warning', 'changed A error', 'cleared A error'])
  })

  it('sorts the worst first', () => {
    const board = createFaultBoard(new ManualClock())
    board.set('B', 'warning', '')
    board.set('C', 'critical', '')
    board.set('A', 'warning', '')
    expect(board.list().map((fault) => fault.id)).toEqual(['C', 'A', 'B'])
  })

  it('replaces exactly the faults of one family', () => {
    const board = createFaultBoard(new ManualClock())
    board.set('VM', 'warning', '')
    board.set('VM:a', 'warning', '')
    board.set('VM:b', 'warning', '')
    board.set('VMX:a', 'warning', '')
    board.replace('VM', [{ id: 'VM:b', severity: 'error', message: 'worse' }])
    expect(board.list().map((fault) => `${fault.id} ${fault.severity}`)).toEqual(['VM:b error', 'VMX:a warning'])
  })

  it('refuses an id that would make the status unreadable', () => {
    expect(() => createFaultBoard(new ManualClock()).set('no good', 'error', '')).toThrow()
  })
})
