import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addressAt,
  addressFamily,
  compareAddresses,
  contains,
  isHostAddress,
  lastAddress,
  normalAddress,
  overlaps,
  parseSubnet,
  reverseName,
} from '../../../src/model/ip.ts'

const ip4 = fc.ipV4()
const ip6 = fc.ipV6().filter((text) => !text.includes('.'))
const subnet = fc
  .oneof(fc.tuple(ip4, fc.integer({ min: 1, max: 32 })), fc.tuple(ip6, fc.integer({ min: 1, max: 128 })))
  .map(([address, length]) => {
    const bits = addressFamily(address) === 4 ? 32 : 128
    for (let tried = length; ; tried += 1) {
      const made = parseSubnet(`${normalAddress(address)}/${tried}`)
      if (made !== undefined || tried >= bits) return made
    }
  })

describe('addresses', () => {
  it.each([
    ['10.0.0.1', 4],
    ['fd00::1', 6],
    ['::', 6],
    ['10.1', undefined],
    ['0x0a.0.0.1', undefined],
    ['010.0.0.1', undefined],
    ['fe80::1%eth0', undefined],
    ['host', undefined],
    ['', undefined],
  ])('%s is of family %s', (text, family) => expect(addressFamily(text)).toBe(family))

  it.each([
    ['10.1.0.0/24', '10.1.0.0', 24],
    ['FD00:0::/64', 'fd00::', 64],
  ])('%s is a network', (text, first, prefixLength) => expect(parseSubnet(text)).toMatchObject({ first, prefixLength }))

  it.each(['10.1.0.1/24', '10.1.0.0', '10.1.0.0/33', '10.1.0.0/24/8', '10.1.0.0/0', 'fd00::1/64', 'x/24', ''])(
    '%s is no network',
    (text) => expect(parseSubnet(text)).toBeUndefined(),
  )

  it('a network holds its first and last address, and none beyond', () => {
    fc.assert(
      fc.property(subnet, (net) => {
        fc.pre(net !== undefined)
        expect(contains(net, net.first)).toBe(true)
        expect(contains(net, lastAddress(net))).toBe(true)
        expect(compareAddresses(net.first, lastAddress(net))).toBeLessThanOrEqual(0)
        const size = 1n << BigInt((net.family === 4 ? 32 : 128) - net.prefixLength)
        expect(addressAt(net, size - 1n)).toBe(lastAddress(net))
        expect(overlaps(net, net)).toBe(true)
      }),
    )
  })

  it('networks overlap when one holds an end of the other', () => {
    fc.assert(
      fc.property(subnet, subnet, (a, b) => {
        fc.pre(a !== undefined && b !== undefined)
        const isOver = contains(a, b.first) || contains(b, a.first)
        expect(overlaps(a, b)).toBe(isOver)
      }),
    )
  })

  it('first and last of an IPv4 network are for no host', () => {
    const net = parseSubnet('10.1.0.0/30')
    expect(net && ['10.1.0.0', '10.1.0.1', '10.1.0.2', '10.1.0.3'].map((each) => isHostAddress(net, each))).toEqual([
      false,
      true,
      true,
      false,
    ])
  })

  it('have a name in the reverse tree', () => {
    expect(reverseName('10.1.2.3')).toBe('3.2.1.10.in-addr.arpa.')
    expect(reverseName('fd00::1')).toBe(`1.${'0.'.repeat(27)}0.0.d.f.ip6.arpa.`)
  })
})
