/**
 * `pvc vm move --wait` against bare `virsh migrate` of the same kind of guest, in turns on the same hosts, so that whatever
 * else the machine does meets both alike: time and blackout, and where the time of our hand-over goes.
 */
import { startBlackoutMeter } from '../lab/blackout.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { allowBare, bareName, loadNow, moveBare, startBare } from './bare-virsh.ts'
import { percentile, type Report } from './figure.ts'
import { handOverSteps, handOvers } from './hand-over.ts'

const rounds = 12
const uuid = 'aaaaaaaa-0000-4000-8000-0000000000c1'
const places = ['hv1', 'hv2'] as const

type Sample = { readonly totalMs: number; readonly blackoutMs: number }

/** One move as a whole, with a heartbeat of the guest before and after it. */
async function measure(lab: Lab, vm: string, [from, to]: readonly string[], move: () => Promise<unknown>) {
  const before = await lab.waitForHeartbeat(vm, { host: from ?? '', wanted: (each) => each.ip !== undefined })
  const meter = startBlackoutMeter(lab, before.ip ?? '')
  const startMs = performance.now()
  await move()
  const totalMs = performance.now() - startMs
  await lab.waitForHeartbeat(vm, { host: to ?? '', after: before })
  return { totalMs, blackoutMs: await meter.end() }
}

async function startGuests(lab: Lab): Promise<void> {
  await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', 'copies=1,mincopies=1'])
  await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', 'ours', '16M'])
  const xml = await lab.guestXml({ name: 'ours', uuid, volume: 'vms/ours' })
  await lab.pvc(['-q', 'vm', 'define', '-t', places[0], lab.sharedFile('ours.xml', xml)])
  await lab.pvc(['-q', 'vm', 'start', 'ours'])
  await allowBare(lab)
  await startBare(lab, 0, places[0])
}

/** Reports medians of both, their ratio, how much longer the guest is silent, and the steps of our hand-over. */
export async function run(report: Report): Promise<void> {
  const lab = await startLab({ name: 'bench-migrate', say: (line) => console.log(line) })
  try {
    await startGuests(lab)
    const samples: { readonly pvc: Sample[]; readonly virsh: Sample[] } = { pvc: [], virsh: [] }
    // The first round warms up, and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      const way = round % 2 === 0 ? places : ([places[1], places[0]] as const)
      const ours = await measure(lab, 'ours', way, () => lab.pvc(['-q', 'vm', 'move', 'ours', '-t', way[1], '-w']))
      const bare = await measure(lab, bareName(0), way, () => moveBare(lab, 0, way[0], way[1]))
      console.log(
        `load ${loadNow()}, blackout pvc ${Math.round(ours.blackoutMs)}, virsh ${Math.round(bare.blackoutMs)} ms`,
      )
      if (round === 0) continue
      samples.pvc.push(ours)
      samples.virsh.push(bare)
    }
    const params = { guests: 'real', memory_mib: 96, load: loadNow() }
    const say = (metric: string, value: number, unit: string, n = rounds) => report({ metric, value, unit, params, n })
    const median = (of: readonly Sample[], what: keyof Sample) =>
      percentile(
        of.map((each) => each[what]),
        50,
      )
    const [total, bareTotal] = [median(samples.pvc, 'totalMs'), median(samples.virsh, 'totalMs')]
    const [silent, bareSilent] = [median(samples.pvc, 'blackoutMs'), median(samples.virsh, 'blackoutMs')]
    say('pvc_total_ms_p50', total, 'ms')
    say('virsh_total_ms_p50', bareTotal, 'ms')
    say('ratio', total / bareTotal, '1')
    say('pvc_blackout_ms_p50', silent, 'ms')
    say('virsh_blackout_ms_p50', bareSilent, 'ms')
    say('blackout_delta_ms', silent - bareSilent, 'ms')
    const steps = handOvers(lab, uuid)
    for (const step of handOverSteps) {
      const times = steps.map((each) => each[step])
      say(`hand_over_${step}_ms_p50`, percentile(times, 50), 'ms', times.length)
    }
  } finally {
    await lab.down()
  }
}
