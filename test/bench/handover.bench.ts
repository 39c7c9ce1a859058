/**
 * How long the floating addresses are silent in a planned handover, how long it takes, and when the API answers again after
 * the primary's power cut. HANDOVER_N: rounds of each (default 20); HANDOVER_CRASHES: rounds of the power cuts, 0 leaves them out.
 * The figures are meant for a machine that does nothing else.
 */
import { type Lab, startLab } from '../lab/lab.ts'
import { coordinatorNames, makePrimary, measureCrash, measureHandover, settledPrimary } from '../lab/primary.ts'
import { zooKeeperLeader } from '../lab/zookeeper-leader.ts'
import { percentile, type Report } from './figure.ts'

const rounds = Number(process.env['HANDOVER_N'] ?? 20)
const crashRounds = Number(process.env['HANDOVER_CRASHES'] ?? rounds)

async function planned(lab: Lab, report: Report): Promise<void> {
  const silences: number[] = []
  const times: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const from = await settledPrimary(lab)
    const names = coordinatorNames(lab)
    const { silenceMs, tookMs } = await measureHandover(
      lab,
      from,
      names[(names.indexOf(from) + 1) % names.length] ?? from,
    )
    silences.push(silenceMs)
    times.push(tookMs / 1000)
  }
  for (const p of [50, 99]) {
    report({ metric: 'planned_silence_ms', value: percentile(silences, p), unit: 'ms', params: { p }, n: rounds })
    report({ metric: 'planned_s', value: percentile(times, p), unit: 's', params: { p }, n: rounds })
  }
}

async function crashes(lab: Lab, withLeader: boolean, report: Report): Promise<void> {
  if (crashRounds === 0) return
  const times: number[] = []
  for (let round = 0; round < crashRounds; round += 1) {
    await settledPrimary(lab)
    const leader = await zooKeeperLeader(lab)
    const victim = withLeader ? leader : (coordinatorNames(lab).find((name) => name !== leader) ?? leader)
    await makePrimary(lab, victim)
    await settledPrimary(lab)
    times.push((await measureCrash(lab, victim)).apiMs / 1000)
    await lab.host(victim).power('on')
  }
  for (const p of [50, 99]) {
    const params = { leader: withLeader, p }
    report({ metric: 'crash_api_s', value: percentile(times, p), unit: 's', params, n: crashRounds })
  }
}

/** Reports medians and 99th percentiles. */
export async function run(report: Report): Promise<void> {
  const lab = await startLab({ name: 'bench-handover', say: (line) => console.log(line) })
  try {
    await planned(lab, report)
    await crashes(lab, false, report)
    await crashes(lab, true, report)
  } finally {
    await lab.down()
  }
}
