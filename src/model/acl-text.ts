/** The packet filter of guest networks as texts for nftables: rules of each in a table of its own, so that a bad one disturbs no other. Pure. */
import { type AclRule, bridgeName, type Network, type NetworkAcls } from './network.ts'

const TABLE = /^pvc-net(\d+)$/

/** Name of a network's table in the family inet. */
export function aclTableName(vni: number): string {
  return `pvc-net${vni}`
}

/** Network whose table this is; undefined: it is none of ours. */
export function aclTableVni(name: string): number | undefined {
  const vni = TABLE.exec(name)?.[1]
  return vni === undefined ? undefined : Number(vni)
}

/** What a guest may always say to its gateway: DNS, DHCP of both families, NTP; metadata and DNS by TCP. */
const SERVICES_UDP = '53, 67, 123, 547'
const SERVICES_TCP = '53, 80'

/** Whether a network needs a table of its own. Each costs every packet that this node routes a look at two devices. */
export function hasRules({ in: into, out }: NetworkAcls): boolean {
  return into.length + out.length > 0
}

/**
 * The table of a network, replaced as a whole and at once. `rules-in` sees what is routed into the network, `rules-out` what is
 * routed out of it; packets between two guests of the network are bridged and pass both, also where the kernel shows them here
 * (br_netfilter). What is not dropped passes.
 */
export function aclTable({ vni }: Network, acls: NetworkAcls): string {
  const name = aclTableName(vni)
  const device = `"${bridgeName(vni)}"`
  return `${withoutTable('inet', name)}table inet ${name} {
  chain rules-in {
${lines(acls.in)}  }
  chain rules-out {
${lines(acls.out)}  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname ${device} oifname ${device} accept
    oifname ${device} jump rules-in
    iifname ${device} jump rules-out
  }
}
`
}

/** Table of the family inet that closes the host to guests. */
export const HOST_TABLE = 'pvc-host'

/**
 * Of the host itself guests reach the services of their gateway only. One table for all networks, because every packet for the
 * host passes it, those of its storage as well: the set of bridges is looked up once, however many there are. No rule of an
 * operator is in it.
 */
export function hostTable(vnis: readonly number[]): string {
  const devices = vnis.map((vni) => `"${bridgeName(vni)}"`).join(', ')
  return `${withoutTable('inet', HOST_TABLE)}table inet ${HOST_TABLE} {
  chain guests {
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    udp dport { ${SERVICES_UDP} } accept
    tcp dport { ${SERVICES_TCP} } accept
    counter drop
  }
  chain input {
    type filter hook input priority 0; policy accept;
    iifname { ${devices} } goto guests
  }
}
`
}

/** Statements after which there is no such table, whether there was one or not. */
export function withoutTable(family: string, name: string): string {
  return `add table ${family} ${name}\ndelete table ${family} ${name}\n`
}

function lines(rules: readonly AclRule[]): string {
  return rules.map(({ rule }) => `    counter ${rule}\n`).join('')
}

/** Why a rule cannot be one, before nftables is asked: it would end its line or its chain. */
export function ruleProblem(rule: string): string | undefined {
  if (/[\n\r;\\#]/.test(rule)) return 'must be one line without semicolon, backslash or number sign'
  let depth = 0
  for (const character of rule) {
    if (character === '{') depth += 1
    else if (character === '}') depth -= 1
    if (depth < 0) break
  }
  return depth === 0 ? undefined : 'has braces that do not belong together'
}
