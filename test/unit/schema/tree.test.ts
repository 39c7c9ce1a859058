import { describe, expect, it } from 'vitest'
import { emptyVmStatus } from '../../../src/model/domain.ts'
import type { NodeName, PoolName, VmUuid, VolumeName } from '../../../src/model/ids.ts'
import { TREE_DIRS, tree } from '../../../src/schema/tree.ts'

const uuid = '00000000-0000-4000-8000-000000000001' as VmUuid

describe('the tree', () => {
  it('makes its permanent parents in an order in which each finds its own', () => {
    const made = new Set(['/'])
    for (const path of TREE_DIRS) {
      const parent = path.slice(0, path.lastIndexOf('/')) || '/'
      expect(made).toContain(parent)
      made.add(path)
    }
  })

  it('has a permanent parent, or a document of its own, above every document', () => {
    const made = new Set(['/', ...TREE_DIRS])
    const pool = 'p' as PoolName
    const keys = [
      tree.schema,
      tree.cluster,
      tree.primary.lease,
      tree.primary.epoch,
      tree.node('n' as NodeName).spec,
      tree.vm(uuid).spec,
      tree.vmNames.child('x'),
      tree.pool(pool),
      tree.tokens.child('x'),
      tree.audit.child('x'),
      tree.decisions.child('x'),
    ]
    for (const { path } of keys) expect(made).toContain(path.slice(0, path.lastIndexOf('/')) || '/')
    expect(tree.volume(pool, 'v' as VolumeName).path).toBe(`${tree.volumePools.path}/p/v`)
    expect(tree.volumes(pool).child('v').path).toBe(tree.volume(pool, 'v' as VolumeName).path)
  })

  it('names the same document by its directory and by its own function', () => {
    expect(tree.vms.child(uuid).path).toBe(tree.vm(uuid).spec.path)
    expect(tree.nodes.child('n').path).toBe(tree.node('n' as NodeName).spec.path)
  })
})

describe('a document', () => {
  const key = tree.vm(uuid).status

  it('comes back as it was written', () => {
    const status = emptyVmStatus(7, 1234)
    expect(key.codec.decode(key.codec.encode(status), key.path)).toEqual(status)
  })

  it.each([
    ['no text at all', ''],
    ['no JSON', '{"seq": '],
    ['a missing field', '{"seq": 1}'],
    ['a wrong type', JSON.stringify({ ...emptyVmStatus(7, 0), seq: '7' })],
  ])('with %s is refused with its path', (_, text) => {
    expect(() => key.codec.decode(text, key.path)).toThrow(
      expect.objectContaining({ code: 'PVC_STORE_CORRUPT', details: { path: key.path } }),
    )
  })
})
