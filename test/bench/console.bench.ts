/**
 * What consoles cost and how quick they are: one node's console part in a process of its own, on a real three-server
 * ensemble and real files, beside the design of the Python system.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEnsemble } from '../lab/zookeeper.ts'
import { latencies } from './console-latency.ts'
import { type Design, LINES_PER_S, Rig } from './console-rig.ts'
import type { Report } from './figure.ts'

const MEASURED_S = 20

/** Bytes to the store per byte printed, and processor time and memory of the node's process. */
async function cost(design: Design, guests: number, servers: string, root: string, report: Report): Promise<void> {
  const rig = await Rig.start(design, guests, servers, root)
  try {
    // What was there before is written first.
    await rig.settled()
    await rig.print(5)
    const before = await rig.usage()
    const printed = await rig.print(MEASURED_S)
    const after = await rig.usage()
    const params = { design, guests, followed: 0, lines_per_s: LINES_PER_S }
    const figure = (metric: string, value: number, unit: string) => report({ metric, value, unit, params, n: 1 })
    figure('write_amplification', (after.bytes - before.bytes) / printed, '1')
    figure('cpu_ms_per_guest', (after.cpuMs - before.cpuMs) / guests / MEASURED_S, 'ms/s')
    figure('rss_mib', after.rssMiB, 'MiB')
  } finally {
    await rig.close()
  }
}

/** Reports costs for 1, 50 and 200 guests that print, and how long a line takes. */
export async function run(report: Report): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'pvc-console-'))
  const ensemble = await startEnsemble({ dir: root, servers: 3 })
  try {
    await latencies(ensemble.connectString, root, report)
    for (const guests of [1, 50, 200]) await cost('streams', guests, ensemble.connectString, root, report)
    for (const guests of [1, 50]) await cost('reference', guests, ensemble.connectString, root, report)
  } finally {
    await ensemble.stop()
    rmSync(root, { recursive: true, force: true })
  }
}
