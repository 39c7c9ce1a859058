/** Figures of network devices for the statistics document, from two looks at their counters. Pure. */
import type { NodeStats } from '../../model/node.ts'
import type { InterfaceCounters } from '../../ports/files.ts'

/** A look at all devices, and when it was. */
export type InterfaceLook = { readonly atMs: number; readonly interfaces: readonly InterfaceCounters[] }

/**
 * Totals, and rates since the look before; a device that was not there then, or whose counters began anew, has none yet.
 * Names and units are those of older clusters: bytes, packets, bits and packets per second, speed in Mbit/s.
 */
export function interfaceFigures(before: InterfaceLook | undefined, now: InterfaceLook): NodeStats['interfaces'] {
  const earlier = new Map(before?.interfaces.map((each) => [each.name, each]))
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1000
  return Object.fromEntries(
    now.interfaces.map((each) => {
      const rate = (count: (counters: InterfaceCounters) => number, factor: number): number => {
        const past = earlier.get(each.name)
        const growth = past === undefined ? 0 : count(each) - count(past)
        return growth <= 0 || seconds <= 0 ? 0 : Math.round((growth * factor) / seconds)
      }
      const rx = { bps: rate(({ rxBytes }) => rxBytes, 8), pps: rate(({ rxPackets }) => rxPackets, 1) }
      const tx = { bps: rate(({ txBytes }) => txBytes, 8), pps: rate(({ txPackets }) => txPackets, 1) }
      const figures = {
        rx_bytes: each.rxBytes,
        tx_bytes: each.txBytes,
        rx_packets: each.rxPackets,
        tx_packets: each.txPackets,
        rx_bps: rx.bps,
        tx_bps: tx.bps,
        total_bps: rx.bps + tx.bps,
        rx_pps: rx.pps,
        tx_pps: tx.pps,
        total_pps: rx.pps + tx.pps,
        link_speed: each.speedMbps ?? 0,
        state: each.state,
      }
      return [each.name, figures]
    }),
  )
}
