/** The packet filter of a guest network as a text for nftables: one table of its own, so that a bad rule disturbs no other. Pure. */
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

/**
 * The table, replaced as a whole and at once. `rules-in` sees what is routed into the network, `rules-out` what is routed out of
 * it; packets between two guests of the network are bridged and pass both, also where the kernel shows them here (br_netfilter). What is not dropped passes. Of the host itself
 * guests reach the services of their gateway only.
 */
export function aclTable({ vni }: Network, acls: NetworkAcls): string {
  const name = aclTableName(vni)
  const device = `"${bridgeName(vni)}"`
  return `add table inet ${name}
delete table inet ${name}
table inet ${name} {
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
  chain input {
    type filter hook input priority 0; policy accept;
    iifname != ${device} return
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    udp dport { ${SERVICES_UDP} } accept
    tcp dport { ${SERVICES_TCP} } accept
    counter drop
  }
}
`
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
