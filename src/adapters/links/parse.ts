import { z } from 'zod'
import { PvcError } from '../../model/errors.ts'
import type { Link, LinkVf } from '../../model/link.ts'
import type { LinkFailure } from '../../ports/links.ts'

const InfoData = z.object({
  id: z.number().optional(),
  local: z.string().optional(),
  local6: z.string().optional(),
  link: z.string().optional(),
})

/** As print_vfinfo of iproute2 6.1 writes it; numbers that are 0 are left out. */
const VfInfo = z.object({
  vf: z.number(),
  address: z.string().optional(),
  vlan_list: z.array(z.object({ vlan: z.number().optional(), qos: z.number().optional() })).optional(),
  vlan: z.number().optional(),
  qos: z.number().optional(),
  tx_rate: z.number().optional(),
  rate: z.object({ max_tx: z.number(), min_tx: z.number() }).optional(),
  spoofchk: z.boolean().optional(),
  link_state: z.enum(['auto', 'enable', 'disable']).optional(),
  trust: z.boolean().optional(),
  query_rss_en: z.boolean().optional(),
})

const IpLink = z.object({
  ifindex: z.number(),
  ifname: z.string(),
  link: z.string().optional(),
  address: z.string().optional(),
  mtu: z.number(),
  flags: z.array(z.string()),
  master: z.string().optional(),
  ifalias: z.string().optional(),
  vfinfo_list: z.array(VfInfo).optional(),
  linkinfo: z
    .object({
      info_kind: z.string().optional(),
      info_data: InfoData.optional(),
      info_slave_data: z.object({ learning: z.boolean().optional() }).optional(),
    })
    .optional(),
})

/** Output of `ip -json -details link show`. @throws PVC_NETWORK_FAILED when it is none */
export function parseLinks(text: string): readonly Link[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new PvcError('PVC_NETWORK_FAILED', 'ip did not print a list of devices', { cause: error })
  }
  const links = z.array(IpLink).safeParse(parsed)
  if (!links.success)
    throw new PvcError('PVC_NETWORK_FAILED', 'ip printed a list of devices that is not understood', {
      cause: links.error,
    })
  return links.data.map(toLink)
}

function toLink(link: z.infer<typeof IpLink>): Link {
  const { info_kind: kind, info_data: data, info_slave_data: port } = link.linkinfo ?? {}
  const isTagged = kind === 'vxlan' || kind === 'vlan'
  return {
    name: link.ifname,
    index: link.ifindex,
    kind,
    mac: link.address ?? '',
    mtu: link.mtu,
    isUp: link.flags.includes('UP'),
    master: link.master,
    learning: port?.learning,
    alias: link.ifalias ?? '',
    vfs: link.vfinfo_list?.map(toVf),
    tag:
      isTagged && data?.id !== undefined
        ? { id: data.id, device: data.link ?? link.link, local: data.local ?? data.local6 }
        : undefined,
  }
}

function toVf({ vf: index, address = '', vlan_list: list, ...info }: z.infer<typeof VfInfo>): LinkVf {
  const { vlan = 0, qos = 0 } = list?.[0] ?? info
  const { rate, tx_rate: txRate = 0, spoofchk, link_state: linkState, trust, query_rss_en: queryRss } = info
  return {
    index,
    mac: address,
    config: {
      vlanId: vlan,
      vlanQos: qos,
      txRateMinMbit: rate?.min_tx ?? 0,
      txRateMaxMbit: rate?.max_tx ?? txRate,
      ...(linkState === undefined ? {} : { linkState }),
      ...(spoofchk === undefined ? {} : { spoofCheck: spoofchk }),
      ...(trust === undefined ? {} : { trust }),
      ...(queryRss === undefined ? {} : { queryRss }),
    },
  }
}

const END_OF_FAILURE = /^Command failed -:(\d+)$/

/** Whether a line of ip is the one after which it goes on with the next line of its batch. */
export function isEndOfFailure(line: string): boolean {
  return END_OF_FAILURE.test(line.trim())
}

/** Errors of `ip -force -batch -`: after each message stands the number of its line. */
export function parseBatchFailures(stderr: string, names: readonly string[]): readonly LinkFailure[] {
  const failures: LinkFailure[] = []
  let reason = ''
  for (const line of stderr.split('\n')) {
    const failed = END_OF_FAILURE.exec(line.trim())
    if (failed === null) {
      if (line.trim() !== '') reason = line.trim()
      continue
    }
    failures.push({ name: names[Number(failed[1]) - 1] ?? '', reason })
    reason = ''
  }
  return failures
}
