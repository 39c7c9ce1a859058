import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  parseLocks,
  parsePoolNames,
  parsePoolStats,
  parseVolumeInfo,
  parseWatchers,
  splitJsonDocuments,
} from '../../../../src/adapters/ceph/parse.ts'

/** Output captured from the tools, by version. */
const data = (name: string) => readFileSync(new URL(`../../../data/${name}`, import.meta.url), 'utf8')

describe('output of rbd 16.2.15', () => {
  it('gives the lock of a writing client', () => {
    expect(parseLocks(data('rbd-16.2.15/lock-ls-auto.json'))).toEqual([
      { lockId: 'auto 140214039300976', locker: 'client.4361', address: '127.0.0.1:0/27299963' },
    ])
    expect(parseLocks(data('rbd-16.2.15/lock-ls-advisory.json'))).toMatchObject([{ lockId: 'stranger' }])
    expect(parseLocks(data('rbd-16.2.15/lock-ls-none.json'))).toEqual([])
  })

  it('gives the watchers of an open volume', () => {
    expect(parseWatchers(data('rbd-16.2.15/status-one.json'))).toEqual([
      { address: '127.0.0.1:0/27299963', client: 4361 },
    ])
    expect(parseWatchers(data('rbd-16.2.15/status-none.json'))).toEqual([])
  })

  it('gives size and features of a volume', () => {
    const info = parseVolumeInfo(data('rbd-16.2.15/info.json'))
    expect(info).toMatchObject({ sizeBytes: 67108864, objects: 16, order: 22, snapshotCount: 0 })
    expect(info.features).toContain('exclusive-lock')
  })

  it.each(['', 'null', '{}', '[{"id":"x"}]', '[{"id":"x","locker":"y","address":7}]'])(
    'never reads the unknown answer %j as "no locks"',
    (text) => {
      expect(() => parseLocks(text)).toThrow(expect.objectContaining({ code: 'PVC_CEPH_FAILED' }))
    },
  )
})

describe('output of ceph 16.2.15', () => {
  it('gives the names of pools', () => {
    expect(parsePoolNames(data('ceph-16.2.15/osd-pool-ls.json'))).toContain('vms')
  })

  it('joins the two tables of pool usage by id, whatever their order', () => {
    const stats = parsePoolStats(data('ceph-16.2.15/df-detail.json'), data('ceph-16.2.15/rados-df.json'))
    expect(stats.get('vms')).toMatchObject({ id: 2, storedBytes: 4170, objects: 7, readOps: 1346, writeBytes: 45056 })
    expect(stats.get('new')).toMatchObject({ id: 4, objects: 1, writeOps: 2 })
  })

  it('leaves out a pool that only one table has', () => {
    const rados = data('ceph-16.2.15/rados-df.json').replace('"name":"vms","id":2', '"name":"vms","id":99')
    expect([...parsePoolStats(data('ceph-16.2.15/df-detail.json'), rados).keys()]).not.toContain('vms')
  })
})

it('splits documents at brackets outside of strings', () => {
  expect(splitJsonDocuments('\n[{"a":"]\\"["}] {"b":[1]}[]listed 1 entries')).toEqual([
    '[{"a":"]\\"["}]',
    '{"b":[1]}',
    '[]',
  ])
})
