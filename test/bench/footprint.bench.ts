/** Memory and CPU share of one pvcnoded process that looks after 50 running VMs. */
import { setTimeout as delay } from 'node:timers/promises'
import { NodeRig } from '../rig/node-rig.ts'
import type { Report } from './figure.ts'

const vms = 50
const seconds = 30

/** Reports the highest resident memory seen, and the CPU time used per second, over half a minute. */
export async function run(report: Report): Promise<void> {
  const rig = await NodeRig.start({ built: true })
  try {
    await rig.defineVms(vms)
    rig.startDaemon()
    await rig.untilVmsRun(vms, 120_000)
    const { heartbeat } = await rig.until('a status', () => true)
    await rig.until('two beats', (status) => status.heartbeat >= heartbeat + 3, 60_000)
    const params = { vms, guests: 'test', process: 'pvcnoded' }
    const cpuMs = rig.cpuMs()
    const began = performance.now()
    const sizes: number[] = []
    for (let second = 0; second < seconds; second++) {
      await delay(1000)
      sizes.push(rig.rssMib())
    }
    const cpuPercent = ((rig.cpuMs() - cpuMs) / (performance.now() - began)) * 100
    report({ metric: 'rss_mib', value: Math.max(...sizes), unit: 'MiB', params, n: seconds })
    report({ metric: 'cpu_percent', value: cpuPercent, unit: '%', params, n: seconds })
  } finally {
    await rig.close()
  }
}
