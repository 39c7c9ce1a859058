import { describe, expect, it } from 'vitest'
import {
  judgeNode,
  judgeReach,
  type NodeFindings,
  type ReachFindings,
  reachFault,
  readinessFault,
} from '../../../src/fence/readiness.ts'
import { NodeName } from '../../../src/model/ids.ts'
import type { NodeStatus } from '../../../src/model/node.ts'
import { type FenceReach, type Readiness, readinessGrade } from '../../../src/model/power.ts'

type Findings = ReachFindings & NodeFindings
const judgeReadiness = (findings: Findings) => [...judgeReach(findings), ...judgeNode(findings)]

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

const readiness = (changed: Partial<Findings>): Readiness => ({
  node: NodeName.parse(changed.node ?? 'hv2'),
  at: 0,
  run: 1,
  checks: judgeReadiness({ ...well, ...changed }),
  testedBy: NodeName.parse('hv1'),
})

/** What a coordinator found of some nodes. */
const reach = (coordinator: string, ...found: Partial<Findings>[]): FenceReach => ({
  coordinator: NodeName.parse(coordinator),
  tests: found.map((changed) => ({
    node: NodeName.parse(changed.node ?? 'hv2'),
    at: 0,
    wish: 0,
    checks: [...judgeReach({ ...well, ...changed })],
  })),
})

const silent = { power: { kind: 'problem', reason: 'the BMC does not answer' } } as const
const SILENT = 'Its power cannot be read: the BMC does not answer.'

describe('its fault', () => {
  it('is as bad as the grade, and names what failed', () => {
    expect(readinessFault(readiness({}), [], false)).toBeUndefined()
    expect(readinessFault(readiness({ power: { kind: 'none' } }), [], false)).toMatchObject({
      id: 'FENCE_NOT_READY:hv2',
      severity: 'warning',
      message: 'Node hv2 can be fenced in one way only. No power control is configured (power.method is none).',
    })
    expect(readinessFault(readiness({ blocklistProblem: 'denied' }), [], false)?.severity).toBe('error')
  })

  it('is not raised while maintenance disarms the guards', () => {
    expect(readinessFault(readiness({ status: { ...armed, selfFence: 'off' } }), [], true)).toBeUndefined()
  })

  it.each<[string, Partial<Findings>, readonly FenceReach[], string]>([
    ['others that can', silent, [reach('hv1', silent), reach('hv2', {}), reach('hv3', {})], 'hv2 and hv3 can.'],
    ['others that cannot either', silent, [reach('hv2', silent)], SILENT],
    ['others that never tested it', silent, [reach('hv2', { node: 'hv9' })], SILENT],
    ['what is not the primary’s fault', { status: { ...armed, selfFence: 'off' } }, [reach('hv3', {})], 'enabled?'],
  ])('names %s', (_, found, reaches, end) => {
    expect(readinessFault(readiness(found), reaches, false)?.message.endsWith(end)).toBe(true)
  })
})

describe('the fault of coordinators that could not do what the primary can', () => {
  const both = [readiness({}), readiness({ node: 'hv3' })]
  const cut = [silent, { node: 'hv3', ...silent }] as const

  it.each<[string, readonly Readiness[], readonly FenceReach[], boolean, string | undefined]>([
    ['all can', both, [reach('hv1', {}, { node: 'hv3' }), reach('hv2', {}, { node: 'hv3' })], false, undefined],
    ['one cannot reach any', both, [reach('hv2', ...cut)], false, `hv2 about hv2, hv3: ${SILENT}`],
    [
      'two cannot',
      both,
      [reach('hv2', silent), reach('hv3', ...cut)],
      false,
      `hv2 about hv2: ${SILENT} hv3 about hv2, hv3: ${SILENT}`,
    ],
    [
      'one may not blocklist',
      both,
      [reach('hv3', { blocklistProblem: 'denied' }, {})],
      false,
      'hv3 about hv2: Its addresses cannot be kept from writing to Ceph: denied.',
    ],
    ['the primary cannot either', [readiness(silent)], [reach('hv2', silent)], false, undefined],
    ['it is the primary itself', both, [reach('hv1', ...cut)], false, undefined],
    ['they tested nothing yet', both, [reach('hv2')], false, undefined],
    ['maintenance', both, [reach('hv2', ...cut)], true, undefined],
  ])('%s', (_, tests, reaches, isMaintenance, message) => {
    const fault = reachFault(tests, reaches, isMaintenance)
    if (message === undefined) expect(fault).toBeUndefined()
    else
      expect(fault).toEqual({
        id: 'FENCE_COORDINATOR',
        severity: 'warning',
        message: `Not every coordinator could fence every node if it were primary. ${message}`,
      })
  })
})
