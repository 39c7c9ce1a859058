/** What stories and benches see and ask of the primary, from the machine room. */
import { startBlackoutMeter } from './blackout.ts'
import type { Lab } from './lab.ts'
import { coordinators, type FloatingNetwork, floatingAddress, hostName } from './plan.ts'
import { pollUntil } from './poll.ts'

const floatingNetworks: readonly FloatingNetwork[] = ['cluster', 'storage', 'upstream']

/** Who the API at a floating address says is primary; undefined: nobody, or it does not answer. */
export async function primaryAtFloating(lab: Lab): Promise<string | undefined> {
  const url = `http://${floatingAddress('cluster')}:7370/api/v1/status/primary_node`
  const { stdout } = await lab.sh(['curl', '-s', '-m', '1', url], { allowFailure: true, timeoutMs: 3000 })
  return /"primary_node": ?"([^"]+)"/.exec(stdout)?.[1]
}

/** Names of the coordinators of a lab. */
export function coordinatorNames(lab: Lab): readonly string[] {
  return coordinators(lab.hosts.length).map(hostName)
}

/** Waits until there is a primary that answers at its floating address, and every coordinator works. */
export async function settledPrimary(lab: Lab): Promise<string> {
  return pollUntil({ what: 'a primary, and every coordinator in service', timeoutMs: 60_000 }, async () => {
    const primary = await primaryAtFloating(lab)
    if (primary === undefined) return undefined
    const { stdout } = await lab.host(primary).sh(['pvc', '-q', 'node', 'list', '-f', 'json'], { timeoutMs: 10_000 })
    const nodes: { name: string; daemon_state: string; coordinator_state: string }[] = JSON.parse(stdout)
    const able = nodes.filter(
      (node) => node.daemon_state === 'run' && /^(primary|secondary)$/.test(node.coordinator_state),
    )
    return coordinatorNames(lab).every((name) => able.some((node) => node.name === name)) && primary
  })
}

/** Floating addresses that a host has now. */
export async function floatingAt(lab: Lab, host: string): Promise<readonly string[]> {
  const { stdout } = await lab.host(host).sh(['ip', '-br', 'address'], { timeoutMs: 5000 })
  return floatingNetworks.map(floatingAddress).filter((address) => stdout.includes(` ${address}/`))
}

export type Handover = { readonly silenceMs: number; readonly tookMs: number }

/** Makes a coordinator primary on order, and measures: silence of the worst of the three floating addresses, and all in all. */
export async function measureHandover(lab: Lab, from: string, to: string): Promise<Handover> {
  const meters = floatingNetworks.map((network) => startBlackoutMeter(lab, floatingAddress(network)))
  const startMs = performance.now()
  // On a host that stays as it is, at its own address: no connection of the command breaks.
  const third = coordinatorNames(lab).find((name) => name !== from && name !== to) ?? to
  await lab.host(third).sh(['pvc', '-q', 'node', 'primary', to, '-w'], { timeoutMs: 30_000 })
  const tookMs = performance.now() - startMs
  const silences = await Promise.all(meters.map((meter) => meter.end()))
  return { silenceMs: Math.max(...silences), tookMs }
}

/** Makes a coordinator primary if it is not. */
export async function makePrimary(lab: Lab, name: string): Promise<void> {
  const from = await settledPrimary(lab)
  if (from !== name) await lab.host(name).sh(['pvc', '-q', 'node', 'primary', name, '-w'], { timeoutMs: 30_000 })
}

/** Cuts the power of the primary. @returns ms until the API answers again at the floating address, from another node */
export async function measureCrash(
  lab: Lab,
  primary: string,
): Promise<{ readonly apiMs: number; readonly next: string }> {
  const startMs = performance.now()
  await lab.host(primary).power('off')
  const next = await pollUntil(
    { what: 'the API at the floating address', timeoutMs: 30_000, intervalMs: 20 },
    async () => {
      const name = await primaryAtFloating(lab)
      return name !== primary && name
    },
  )
  return { apiMs: performance.now() - startMs, next }
}
