/**
 * What the heartbeat of one node costs: writes and bytes to ZooKeeper and CPU time of pvcnoded per interval. Writes are
 * counted by the ensemble itself, so nothing the daemon does is left out.
 */
import { NodeRig } from '../rig/node-rig.ts'
import type { Report } from './figure.ts'

const intervalMs = 5000
const intervals = 4

async function measure(rig: NodeRig, vms: number, report: Report): Promise<void> {
  const session = await rig.session()
  const documents = [rig.keys.status, rig.keys.stats, rig.keys.seqs]
  const versions = async () => {
    const nodes = await Promise.all(documents.map((key) => session.readWatched(key.path)))
    return nodes.map((node) => ({ version: node?.version ?? 0, bytes: Buffer.byteLength(node?.text ?? '') }))
  }
  const beats = async (count: number) => {
    const { heartbeat } = await rig.until('a status', () => true)
    await rig.until(`${count} more beats`, (status) => status.heartbeat >= heartbeat + count, 60_000)
  }
  // Two beats: what the starts left to be published is out. From there to the same point of a later interval.
  await beats(3)
  const before = { versions: await versions(), transactions: await rig.transactions(), cpuMs: rig.cpuMs() }
  await beats(intervals)
  const after = { versions: await versions(), transactions: await rig.transactions(), cpuMs: rig.cpuMs() }
  const bytes = after.versions.reduce(
    (sum, each, index) => sum + (each.version - (before.versions[index]?.version ?? 0)) * each.bytes,
    0,
  )
  const params = { vms, guests: 'test', interval_ms: intervalMs }
  const figure = (metric: string, value: number, unit: string) =>
    report({ metric, value: value / intervals, unit, params, n: intervals })
  figure('writes_per_interval', after.transactions - before.transactions, '1')
  figure('bytes_per_interval', bytes, 'B')
  figure('cpu_ms_per_interval', after.cpuMs - before.cpuMs, 'ms')
}

/** Reports the three figures for 10 and for 200 VMs that run. */
export async function run(report: Report): Promise<void> {
  for (const vms of [10, 200]) {
    const rig = await NodeRig.start({ built: true, intervalMs })
    try {
      await rig.defineVms(vms)
      rig.startDaemon()
      await rig.untilVmsRun(vms, 120_000)
      await measure(rig, vms, report)
    } finally {
      await rig.close()
    }
  }
}
