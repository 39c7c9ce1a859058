import { describe, expect, it } from 'vitest'
import { NodeName } from '../../../src/model/ids.ts'
import { choosePlacement, maxVcpus, placementNodes, withPromise } from '../../../src/model/placement.ts'
import { node, nodeFacts, placed, request, vmFacts } from './placement-world.ts'

const hv = (name: string) => NodeName.parse(name)

const reasons = (nodes: readonly ReturnType<typeof node>[], change: Parameters<typeof request>[0] = {}) =>
  Object.fromEntries(choosePlacement(request(change), nodes).candidates.map((each) => [each.node, each.reason]))

describe('choosePlacement', () => {
  it.each([
    ['mem', { resources: { memoryFreeMiB: 7000 } }],
    ['memprov', { resources: { memoryProvisionedMiB: 1000 } }],
    ['vcpus', { resources: { vcpusAllocated: 1 } }],
    ['load', { resources: { load1: 0.1 } }],
    ['vms', { vms: [] }],
  ] as const)('%s prefers the node with the most of it left', (selector, change) => {
    const vms = [placed('x', { isOn: false })]
    const nodes = [node('a', { vms }), node('b', { vms, ...change }), node('c', { vms })]
    const { choice, reason } = choosePlacement(request({ selector }), nodes)
    expect([choice, reason]).toEqual(['b', expect.stringMatching(`^best by ${selector}: `)])
  })

  it('takes the first name among equals, whatever their order, and says so', () => {
    const { choice, reason } = choosePlacement(request(), [node('c'), node('a'), node('b')])
    expect([choice, reason]).toEqual(['a', 'best by mem, first by name: 6000 MiB free'])
  })

  it('says of every node why it lost', () => {
    const nodes = [
      node('a', { daemon: 'dead' }),
      node('b', { domainState: 'flushed' }),
      node('c', { resources: undefined }),
      node('d', { resources: { memoryTotalMiB: 1000 } }),
      node('e', { resources: { memoryFreeMiB: 999 } }),
      node('f', { daemon: undefined }),
      node('g'),
      node('h', { resources: { cpuCount: 3 } }),
      node('i'),
      node('j', { isCertified: false }),
      node('k', { arch: 'aarch64' }),
      node('l', { cpuModel: 'B' }),
    ]
    const nodeLimit = 'abcdefhijkl'.split('').map(hv)
    const change = {
      nodeLimit,
      excluded: new Map([[hv('i'), 'it runs there now']]),
      cpu: { arch: 'x86_64', model: 'A' },
    }
    expect(reasons(nodes, change)).toEqual({
      a: 'its daemon is in state dead',
      b: 'its domain state is flushed',
      c: 'it has not reported its resources',
      d: '1000 MiB of memory is not less than its 1000 MiB',
      e: '999 MiB free, 1000 MiB needed',
      f: 'its daemon is in state unknown',
      g: 'not in the node limit of the VM',
      h: '2 vCPUs is more than the 1 possible with its 3 CPUs',
      i: 'it runs there now',
      j: 'it is not certified: it may not start VMs now',
      k: 'its processor is aarch64, not x86_64',
      l: 'its processor is B, and the guest runs on A and sees it as it is',
    })
    const none = choosePlacement(request(change), nodes)
    expect(none.choice).toBeNull()
    expect(none.reason).toContain('d: 1000 MiB of memory')
    expect(choosePlacement(request(), []).reason).toBe('the cluster has no nodes')
  })

  it('names the nodes that would do but for something that may pass', () => {
    const small = { memoryFreeMiB: 10 }
    const nodes = [
      node('a', { daemon: 'init', isCertified: false }),
      node('b', { domainState: 'unflush' }),
      node('c', { resources: undefined }),
      node('d', { bridges: [] }),
      node('e', { hasGuestKey: false }),
      node('f', { isCertified: false }),
      node('g', { daemon: 'dead', isCertified: false }),
      node('h', { domainState: 'unflush', resources: small }),
      node('i', { domainState: 'flushed' }),
      node('j', { daemon: 'init', arch: 'aarch64' }),
      node('k', { daemon: 'init' }),
      node('l', { bridges: [], resources: { memoryTotalMiB: 1000 } }),
      node('m', { resources: small }),
    ]
    const excluded = new Map([[hv('k'), 'it was fenced']])
    const change = { excluded, bridges: ['br0'], needsGuestKey: true }
    const { choice, passing } = choosePlacement(request(change), nodes)
    expect([choice, ...passing.map((each) => each.node)]).toEqual([null, 'a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('takes a full node only when it may, and only when no other is left', () => {
    const full = node('a', { resources: { memoryFreeMiB: 10, load1: 0 } })
    const free = node('b', { resources: { load1: 9 } })
    const lenient = request({ mustFitNow: false, selector: 'load' })
    expect(choosePlacement(lenient, [full, free]).choice).toBe('b')
    expect(choosePlacement(lenient, [full, free]).reason).toMatch(/^the only node with enough memory/)
    expect(choosePlacement(lenient, [full])).toMatchObject({ choice: 'a', reason: expect.stringMatching(/^the only/) })
    expect(choosePlacement(request(), [full]).choice).toBeNull()
  })

  it('keeps a group apart, but rather together than not at all', () => {
    const member = placed('db1', { antiAffinityGroup: 'db' })
    const beside = node('a', { vms: [member], resources: { memoryFreeMiB: 9000 } })
    const apart = node('b')
    const grouped = request({ antiAffinityGroup: 'db' })
    expect(choosePlacement(grouped, [beside, apart])).toMatchObject({
      choice: 'b',
      reason: 'keeps group db apart: 6000 MiB free',
      candidates: [{ reason: expect.stringContaining('beside db1 of group db') }, {}],
    })
    expect(choosePlacement(request({ antiAffinityGroup: 'web' }), [beside, apart]).choice).toBe('a')
    expect(choosePlacement(grouped, [beside, node('b', { daemon: 'dead' })]).choice).toBe('a')
    const two = [member, placed('db2', { antiAffinityGroup: 'db' })]
    expect(choosePlacement(grouped, [node('a', { vms: two }), node('b', { vms: [member] })]).choice).toBe('b')
    // The VM that is placed is no neighbour of its own.
    expect(choosePlacement({ ...grouped, uuid: member.uuid }, [beside, apart]).choice).toBe('a')
  })

  it('counts what was promised and is not in the report yet', () => {
    const roomy = { memoryFreeMiB: 6500 }
    expect(choosePlacement(request(), [node('a', { resources: roomy }), node('b')]).choice).toBe('a')
    const coming = [placed('x', { memoryMiB: 5600, isReported: false })]
    expect(choosePlacement(request(), [node('a', { resources: roomy, vms: coming }), node('b')]).choice).toBe('b')
    // Memory provisioned to guests counts although they do not use it yet.
    expect(choosePlacement(request(), [node('a', { resources: { memoryProvisionedMiB: 9500 } })]).choice).toBeNull()
    // A record that is newer than the node's report.
    const here = [placed('x', { memoryMiB: 9500 })]
    const silent = node('a', { resources: { memoryFreeMiB: 10_000, memoryProvisionedMiB: 0 }, vms: here })
    expect(choosePlacement(request(), [silent]).choice).toBeNull()
    // A VM that is off promises nothing.
    expect(
      choosePlacement(request(), [{ ...silent, vms: [placed('x', { memoryMiB: 9500, isOn: false })] }]).choice,
    ).toBe('a')
  })
})

describe('placementNodes', () => {
  const facts = ['a', 'b'].map((name) => nodeFacts(name))
  const byName = (vms: Parameters<typeof placementNodes>[1], nodes = facts) =>
    Object.fromEntries(
      placementNodes(nodes, vms).map(({ name, vms: placedHere }) => [
        name,
        placedHere.map(({ name: vm, isOn, isReported }) => [vm, isOn, isReported]),
      ]),
    )

  it('counts a VM where it runs and where it is to run', () => {
    expect(byName([vmFacts('x', { node: 'a', power: 'off' })])).toEqual({ a: [['x', false, false]], b: [] })
    expect(byName([vmFacts('x', { node: 'a', power: 'on' })])).toEqual({ a: [['x', true, false]], b: [] })
    expect(byName([vmFacts('x', { node: 'b', power: 'on', run: 'a' })])).toEqual({
      a: [['x', true, true]],
      b: [['x', true, false]],
    })
  })

  it('counts a copy under way although its order was taken back', () => {
    expect(byName([vmFacts('x', { node: 'a', power: 'on', run: 'a', copyTo: 'b' })])).toEqual({
      a: [['x', true, true]],
      b: [['x', true, false]],
    })
  })

  it('counts a VM that shuts down where it still runs', () => {
    expect(byName([vmFacts('x', { node: 'b', power: 'off', run: 'a' })])).toEqual({
      a: [['x', true, true]],
      b: [['x', false, false]],
    })
  })

  it('takes a node without proof of life for dead, and believes nothing of one that never reported', () => {
    const nodes = [nodeFacts('a', { isAlive: false }), nodeFacts('b', { isSilent: true })]
    expect(placementNodes(nodes, [])).toMatchObject([
      { name: 'a', daemon: 'dead', isCertified: true },
      { name: 'b', daemon: undefined, isCertified: false, resources: undefined },
    ])
  })
})

describe('withPromise', () => {
  it('is counted by the next choice', () => {
    const nodes = [node('a'), node('b', { resources: { memoryFreeMiB: 5999 } })]
    expect(choosePlacement(request(), nodes).choice).toBe('a')
    const { spec } = vmFacts('x', { node: 'b', power: 'on' })
    expect(choosePlacement(request(), withPromise(nodes, hv('a'), spec)).choice).toBe('b')
  })
})

describe('maxVcpus', () => {
  it('leaves two CPUs to the host, but one is always possible', () => {
    expect([1, 2, 3, 4, 32].map(maxVcpus)).toEqual([1, 1, 1, 2, 30])
  })
})
