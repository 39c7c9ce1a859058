/** What dnsmasq 2.90 calls its script with, and what it reads at its start. */
import { describe, expect, it } from 'vitest'
import { leaseEvent, leaseLines, ScriptCall } from '../../../../src/adapters/dnsmasq/lease-text.ts'

const call = (over: Partial<ScriptCall>) => ScriptCall.parse({ vni: '100', action: 'add', ...over })
const V4 = call({
  client: '52:54:00:00:00:0A',
  address: '10.1.0.5',
  hostname: 'web',
  expires: '1700000000',
  clientId: '01:52:54:00:00:00:0a',
})
const V6 = call({
  client: '00:01:00:01:aa',
  address: 'fd00::5',
  expires: '1700000000',
  iaid: '7',
  serverDuid: '00:01:ff',
  mac: '52:54:00:00:00:0a',
})

describe('a call of the lease script', () => {
  it.each(['add', 'old'])('%s keeps the lease: a renewal is told as old', (action) => {
    expect(leaseEvent({ ...V4, action })).toEqual({
      kind: 'kept',
      serverDuid: undefined,
      lease: {
        address: '10.1.0.5',
        mac: '52:54:00:00:00:0a',
        hostname: 'web',
        clientId: '01:52:54:00:00:00:0a',
        expiresS: 1_700_000_000,
      },
    })
  })

  it('of IPv6 keeps client, association and the identity of the server', () => {
    expect(leaseEvent(V6)).toMatchObject({
      serverDuid: '00:01:ff',
      lease: { address: 'fd00::5', iaid: '7', clientId: '00:01:00:01:aa', mac: '52:54:00:00:00:0a' },
    })
  })

  it('del ends it; what does not concern leases, or has no end, is nothing', () => {
    expect(leaseEvent({ ...V4, action: 'del' })).toEqual({ kind: 'over', address: '10.1.0.5' })
    expect(leaseEvent({ ...V4, action: 'arp-add' })).toBeUndefined()
    expect(leaseEvent({ ...V4, expires: '' })).toBeUndefined()
    expect(leaseEvent({ ...V4, address: 'tftp' })).toBeUndefined()
  })
})

describe('leases at the start of dnsmasq', () => {
  const kept = [V4, V6].flatMap((each) => {
    const event = leaseEvent(each)
    return event?.kind === 'kept' ? [event.lease] : []
  })

  it('are those of IPv4, then the identity of the server and those of IPv6', () => {
    expect(leaseLines(kept, '00:01:ff')).toBe(
      '1700000000 52:54:00:00:00:0a 10.1.0.5 web 01:52:54:00:00:00:0a\nduid 00:01:ff\n1700000000 7 fd00::5 * 00:01:00:01:aa\n',
    )
  })

  it('of IPv6 are left out without that identity, with which dnsmasq would refuse to start', () => {
    expect(leaseLines(kept, undefined)).not.toContain('fd00::5')
    expect(leaseLines([], undefined)).toBe('')
  })
})
