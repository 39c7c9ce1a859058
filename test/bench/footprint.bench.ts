/** Time to the first heartbeat, memory and CPU share of one pvcnoded process that looks after 50 running VMs. */
import { pollUntil } from '../lab/poll.ts'
import { NodeRig } from '../rig/node-rig.ts'
import type { Report } from './figure.ts'

const vms = 50
const seconds = 30

/** Reports the start, and over half a minute the highest resident memory seen and the CPU time used per second. */
export async function run(report: Report): Promise<void> {
  const rig = await NodeRig.start({ built: true })
  try {
    await rig.defineVms(vms)
    const startedMs = performance.now()
    rig.startDaemon()
    await rig.until('the first heartbeat', (status) => status.heartbeat > 0, 60_000)
    const startMs = performance.now() - startedMs
    await rig.untilVmsRun(vms, 120_000)
    const { heartbeat } = await rig.until('a status', () => true)
    await rig.until('two beats', (status) => status.heartbeat >= heartbeat + 3, 60_000)
    const params = { vms, guests: 'test', process: 'pvcnoded' }
    report({ metric: 'start_ms', value: startMs, unit: 'ms', params, n: 1 })
    const cpuMs = rig.cpuMs()
    const began = performance.now()
    const sizes: number[] = []
    await pollUntil({ what: 'the end of the measurement', timeoutMs: seconds * 2000, intervalMs: 1000 }, async () => {
      sizes.push(rig.rssMib())
      return sizes.length > seconds
    })
    const cpuPercent = ((rig.cpuMs() - cpuMs) / (performance.now() - began)) * 100
    report({ metric: 'rss_mib', value: Math.max(...sizes), unit: 'MiB', params, n: sizes.length })
    report({ metric: 'cpu_percent', value: cpuPercent, unit: '%', params, n: sizes.length })
  } finally {
    await rig.close()
  }
}
