/** Real cloud-init, unpacked from its Debian package into the cache: what it would do to a machine is never installed. */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { unpack } from './guest.ts'
import type { Host } from './host.ts'
import { cacheDir, labSourceDir } from './plan.ts'

/** With the Python that it needs and nothing else here does. */
const packages = [
  ...['cloud-init', 'python3-configobj', 'python3-oauthlib', 'python3-jinja2', 'python3-markupsafe'],
  ...['python3-jsonpatch', 'python3-json-pointer', 'python3-jsonschema', 'python3-attr', 'python3-pyrsistent'],
]
const folder = join(cacheDir, 'cloud-init')

/** Unpacks it unless the cache has it. @returns the folder of its Python modules */
export async function unpackCloudInit(): Promise<string> {
  const modules = (root: string): string => join(root, 'usr/lib/python3/dist-packages')
  if (existsSync(folder)) return modules(folder)
  const work = mkdtempSync(`${folder}-`)
  try {
    for (const name of packages) await unpack(name, work)
    // Whole or not at all, also when two labs do it at once.
    if (existsSync(folder)) rmSync(work, { recursive: true })
    else renameSync(work, folder)
  } catch (error) {
    rmSync(work, { recursive: true, force: true })
    throw error
  }
  return modules(folder)
}

/** What a data source of cloud-init says of the machine. */
type Told = { readonly instanceId: string; readonly hostname: string; readonly userData: string }

/** What cloud-init made of the metadata service; networks as netplan gets them. */
export type CloudInitView = {
  readonly version: string
  readonly nocloud: Told
  readonly ec2: Told
  readonly userData: unknown
  readonly network: Readonly<Record<string, unknown>>
  readonly ec2Network: Readonly<Record<string, unknown>>
}

/**
 * Runs cloud-init's own data sources in a network namespace of a host that has a card on `bridge`, with this MAC and an
 * address by DHCP: to the network it is the guest.
 */
export async function askAsCloudInit(host: Host, card: { bridge: string; mac: string }): Promise<CloudInitView> {
  const script = `
set -e
ip netns add cloud-init
trap 'ip netns del cloud-init' EXIT
ip link add ci-out type veth peer name eth0 address ${card.mac} netns cloud-init
ip link set ci-out master ${card.bridge} up
inside() { ip netns exec cloud-init "$@"; }
inside ip link set lo up
inside ip link set eth0 up
# The guest's script calls what busybox calls itself by.
mkdir -p /run/applets
busybox --install -s /run/applets
install -m 755 ${join(labSourceDir, 'guest/udhcpc.sh')} /run/applets/take-lease
inside env PATH="/run/applets:$PATH" udhcpc -i eth0 -s /run/applets/take-lease -f -q -n -t 10 -T 1 >&2
inside env PYTHONPATH=${await unpackCloudInit()} python3 ${join(labSourceDir, 'guest/cloud-init-check.py')} 169.254.169.254 eth0`
  const { stdout } = await host.sh(['bash', '-c', script], { timeoutMs: 60_000 })
  return JSON.parse(stdout)
}
