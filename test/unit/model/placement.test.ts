import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NodeName } from '../../../src/model/ids.ts'
import { choosePlacement, maxVcpus, type PlacementNode, type PlacementRequest } from '../../../src/model/placement.ts'

const RESOURCES = {
  cpuCount: 8,
  load1: 1,
  memoryTotalMiB: 10_000,
  memoryUsedMiB: 4000,
  memoryFreeMiB: 6000,
  memoryAllocatedMiB: 3000,
  memoryProvisionedMiB: 3000,
  vcpusAllocated: 4,
}

type NodeChange = Partial<Omit<PlacementNode, 'resources'>> & { resources?: Partial<typeof RESOURCES> | undefined }

function node(name: string, change: NodeChange = {}): PlacementNode {
  const { resources, ...rest } = change
  return {
    name: NodeName.parse(name),
    daemon: 'run',
    domainState: 'ready',
    vmCount: 0,
    resources: 'resources' in change && resources === undefined ? undefined : { ...RESOURCES, ...resources },
    ...rest,
  }
}

function request(change: Partial<PlacementRequest> = {}): PlacementRequest {
  return { memoryMiB: 1000, vcpus: 2, nodeLimit: [], selector: 'mem', mustFitNow: true, ...change }
}

const reasons = (nodes: PlacementNode[], change: Partial<PlacementRequest> = {}) =>
  Object.fromEntries(choosePlacement(request(change), nodes).candidates.map((each) => [each.node, each.reason]))

describe('choosePlacement', () => {
  it.each([
    ['mem', { memoryFreeMiB: 7000 }, {}],
    ['memprov', { memoryProvisionedMiB: 1000 }, {}],
    ['vcpus', { vcpusAllocated: 1 }, {}],
    ['load', { load1: 0.1 }, {}],
    ['vms', {}, { vmCount: -1 }],
  ] as const)('%s prefers the node with the most of it left', (selector, resources, change) => {
    const nodes = [node('a'), node('b', { resources, ...change }), node('c')]
    expect(choosePlacement(request({ selector }), nodes).choice).toBe('b')
  })

  it('takes the first name among equals, whatever their order', () => {
    expect(choosePlacement(request(), [node('c'), node('a'), node('b')]).choice).toBe('a')
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
    ]
    const limit = ['a', 'b', 'c', 'd', 'e', 'f', 'h', 'i'].map((name) => NodeName.parse(name))
    const excluded = new Map([[NodeName.parse('i'), 'it runs there now']])
    expect(reasons(nodes, { nodeLimit: limit, excluded })).toEqual({
      a: 'its daemon is in state dead',
      b: 'its domain state is flushed',
      c: 'it has not reported its resources',
      d: '1000 MiB of memory is not less than its 1000 MiB',
      e: '999 MiB free, 1000 MiB needed',
      f: 'its daemon is in state unknown',
      g: 'not in the node limit of the VM',
      h: '2 vCPUs is more than the 1 possible with its 3 CPUs',
      i: 'it runs there now',
    })
    const none = choosePlacement(request({ nodeLimit: limit, excluded }), nodes)
    expect(none.choice).toBeNull()
    expect(none.reason).toContain('d: 1000 MiB of memory')
  })

  it('counts what was promised', () => {
    const nodes = [node('a', { resources: { memoryFreeMiB: 6500 } }), node('b')]
    expect(choosePlacement(request(), nodes).choice).toBe('a')
    const reservedMiB = new Map([[NodeName.parse('a'), 6000]])
    expect(choosePlacement(request({ reservedMiB }), nodes).choice).toBe('b')
    // Provisioned memory of guests counts even when they do not use it yet.
    const promised = [node('a', { resources: { memoryProvisionedMiB: 9500 } })]
    expect(choosePlacement(request(), promised).choice).toBeNull()
  })

  it('takes a full node only when it may, and only when no other is left', () => {
    const full = node('a', { resources: { memoryFreeMiB: 10, load1: 0 } })
    const free = node('b', { resources: { load1: 9 } })
    const lenient = { mustFitNow: false, selector: 'load' } as const
    expect(choosePlacement(request(lenient), [full, free]).choice).toBe('b')
    expect(choosePlacement(request(lenient), [full]).choice).toBe('a')
    expect(choosePlacement(request(), [full]).choice).toBeNull()
  })

  it('never chooses a node that is out, and always one when there is one', () => {
    const any = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      daemon: fc.constantFrom('run', 'stop', 'dead', undefined),
      domainState: fc.constantFrom('ready', 'flush', 'flushed'),
      free: fc.integer({ min: 0, max: 2000 }),
      total: fc.integer({ min: 500, max: 3000 }),
    })
    fc.assert(
      fc.property(fc.uniqueArray(any, { selector: (each) => each.name }), (made) => {
        const nodes = made.map(({ name, daemon, domainState, free, total }) =>
          node(name, {
            daemon,
            domainState,
            resources: { memoryFreeMiB: free, memoryTotalMiB: total, memoryProvisionedMiB: 0 },
          } as NodeChange),
        )
        const { choice, candidates } = choosePlacement(request(), nodes)
        const possible = made.filter(
          ({ daemon, domainState, free, total }) =>
            daemon === 'run' && domainState === 'ready' && total > 1000 && Math.min(free, total) >= 1000,
        )
        expect(candidates).toHaveLength(nodes.length)
        if (choice === null) expect(possible).toEqual([])
        else expect(possible.map(({ name }) => name)).toContain(choice)
      }),
    )
  })
})

describe('maxVcpus', () => {
  it('leaves two CPUs to the host, but one is always possible', () => {
    expect([1, 2, 3, 4, 32].map(maxVcpus)).toEqual([1, 1, 1, 2, 30])
  })
})
