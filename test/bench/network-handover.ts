/** What a guest loses in planned handovers, to its gateway and to the outside. */
import { outsideAddress } from '../lab/guest-network-files.ts'
import { untilAgent } from '../lab/in-guest.ts'
import type { Lab } from '../lab/lab.ts'
import { pollUntil } from '../lab/poll.ts'
import { makePrimary } from '../lab/primary.ts'
import { GATEWAY, GATEWAY6, GUEST, HOME, lostPings } from '../lab/services-ground.ts'
import type { Report } from './figure.ts'

const ROUNDS = 5
const PINGS = 400
const TARGETS = { gateway: GATEWAY, gateway6: GATEWAY6, outside: outsideAddress } as const

/** Each round: the primary's work goes to hv2 and back to hv1 while the guest of `addShop` pings all targets, 50 ms apart. */
export async function reportLoss(lab: Lab, report: Report): Promise<void> {
  const host = lab.host(HOME)
  await untilAgent(host, GUEST.name)
  for (const target of Object.values(TARGETS)) {
    const answers = { what: `an answer of ${target}`, timeoutMs: 30_000 }
    await pollUntil(answers, async () => (await lostPings(lab, target, 3)) === 0)
  }
  const lost = new Map<string, number>()
  for (let round = 0; round < ROUNDS; round += 1) {
    const pings = Promise.all(Object.values(TARGETS).map((target) => lostPings(lab, target, PINGS)))
    // Read late: an error of the handover must not leave it unheard.
    pings.catch(() => undefined)
    await makePrimary(lab, 'hv2')
    await makePrimary(lab, 'hv1')
    const counts = await pings
    for (const [index, to] of Object.keys(TARGETS).entries()) lost.set(to, (lost.get(to) ?? 0) + (counts[index] ?? 0))
  }
  for (const [to, value] of lost) {
    const params = { to, of: ROUNDS * PINGS, every_ms: 50, handovers: ROUNDS * 2 }
    report({ metric: 'handover_lost', value, unit: 'pings', params, n: ROUNDS })
  }
}
