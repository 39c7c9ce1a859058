import { describe, expect, it } from 'vitest'
import { NodeName, VolumeRef } from '../../../src/model/ids.ts'
import { chooseTarget, type MoveFacts, planMove } from '../../../src/model/move.ts'
import type { PlacementNode, VmFacts } from '../../../src/model/placement.ts'
import { running } from './move-world.ts'
import { node, vmFacts } from './placement-world.ts'

const FACTS: MoveFacts = {
  arch: 'x86_64',
  isEmulated: false,
  isCpuPassedThrough: false,
  liveObstacles: [],
  networks: [],
}
const off = (spec: object = {}) => vmFacts('web', { node: 'a', power: 'off', spec })

/** The choice with one node asked for, and why it was refused. */
function judge(vm: VmFacts, facts: MoveFacts, nodes: readonly PlacementNode[], to: string) {
  const target = NodeName.parse(to)
  const asked = { id: 'new', action: 'move', target, isForced: false, isLiveOnly: false, policy: {} } as const
  const { choice, candidates } = chooseTarget(vm, facts, planMove(vm, facts, asked), { nodes, defaultSelector: 'mem' })
  return choice ?? candidates.find((candidate) => candidate.node === to)?.reason
}

describe('a target that lacks what a guest needs to run', () => {
  it.each([
    ['a bridge of it', running(), 'b', 'it has no bridge vmbr7, which the VM is plugged into'],
    ['nothing', running(), 'c', 'c'],
    ['nothing that is known', running(), 'd', 'd'],
    ['a bridge, for a guest that does not run', off(), 'b', 'b'],
  ])('is judged: %s', (_, vm, target, expected) => {
    const networks = ['br0', 'vmbr7'].map((source) => ({ type: 'bridge', vni: '7', mac: '', source, model: 'virtio' }))
    const nodes = [
      node('a'),
      { ...node('b'), bridges: ['br0'] },
      { ...node('c'), bridges: ['br0', 'vmbr7'] },
      node('d'),
    ]
    expect(judge(vm, { ...FACTS, networks }, nodes, target)).toBe(expected)
  })

  const disks = { rbdList: [VolumeRef.parse('vms/web_disk0')] }
  it.each([
    ['with disks in Ceph', running({ spec: disks }), 'its libvirt has no Ceph key for guests (fault GUEST_SECRET)'],
    ['without', running(), 'b'],
    ['that does not run', off(disks), 'b'],
  ])('is judged without the Ceph key: a guest %s', (_, vm, expected) => {
    expect(judge(vm, FACTS, [node('a'), { ...node('b'), hasGuestKey: false }], 'b')).toBe(expected)
  })
})
