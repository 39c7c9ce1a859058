/**
 * How long it takes from a server's death until its four VMs run elsewhere, with Ceph in the servers. FAILOVER_N: rounds of
 * each case (default 20); FAILOVER_CASE: only this one. FAILOVER_VMS: so many VMs instead, each a boot sector that writes one
 * block and halts, so that fifty fit on a small machine; then the figures are about all of them: see failover-many.ts. Every
 * round is told as it comes, with its parts, so that a run that is broken off has said something. The figures are meant for a
 * machine that does nothing else.
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
import { settleSectorGuests } from '../lab/sector-guest.ts'
import { leadAt, leadElsewhere } from '../lab/zookeeper-leader.ts'
import { bringManyBack, dieWithMany } from './failover-many.ts'
import { percentile, type Report } from './figure.ts'

const rounds = Number(process.env['FAILOVER_N'] ?? 20)
/** power: a server that is neither primary nor carries ZooKeeper's leader. primary: one that is and does. */
const cases = ['power', 'primary', 'bmc-dead'] as const
type Case = (typeof cases)[number]

const victim = 'hv3'
const many = process.env['FAILOVER_VMS']
const guests = makeGuests('dear', '0a', guestCount(many ?? '4'))

/** A round takes a minute, with the way back, on a machine that does nothing else; with many VMs as long as its waits allow. */
const ROUND_MINUTES = many === undefined ? 3 : 25
export const limitMs = (10 + ROUND_MINUTES * rounds * cases.length) * 60_000

function guestCount(text: string): number {
  if (!/^[1-9][0-9]?$/.test(text)) throw new Error(`FAILOVER_VMS is "${text}": give a number from 1 to 99`)
  return Number(text)
}

const METRICS = {
  suspect_s: 'suspectMs',
  proven_s: 'provenMs',
  first_start_s: 'firstStartMs',
  last_start_s: 'lastStartMs',
  first_write_s: 'firstWriteMs',
} as const satisfies Record<string, keyof Failover>

/** One round. */
type Round = { readonly seconds: Readonly<Record<string, number>>; readonly words: string }

async function prepare(lab: Lab, kind: Case): Promise<void> {
  await settledPrimary(lab)
  await (kind === 'primary' ? leadAt(lab, victim) : leadElsewhere(lab, victim))
  await makePrimary(lab, kind === 'primary' ? victim : 'hv1')
  await settledPrimary(lab)
  await lab.host(victim).bmc({ dead: kind === 'bmc-dead' })
}

async function die(lab: Lab, kind: Case): Promise<Round> {
  await prepare(lab, kind)
  if (many !== undefined) return dieWithMany(lab, guests, victim)
  const cut = takeCut(lab, guests)
  await lab.host(victim).power('off')
  const failover = await untilRecovered(lab, guests, victim, cut)
  console.log(timeline(await fenceView(lab, victim)))
  const seconds = Object.entries(METRICS).map(([metric, field]) => [metric, failover[field] / 1000])
  return { seconds: Object.fromEntries(seconds), words: told(failover) }
}

async function comeBack(lab: Lab, isLast: boolean): Promise<void> {
  await lab.host(victim).bmc({ dead: false })
  if (many === undefined) await bringBack(lab, victim, guests)
  else if (!isLast) await bringManyBack(lab, guests, victim)
}

async function measure(lab: Lab, kind: Case, isLast: boolean, report: Report): Promise<void> {
  const seen: Round[] = []
  const params = { case: kind, ...(many === undefined ? {} : { vms: guests.length }) }
  for (let number = 1; number <= rounds; number += 1) {
    const round = await die(lab, kind)
    seen.push(round)
    console.log(`${kind} ${number}: ${round.words}`)
    for (const [metric, value] of Object.entries(round.seconds))
      report({ metric, value, unit: 's', params: { ...params, round: number }, n: 1 })
    await comeBack(lab, isLast && number === rounds)
  }
  for (const metric of Object.keys(seen[0]?.seconds ?? {})) {
    const values = seen.map(({ seconds }) => seconds[metric] ?? Number.NaN)
    for (const p of [50, 99])
      report({ metric: `${metric}_p${p}`, value: percentile(values, p), unit: 's', params, n: rounds })
  }
}

/** Reports each round, and medians and 99th percentiles of each case. */
export async function run(report: Report): Promise<void> {
  const lab = await startLab({ name: 'bench-failover', layout: 'hyperconverged', say: (line) => console.log(line) })
  const only = process.env['FAILOVER_CASE']
  const wanted = cases.filter((kind) => only === undefined || only === kind)
  try {
    if (many === undefined) await settleGuests(lab, guests, victim)
    else await settleSectorGuests(lab, guests, victim)
    for (const kind of wanted) await measure(lab, kind, kind === wanted.at(-1), report)
  } finally {
    await lab.down()
  }
}
