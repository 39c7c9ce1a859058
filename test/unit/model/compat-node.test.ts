import { describe, expect, it } from 'vitest'
import { type NodeFacts, nodeFaults } from '../../../src/model/compat-node.ts'
import { nodeFacts } from './placement-world.ts'

const fault = { id: 'QUARANTINE_STUCK', severity: 'error' as const, message: 'why', since: 1 }

function facts(change: Partial<NodeFacts>, daemon: 'run' | 'stop'): NodeFacts {
  const own = nodeFacts('a')
  return { ...own, status: own.status && { ...own.status, daemon, faults: [fault] }, ...change }
}

describe('faults of a node', () => {
  it.each<[string, NodeFacts, readonly string[]]>([
    ['that works', facts({ isAlive: true }, 'run'), ['QUARANTINE_STUCK']],
    ['that was stopped: what it said last is not true any more', facts({ isAlive: false }, 'stop'), ['NODE_STATE:a']],
    ['that is fenced and gone', facts({ isAlive: false, fence: 'recovered' }, 'run'), ['NODE_STATE:a']],
    [
      'that is fenced and back: it says what keeps it out',
      facts({ isAlive: true, fence: 'recovered' }, 'run'),
      ['QUARANTINE_STUCK', 'NODE_STATE:a'],
    ],
  ])('%s', (_, of, expected) => {
    expect(nodeFaults(of, 5).map(({ id }) => id)).toEqual(expected)
  })
})
