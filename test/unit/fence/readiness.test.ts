import { describe, expect, it } from 'vitest'
import { type Findings, judgeReadiness, readinessFault } from '../../../src/fence/readiness.ts'
import { NodeName } from '../../../src/model/ids.ts'
import type { NodeStatus } from '../../../src/model/node.ts'
import { readinessGrade } from '../../../src/model/power.ts'

const armed = { selfFence: 'armed', selfFenceBoundS: 20, watchdog: 'present' } as NodeStatus
const well: Findings = {
  node: 'hv2',
  isAlive: true,
  status: armed,
  power: { kind: 'on' },
  blocklistProblem: undefined,
  isMaintenance: false,
}

function failed(changed: Partial<Findings>): string {
  return judgeReadiness({ ...well, ...changed })
    .filter((check) => !check.isOk)
    .map(({ name }) => name)
    .join(' ')
}

describe('the fence test of a node', () => {
  it.each<[string, Partial<Findings>, string, string]>([
    ['all is well', {}, '', 'ready'],
    ['a node that is off', { isAlive: false, power: { kind: 'off' } }, 'self-fence', 'weak'],
    ['a BMC of another machine', { power: { kind: 'off' } }, 'power', 'weak'],
    ['a refused login', { power: { kind: 'problem', reason: 'the BMC refuses' } }, 'power', 'weak'],
    ['no power control', { power: { kind: 'none' } }, 'power', 'weak'],
    ['nothing published', { power: { kind: 'unpublished' } }, 'power', 'weak'],
    ['another cluster key', { power: { kind: 'unopened', reason: 'It cannot be opened.' } }, 'power', 'weak'],
    ['no right to blocklist', { blocklistProblem: 'permission denied' }, 'blocklist', 'unready'],
    ['a guard without a watchdog', { status: { ...armed, watchdog: 'absent' } }, 'self-fence', 'weak'],
    ['a guard that is off', { status: { ...armed, selfFence: 'off' } }, 'self-fence', 'weak'],
    ['neither way', { power: { kind: 'none' }, status: { ...armed, selfFence: 'off' } }, 'power self-fence', 'unready'],
    ['no status yet', { status: undefined }, 'self-fence timing', 'weak'],
  ])('%s', (_, changed, expected, grade) => {
    expect(failed(changed)).toBe(expected)
    const checks = judgeReadiness({ ...well, ...changed })
    expect(readinessGrade(checks)).toBe(grade)
    for (const { message } of checks) expect(message).toMatch(/^[A-Z].*[.?]$/)
  })

  it('says how long the primary waits', () => {
    const timing = judgeReadiness(well).find(({ name }) => name === 'timing')
    expect(timing?.message).toMatch(/ended 20 s after .* waits 18\.\d+ s\./)
    const told = judgeReadiness({ ...well, status: { ...armed, sessionTimeoutMs: 6000 } })
    expect(told.find(({ name }) => name === 'timing')?.message).toMatch(/ waits 16\.\d+ s\./)
  })
})

describe('its fault', () => {
  const readiness = (changed: Partial<Findings>) => ({
    node: NodeName.parse('hv2'),
    at: 0,
    run: 1,
    checks: [...judgeReadiness({ ...well, ...changed })],
  })

  it('is as bad as the grade, and names what failed', () => {
    expect(readinessFault(readiness({}), false)).toBeUndefined()
    expect(readinessFault(readiness({ power: { kind: 'none' } }), false)).toMatchObject({
      id: 'FENCE_NOT_READY:hv2',
      severity: 'warning',
      message: 'Node hv2 can be fenced in one way only. No power control is configured (power.method is none).',
    })
    expect(readinessFault(readiness({ blocklistProblem: 'denied' }), false)?.severity).toBe('error')
  })

  it('is not raised while maintenance disarms the guards', () => {
    expect(readinessFault(readiness({ status: { ...armed, selfFence: 'off' } }), true)).toBeUndefined()
  })
})
