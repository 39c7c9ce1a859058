import { describe, expect, it } from 'vitest'
import { interfaceFigures } from '../../../../src/node/keepalive/interface-rates.ts'
import type { InterfaceCounters } from '../../../../src/ports/files.ts'

const device = (rxBytes: number, change: Partial<InterfaceCounters> = {}): InterfaceCounters => ({
  ...{ name: 'eth0', rxBytes, rxPackets: rxBytes / 100, txBytes: 0, txPackets: 0, speedMbps: 10_000, state: 'up' },
  ...change,
})

describe('figures of network devices', () => {
  it('have no rates at the first look', () => {
    const { eth0 } = interfaceFigures(undefined, { atMs: 5000, interfaces: [device(1000)] })
    expect(eth0).toMatchObject({ rx_bytes: 1000, rx_packets: 10, rx_bps: 0, total_pps: 0, link_speed: 10_000 })
    expect(eth0?.['state']).toBe('up')
  })

  it('are bits and packets a second since the look before', () => {
    const before = { atMs: 5000, interfaces: [device(1000)] }
    const { eth0 } = interfaceFigures(before, {
      atMs: 7000,
      interfaces: [device(3000, { txBytes: 500, txPackets: 4 })],
    })
    expect(eth0).toMatchObject({ rx_bps: 8000, rx_pps: 10, tx_bps: 2000, tx_pps: 2, total_bps: 10_000, total_pps: 12 })
  })

  it('have no rates when the device was made anew, or no time has passed', () => {
    const before = { atMs: 5000, interfaces: [device(9000)] }
    expect(interfaceFigures(before, { atMs: 7000, interfaces: [device(100)] })['eth0']).toMatchObject({ rx_bps: 0 })
    expect(interfaceFigures(before, { atMs: 5000, interfaces: [device(9900)] })['eth0']).toMatchObject({ rx_bps: 0 })
    expect(interfaceFigures(before, { atMs: 7000, interfaces: [] })).toEqual({})
  })
})
