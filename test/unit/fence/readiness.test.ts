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
import { type FenceReach, type Readiness, reachChecks, readinessGrade } from '../../../src/model/power.ts'

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

describe('power and Ceph of the primary’s own node', () => {
  const denied = { blocklistProblem: 'denied' } as const
  const own = (found: Partial<Findings>) => reach('hv2', found)

  it.each<[string, Partial<Findings>, readonly FenceReach[], string]>([
    ['are what another coordinator found', silent, [reach('hv1', {})], ''],
    ['are not what the primary found', {}, [reach('hv1', silent)], 'power'],
    ['are well when they are for one of the others', {}, [reach('hv1', silent), reach('hv3', {})], ''],
    ['are not put together from two of them', {}, [reach('hv1', silent), reach('hv3', denied)], 'power'],
    ['need Ceph first', {}, [reach('hv1', denied), reach('hv3', silent)], 'power'],
    ['are its own as long as no other has tested', silent, [reach('hv1'), reach('hv3', { node: 'hv9' })], 'power'],
  ])('%s', (_, found, others, expected) => {
    const primary = NodeName.parse('hv2')
    const [test] = own(found).tests
    if (test === undefined) throw new Error('no test')
    const checks = reachChecks(primary, test, [own(found), ...others])
    expect(checks.flatMap(({ name, isOk }) => (isOk ? [] : [name])).join(' ')).toBe(expected)
    expect(reachChecks(NodeName.parse('hv1'), test, others)).toBe(test.checks)
  })

  it('are said to be so in its fault', () => {
    const judged = { ...readiness(silent), testedBy: NodeName.parse('hv2') }
    const fault = readinessFault(judged, [reach('hv1', silent), reach('hv2', {}), reach('hv3', silent)], false)
    expect(fault?.message).toMatch(/answer\. It is the primary now, so power and Ceph are what hv1 and hv3 found\.$/)
  })
})

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
    ['others that can', silent, [reach('hv1', silent), reach('hv3', {}), reach('hv4', {})], 'hv3 and hv4 can.'],
    ['others that cannot either', silent, [reach('hv3', silent)], SILENT],
    ['not the node itself', silent, [reach('hv2', {})], SILENT],
    ['others that never tested it', silent, [reach('hv3', { node: 'hv9' })], SILENT],
    ['what is not the primary’s fault', { status: { ...armed, selfFence: 'off' } }, [reach('hv3', {})], 'enabled?'],
  ])('names %s', (_, found, reaches, end) => {
    expect(readinessFault(readiness(found), reaches, false)?.message.endsWith(end)).toBe(true)
  })
})

describe('the fault of coordinators that could not do what the primary can', () => {
  const both = [readiness({}), readiness({ node: 'hv3' })]
  const cut = [silent, { node: 'hv3', ...silent }] as const
  const UNTESTED = 'has not tested every node, or not when asked: an older release, or see the log of pvcnoded there.'

  it.each<[string, readonly Readiness[], readonly FenceReach[], readonly string[], string | undefined]>([
    ['all can', both, [reach('hv1', {}, { node: 'hv3' }), reach('hv4', {}, { node: 'hv3' })], [], undefined],
    ['one cannot reach any', both, [reach('hv4', ...cut)], [], `hv4 about hv2, hv3: ${SILENT}`],
    [
      'two cannot',
      both,
      [reach('hv4', silent), reach('hv5', ...cut)],
      [],
      `hv4 about hv2: ${SILENT} hv5 about hv2, hv3: ${SILENT}`,
    ],
    [
      'one may not blocklist',
      both,
      [reach('hv4', { blocklistProblem: 'denied' }, {})],
      [],
      'hv4 about hv2: Its addresses cannot be kept from writing to Ceph: denied.',
    ],
    ['one cannot reach its own controller', both, [reach('hv2', ...cut)], [], `hv2 about hv3: ${SILENT}`],
    ['the primary cannot either', [readiness(silent)], [reach('hv4', silent)], [], undefined],
    ['it is the primary itself', both, [reach('hv1', ...cut)], [], undefined],
    ['they tested nothing yet', both, [reach('hv4')], [], undefined],
    [
      'two do not test',
      both,
      [reach('hv4', ...cut)],
      ['hv5', 'hv6'],
      `hv4 about hv2, hv3: ${SILENT} hv5 ${UNTESTED} hv6 ${UNTESTED}`,
    ],
  ])('%s', (_, tests, reaches, silentNames, message) => {
    const names = silentNames.map((name) => NodeName.parse(name))
    expect(reachFault(tests, reaches, names, true)).toBeUndefined()
    const fault = reachFault(tests, reaches, names, false)
    if (message === undefined) expect(fault).toBeUndefined()
    else
      expect(fault).toEqual({
        id: 'FENCE_COORDINATOR',
        severity: 'warning',
        message: `Not every coordinator could fence every node if it were primary. ${message}`,
      })
  })
})
