import { describe, expect, it } from 'vitest'
import { javaCommand, zooCfg } from '../../lab/zookeeper-config.ts'

const members = [1, 2, 3].map((id) => ({
  id,
  address: `10.0.0.${id}`,
  clientPort: 2181,
  quorumPort: 2888,
  electionPort: 3888,
}))

describe('shipped ZooKeeper settings', () => {
  // These numbers are in the failure detection's inequalities and in the tests' expectations: a change is a decision.
  it.each([
    'tickTime=500',
    'minSessionTimeout=4000',
    'syncLimit=6',
    'initLimit=20',
    'autopurge.purgeInterval=1',
    'admin.enableServer=false',
    '4lw.commands.whitelist=srvr,mntr,ruok',
  ])('have %s, each once', (line) => {
    const [first] = members
    const lines = first === undefined ? [] : zooCfg(first, members, '/data').split('\n')
    expect(lines.filter((each) => each.split('=')[0] === line.split('=')[0])).toEqual([line])
  })

  it('bind each server to its own address and name all peers', () => {
    const [first] = members
    const text = first === undefined ? '' : zooCfg(first, members, '/data')
    expect(text).toMatch(/^clientPortAddress=10\.0\.0\.1$/m)
    expect(text.match(/^server\.\d=10\.0\.0\.\d:2888:3888$/gm)).toHaveLength(3)
  })

  it('start every server with a forced snapshot, without which acknowledged writes can be lost', () => {
    expect(javaCommand('/conf')).toContain('-Dzookeeper.forceSnapshotSync=true')
  })
})
