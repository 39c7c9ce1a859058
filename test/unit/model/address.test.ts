import { expect, it } from 'vitest'
import { isSameAddress } from '../../../src/model/address.ts'

it.each([
  ['10.0.0.1', '10.0.0.1', true],
  ['10.0.0.1', '10.0.0.10', false],
  ['FD00::1', 'fd00:0:0:0:0:0:0:1', true],
  ['fd00::01', 'fd00::1%eth0', true],
  ['::', '0::0', true],
  ['fd00::1', 'fd00::10', false],
])('%s and %s are the same address: %s', (a, b, isSame) => {
  expect(isSameAddress(a, b)).toBe(isSame)
})
