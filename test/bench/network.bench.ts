/**
 * What networks cost: the time until one, and fifty, are usable on all nodes; what a guest loses in a planned handover; answers of the
 * name server a second; and what a look at two hundred networks takes when nothing has changed.
 */
import type { Host } from '../lab/host.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { requests, untilGone, untilJoined, untilSessions } from '../lab/network-devices.ts'
import { pollUntil } from '../lab/poll.ts'
import { addShop } from '../lab/services-ground.ts'
import { percentile, type Report } from './figure.ts'
import { reportAnswers } from './network-dns.ts'
import { reportLoss } from './network-handover.ts'

const rounds = 5
const many = 50
const kept = 200
const idleS = 60
/** A node looks at all devices and rules once in this time, and at FRR three times. */
const lookS = 30

/** 200 networks take minutes on a busy machine. */
export const limitMs = 30 * 60_000

const vnis = (count: number): number[] => Array.from({ length: count }, (_, index) => 901 + index)

/** From the first request until every node sends frames of every network to every other. */
async function addedMs(lab: Lab, count: number, timeoutMs = 120_000): Promise<number> {
  const startMs = performance.now()
  await requests(lab, 'POST', vnis(count))
  await untilJoined(lab, vnis(count), timeoutMs)
  return performance.now() - startMs
}

async function remove(lab: Lab, count: number): Promise<void> {
  await requests(lab, 'DELETE', vnis(count))
  await untilGone(lab, vnis(count), 120_000)
}

/** CPU time of pvcnoded and of all its children that have ended, in ms. */
async function cpuMs(host: Host): Promise<number> {
  const service = (await host.services()).find(({ name }) => name === 'pvcnoded')
  const { stdout } = await host.sh(['cat', `/proc/${service?.pid}/stat`], { timeoutMs: 5000 })
  // utime, stime, cutime, cstime: fields 14 to 17, counted behind the name, which may hold blanks; 100 a second.
  const fields = stdout.slice(stdout.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
}

/** CPU time of one node's pvcnoded for one look, while nothing changes. */
async function idleCpuMs(host: Host): Promise<number> {
  const before = await cpuMs(host)
  const endMs = performance.now() + idleS * 1000
  const window = { what: 'the end of the measurement', timeoutMs: idleS * 2000, intervalMs: 1000 }
  await pollUntil(window, async () => performance.now() >= endMs)
  return ((await cpuMs(host)) - before) * (lookS / idleS)
}

/** Reports the times, what a handover loses, answers a second, and the CPU that 200 networks cost above none. */
export async function run(report: Report): Promise<void> {
  const lab = await startLab({ name: 'bench-network', say: (line) => console.log(line) })
  try {
    await untilSessions(lab)
    const single: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      single.push(await addedMs(lab, 1))
      await remove(lab, 1)
    }
    report({ metric: 'add_ms', value: percentile(single, 50), unit: 'ms', params: { networks: 1 }, n: rounds })
    const all = await addedMs(lab, many)
    report({ metric: 'add_ms', value: all, unit: 'ms', params: { networks: many }, n: 1 })
    report({ metric: 'add_ms_each', value: all / many, unit: 'ms', params: { networks: many }, n: many })
    await remove(lab, many)
    await addShop(lab)
    await reportLoss(lab, report)
    await reportAnswers(lab, report)
    const host = lab.host('hv3')
    const bare = await idleCpuMs(host)
    await addedMs(lab, kept, 600_000)
    const value = (await idleCpuMs(host)) - bare
    report({ metric: 'reconcile_cpu_ms', value, unit: 'ms', params: { networks: kept, look_s: lookS }, n: 1 })
  } finally {
    await lab.down()
  }
}
