import { describe, expect, it } from 'vitest'
import { Watches } from '../../../../src/adapters/zookeeper/watches.ts'

const limited = expect.objectContaining({ code: 'PVC_STORE_WATCH_LIMIT' })

describe('the watches of a session', () => {
  it('are limited in number; one that fired makes place, one that is armed again needs none', () => {
    const watches = new Watches({ count: 2, bytes: 1000 })
    watches.reserve('/a', 'data')
    watches.reserve('/a', 'children')
    watches.reserve('/a', 'data')
    expect(() => watches.reserve('/b', 'data')).toThrow(limited)
    expect(watches.fired('changed', '/a')).toEqual(['data'])
    watches.reserve('/b', 'data')
    expect(() => watches.reserve('/a', 'data')).toThrow(limited)
  })

  it('are limited by the bytes of their paths', () => {
    const watches = new Watches({ count: 100, bytes: 20 })
    watches.reserve('/äöü', 'data')
    expect(() => watches.reserve('/abcdef', 'data')).toThrow(limited)
    watches.reserve('/abcd', 'data')
    for (let round = 0; round < 10; round += 1) {
      watches.release('/abcd', 'data')
      watches.reserve('/abcd', 'data')
    }
    watches.clear()
    watches.reserve('/123456789abcdef', 'data')
  })

  it('tell each kind of reader what it waits for', () => {
    const watches = new Watches()
    const arm = () => {
      watches.reserve('/a', 'data')
      watches.reserve('/a', 'children')
    }
    arm()
    expect(watches.fired('child', '/a')).toEqual(['children'])
    arm()
    expect(watches.fired('changed', '/a')).toEqual(['data'])
    arm()
    expect(watches.fired('deleted', '/a')).toEqual(['data', 'children'])
    arm()
    expect(watches.fired('created', '/a')).toEqual(['data', 'children'])
    expect(watches.fired('changed', '/b')).toEqual([])
    expect(watches.count).toBe(0)
  })
})
