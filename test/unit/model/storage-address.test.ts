import { expect, it } from 'vitest'
import { canonicalIp, clientIp, wholeAddress } from '../../../src/model/storage-address.ts'

it.each([
  ['10.90.0.11:0/1436153503', '10.90.0.11'],
  ['v1:10.90.0.11:0/1', '10.90.0.11'],
  ['[fd00::11]:0/7', 'fd00::11'],
  ['nonsense', 'nonsense'],
])('the client %s is at %s', (address, ip) => expect(clientIp(address)).toBe(ip))

it.each([
  ['10.90.0.11', '10.90.0.11:0/0'],
  ['fd00::11', '[fd00::11]:0/0'],
  ['FD00:0:0:0:0:0:0:11', '[fd00::11]:0/0'],
])('every client of %s is %s', (ip, entry) => {
  expect(wholeAddress(ip)).toBe(entry)
  expect(clientIp(entry)).toBe(canonicalIp(ip))
})
