/**
 * How long it takes from a server's death until its four VMs run elsewhere, with Ceph in the servers. FAILOVER_N: rounds of
 * each case (default 20); FAILOVER_CASE: only this one. Every round is told as it comes, with its parts, so that a run that
 * is broken off has said something. The figures are meant for a machine that does nothing else.
 */
import {
  bringBack,
  type Failover,
  fenceView,
  makeGuests,
  settleGuests,
  takeCut,
  timeline,
  told,
  untilRecovered,
} from '../lab/failover.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { makePrimary, settledPrimary } from '../lab/primary.ts'
import { leadAt, leadElsewhere } from '../lab/zookeeper-leader.ts'
import { percentile, type Report } from './figure.ts'

const rounds = Number(process.env['FAILOVER_N'] ?? 20)
/** power: a server that is neither primary nor carries ZooKeeper's leader. primary: one that is and does. */
const cases = ['power', 'primary', 'bmc-dead'] as const
type Case = (typeof cases)[number]

/** A round takes a minute, with the way back, on a machine that does nothing else. */
export const limitMs = (10 + 3 * rounds * cases.length) * 60_000

const victim = 'hv3'
const guests = makeGuests('dear', '0a', 4)

const METRICS = {
  suspect_s: 'suspectMs',
  proven_s: 'provenMs',
  first_start_s: 'firstStartMs',
  last_start_s: 'lastStartMs',
  first_write_s: 'firstWriteMs',
} as const satisfies Record<string, keyof Failover>

async function prepare(lab: Lab, kind: Case): Promise<void> {
  await settledPrimary(lab)
  await (kind === 'primary' ? leadAt(lab, victim) : leadElsewhere(lab, victim))
  await makePrimary(lab, kind === 'primary' ? victim : 'hv1')
  await settledPrimary(lab)
  await lab.host(victim).bmc({ dead: kind === 'bmc-dead' })
}

async function die(lab: Lab, kind: Case): Promise<Failover> {
  await prepare(lab, kind)
  const cut = takeCut(lab, guests)
  await lab.host(victim).power('off')
  const failover = await untilRecovered(lab, guests, victim, cut)
  console.log(timeline(await fenceView(lab, victim)))
  await lab.host(victim).bmc({ dead: false })
  await bringBack(lab, victim, guests)
  return failover
}

async function measure(lab: Lab, kind: Case, report: Report): Promise<void> {
  const seen: Failover[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const failover = await die(lab, kind)
    seen.push(failover)
    console.log(`${kind} ${round}: ${told(failover)}`)
    for (const [metric, field] of Object.entries(METRICS))
      report({ metric, value: failover[field] / 1000, unit: 's', params: { case: kind, round }, n: 1 })
  }
  for (const [metric, field] of Object.entries(METRICS)) {
    const values = seen.map((each) => each[field] / 1000)
    for (const p of [50, 99])
      report({ metric: `${metric}_p${p}`, value: percentile(values, p), unit: 's', params: { case: kind }, n: rounds })
  }
}

/** Reports each round, and medians and 99th percentiles of each case. */
export async function run(report: Report): Promise<void> {
  const lab = await startLab({ name: 'bench-failover', layout: 'hyperconverged', say: (line) => console.log(line) })
  const wanted = process.env['FAILOVER_CASE']
  try {
    await settleGuests(lab, guests, victim)
    for (const kind of cases) if (wanted === undefined || wanted === kind) await measure(lab, kind, report)
  } finally {
    await lab.down()
  }
}
