import { describe, expect, it } from 'vitest'
import { parseHandOvers } from '../../bench/hand-over.ts'

/** A line of pvcnoded's log, `ms` after some full second. */
function line(ms: number, msg: string, action: object = {}): string {
  const time = new Date(Date.UTC(2026, 10, 21, 12) + ms).toISOString()
  return JSON.stringify({ level: 'info', time, vm: 'v', action, msg })
}

const complete = { kind: 'say-arrival', arrival: { state: 'complete' } }
const atTarget = (ms: number) => [
  line(ms - 900, 'vm say-arrival', { kind: 'say-arrival', arrival: { state: 'prepared' } }),
  line(ms, 'vm say-arrival', complete),
  line(ms + 45, 'vm adopt'),
  line(ms + 52, 'the copy runs'),
]
const atSource = (ms: number) => [line(ms + 4, 'vm end-source'), line(ms + 34, 'the QEMU that was copied has ended')]

describe('the hand-overs in the logs of two nodes', () => {
  it('are taken apart, whatever the order of the logs', () => {
    const lines = [...atTarget(9000), ...atTarget(2000), ...atSource(2000), ...atSource(9000)]
    const one = { tell: 4, end: 30, record: 11, resume: 7 }
    expect(parseHandOvers(lines)).toEqual([one, one])
  })

  it('count only when they were whole', () => {
    const unheard = [line(1000, 'vm say-arrival', complete)]
    const again = [line(2000, 'vm say-arrival', complete), line(2004, 'vm end-source'), line(2010, 'vm end-source')]
    expect(parseHandOvers([...unheard, ...again, ...atTarget(5000), ...atSource(5000)])).toHaveLength(1)
    expect(parseHandOvers(['not JSON', ''])).toEqual([])
  })
})
