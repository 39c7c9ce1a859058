/** What a guest is told about itself, by path: as EC2 has it, and as cloud-init's NoCloud reads it. Pure. */

/** What is known of the guest that asks. */
export type GuestFacts = {
  readonly uuid: string
  readonly name: string
  readonly profile: string
  readonly tags: readonly string[]
  /** Of the network the question came over. */
  readonly vni: number
  readonly domain: string
  readonly address: string
  readonly mac: string
  readonly userData: string | undefined
}

/** The versions under which the same answers are found; clients ask for the one they know. */
const VERSIONS = ['1.0', '2009-04-04', 'latest']

/** The answer; undefined: there is no such thing. */
export function metadataAnswer(path: string, guest: GuestFacts): string | undefined {
  const parts = (path.split('?')[0] ?? '').split('/').filter((part) => part !== '')
  const [first, second, ...rest] = parts
  if (first === undefined) return VERSIONS.join('\n')
  if (first === 'nocloud') return rest.length === 0 ? noCloud(second, guest) : undefined
  if (!VERSIONS.includes(first)) return undefined
  if (second === undefined) return guest.userData === undefined ? 'meta-data/' : 'meta-data/\nuser-data'
  if (second === 'user-data') return rest.length === 0 ? guest.userData : undefined
  return second === 'meta-data' ? walk(metaData(guest), rest) : undefined
}

/** Data that says nothing. */
const NOTHING = '#cloud-config\n{}\n'

type Tree = { readonly [name: string]: string | Tree }

/** Names of a folder, folders with a slash behind; the text of a leaf. */
function walk(tree: Tree, path: readonly string[]): string | undefined {
  const [name, ...rest] = path
  if (name === undefined)
    return Object.entries(tree)
      .map(([key, value]) => (typeof value === 'string' ? key : `${key}/`))
      .join('\n')
  const found = Object.hasOwn(tree, name) ? tree[name] : undefined
  if (typeof found === 'string') return rest.length === 0 ? found : undefined
  return found === undefined ? undefined : walk(found, rest)
}

function hostName({ name }: GuestFacts): string {
  return name.toLowerCase()
}

function metaData(guest: GuestFacts): Tree {
  const { uuid, name, profile, tags, vni, domain, address, mac } = guest
  const full = `${hostName(guest)}.${domain}`
  const own = { 'local-hostname': full, mac, [address.includes(':') ? 'ipv6s' : 'local-ipv4s']: address }
  return {
    'instance-id': uuid,
    name,
    hostname: full,
    'local-hostname': full,
    ...(address.includes(':') ? {} : { 'local-ipv4': address }),
    mac,
    profile,
    tags: { instance: Object.fromEntries(tags.map((tag) => [tag, ''])) },
    network: { vni: String(vni), interfaces: { macs: { [mac]: own } } },
  }
}

/** A seed of `ds=nocloud;s=http://169.254.169.254/nocloud/`. Text in quotes is YAML, whatever it holds. */
function noCloud(file: string | undefined, guest: GuestFacts): string | undefined {
  const quoted = (text: string) => JSON.stringify(text)
  switch (file) {
    case undefined:
      return 'meta-data\nuser-data\nvendor-data\nnetwork-config'
    case 'meta-data':
      return `instance-id: ${quoted(guest.uuid)}\nlocal-hostname: ${quoted(`${hostName(guest)}.${guest.domain}`)}\n`
    // Without these files cloud-init does not take the seed.
    case 'user-data':
      return guest.userData ?? NOTHING
    case 'vendor-data':
      return NOTHING
    case 'network-config':
      return [
        'version: 2',
        'ethernets:',
        '  guest0:',
        `    match: {macaddress: ${quoted(guest.mac)}}`,
        '    dhcp4: true',
        '    dhcp6: true',
        '',
      ].join('\n')
    default:
      return undefined
  }
}
