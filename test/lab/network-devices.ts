/** What stories see of networks of guests: devices, who is joined, what is left. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'
import { pollUntil } from './poll.ts'

/** Names of the devices of networks that a host has. */
export async function devicesOf(host: Host): Promise<readonly string[]> {
  const { stdout } = await host.sh(['ls', '/sys/class/net'], { timeoutMs: 5000 })
  return stdout.split('\n').filter((name) => /^(vmbr|vxlan|vlan)\d+$/.test(name))
}

/** Nodes to which a host floods frames, by managed network: those that FRR has told it of. */
async function floodedTo(host: Host): Promise<ReadonlyMap<number, number>> {
  const { stdout } = await host.sh(['bridge', 'fdb', 'show'], { timeoutMs: 10_000 })
  const counts = new Map<number, number>()
  for (const [, vni] of stdout.matchAll(/^00:00:00:00:00:00 dev vxlan(\d+) dst /gm))
    counts.set(Number(vni), (counts.get(Number(vni)) ?? 0) + 1)
  return counts
}

/** Waits until managed networks are on all nodes and joined. @returns how long that took, in ms */
export async function untilJoined(lab: Lab, vnis: readonly number[], timeoutMs = 30_000): Promise<number> {
  const startMs = performance.now()
  await Promise.all(
    lab.hosts.map((host) =>
      pollUntil({ what: `networks ${vnis} joined on ${host.name}`, timeoutMs, intervalMs: 100 }, async () => {
        const counts = await floodedTo(host)
        return vnis.every((vni) => counts.get(vni) === lab.hosts.length - 1)
      }),
    ),
  )
  return performance.now() - startMs
}

/** Waits until every node has a BGP session with every other: all are coordinators. */
export async function untilSessions(lab: Lab): Promise<void> {
  await Promise.all(
    lab.hosts.map((host) =>
      pollUntil({ what: `BGP sessions of ${host.name}`, timeoutMs: 60_000, intervalMs: 200 }, async () => {
        const argv = ['vtysh', '-d', 'bgpd', '-c', 'show bgp l2vpn evpn summary json']
        const { stdout } = await host.sh(argv, { timeoutMs: 5000, allowFailure: true })
        return stdout.split('"state":"Established"').length === lab.hosts.length
      }),
    ),
  )
}

/** Waits until no host has a device of these networks any more. */
export async function untilGone(lab: Lab, vnis: readonly number[], timeoutMs = 60_000): Promise<void> {
  const names = new Set(vnis.flatMap((vni) => [`vmbr${vni}`, `vxlan${vni}`, `vlan${vni}`]))
  await pollUntil({ what: 'all networks gone from all nodes', timeoutMs }, async () => {
    const devices = (await Promise.all(lab.hosts.map(devicesOf))).flat()
    return devices.every((name) => !names.has(name))
  })
}

/** Devices of a host as far as PVC keeps them. */
export async function stateOf(host: Host): Promise<string> {
  const { stdout } = await host.sh(['ip', '-json', '-details', 'link', 'show'], { timeoutMs: 5000 })
  const links: { ifname: string; mtu: number; master?: string; flags: string[]; ifalias?: string }[] =
    JSON.parse(stdout)
  return links
    .filter(({ ifname }) => /^(vmbr|vxlan|vlan|vnet)\d+$/.test(ifname))
    .map(({ ifname, mtu, master, flags, ifalias }) => [ifname, mtu, master, flags.includes('UP'), ifalias].join())
    .sort()
    .join('\n')
}

/** Requests to the API in one process, four at a time: a command line for each would be measured instead. @returns ms */
async function callApi(
  lab: Lab,
  calls: readonly { readonly method: string; readonly path: string; readonly form?: Record<string, string> }[],
): Promise<number> {
  const stored = JSON.parse(readFileSync(join(lab.dir, 'client/pvc.json'), 'utf8'))
  const { host, port, api_key: key } = stored.lab
  const base = `http://${String(host).split(',')[0]}:${port}/api/v1`
  const script = `
const calls = ${JSON.stringify(calls)}
const one = async ({ method, path, form }) => {
  const body = form === undefined ? undefined : new URLSearchParams(form)
  const response = await fetch('${base}' + path, { method, headers: { 'x-api-key': process.env.KEY }, body })
  if (!response.ok) throw new Error(response.status + ' ' + await response.text())
}
const start = performance.now()
while (calls.length > 0) await Promise.all(calls.splice(0, 4).map(one))
console.log(performance.now() - start)`
  const { stdout } = await lab.sh([process.execPath, '-e', script], {
    timeoutMs: 60_000 + calls.length * 3000,
    env: { KEY: key },
  })
  return Number(stdout)
}

/** Adds or removes networks of numbers above 900. @returns ms */
export function requests(lab: Lab, method: 'POST' | 'DELETE', vnis: readonly number[]): Promise<number> {
  const formOf = (vni: number) => ({
    vni: String(vni),
    description: `n${vni}`,
    nettype: 'managed',
    domain: `n${vni}.example.org`,
    ip4_network: `10.101.${vni - 900}.0/24`,
    mtu: '',
  })
  const calls = vnis.map((vni) =>
    method === 'POST' ? { method, path: '/network', form: formOf(vni) } : { method, path: `/network/${vni}` },
  )
  return callApi(lab, calls)
}

/** Gives guests of a network fixed addresses. */
export async function addReservations(
  lab: Lab,
  vni: string,
  all: readonly { readonly name: string; readonly address: string; readonly mac: string }[],
): Promise<void> {
  const path = `/network/${vni}/lease`
  const formOf = ({ name, address, mac }: (typeof all)[number]) => ({
    macaddress: mac,
    ipaddress: address,
    hostname: name,
  })
  await callApi(
    lab,
    all.map((each) => ({ method: 'POST', path, form: formOf(each) })),
  )
}

/** Links and processes of a host, as text. */
export async function leftovers(host: Host): Promise<string> {
  const script =
    'ls /sys/class/net | sort | tr "\\n" " "; ps -eo args | grep -cE "zebra|bgpd|vlanmux|ip -oneline monitor"'
  return (await host.sh(['bash', '-c', script], { timeoutMs: 5000 })).stdout.trim()
}
