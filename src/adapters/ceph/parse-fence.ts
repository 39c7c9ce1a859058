import { z } from 'zod'
import { PvcError } from '../../model/errors.ts'
import type { BlocklistEntry, OsdState } from '../../ports/storage-fence.ts'
import { readJson, splitJsonDocuments } from './parse.ts'

/** Readers of what `ceph` prints about its blocklist and OSD map; see parse.ts for the rules. */

const Blocklist = z.array(z.object({ addr: z.string().optional(), range: z.string().optional(), until: z.string() }))
const Addresses = z.object({ addrvec: z.array(z.object({ addr: z.string() })) })
const OsdDump = z.object({
  epoch: z.number().int(),
  osds: z.array(z.object({ osd: z.number().int(), up: z.number(), public_addrs: Addresses, cluster_addrs: Addresses })),
  /** Client address, or range, to the text of its expiry. */
  blocklist: z.record(z.string(), z.string()),
  range_blocklist: z.record(z.string(), z.string()).default({}),
})
const OsdStatus = z.object({ whoami: z.number().int(), newest_map: z.number().int() })

/** The OSD map as far as fencing needs it: one consistent reading of OSDs and blocklist. */
export type OsdMap = {
  readonly epoch: number
  readonly osds: readonly OsdState[]
  readonly blocklist: readonly BlocklistEntry[]
}

/** `ceph osd blocklist ls -f json`, which prints two JSON documents: addresses, then ranges. */
export function parseBlocklist(text: string): readonly BlocklistEntry[] {
  const documents = splitJsonDocuments(text)
  if (documents.length === 0) throw new PvcError('PVC_CEPH_FAILED', 'output of ceph osd blocklist ls is empty')
  return documents
    .flatMap((document) => readJson('ceph osd blocklist ls', Blocklist, document))
    .map(({ addr, range, until }) => ({ address: addr ?? range ?? '', untilMs: parseTime(until) }))
}

/** `ceph osd dump -f json`. */
export function parseOsdDump(text: string): OsdMap {
  const { epoch, osds, blocklist, range_blocklist } = readJson('ceph osd dump', OsdDump, text)
  return {
    epoch,
    osds: osds.map(({ osd, up, public_addrs, cluster_addrs }) => {
      const addresses = [...public_addrs.addrvec, ...cluster_addrs.addrvec].flatMap(({ addr }) => hostOf(addr) ?? [])
      return { id: osd, isUp: up === 1, addresses: [...new Set(addresses)] }
    }),
    blocklist: Object.entries({ ...blocklist, ...range_blocklist }).map(([address, until]) => ({
      // A range is spelled `cidr:10.9.8.0:0/24` here, and without the prefix in `blocklist ls`.
      address: address.replace(/^cidr:/, ''),
      untilMs: parseTime(until),
    })),
  }
}

/** `ceph tell osd.N status -f json`: the newest map this OSD works with. */
export function parseOsdStatus(text: string): { readonly id: number; readonly epoch: number } {
  const { whoami, newest_map } = readJson('ceph tell osd status', OsdStatus, text)
  return { id: whoami, epoch: newest_map }
}

/** `10.90.1.11:6800` or `[fd00::1]:6800`; an OSD that never ran has none. */
function hostOf(text: string): string | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):\d+$/.exec(text)
  return match?.[1] ?? match?.[2]
}

/** `2026-11-21T04:37:25.136308+0000`. */
function parseTime(text: string): number {
  const ms = Date.parse(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'))
  if (Number.isNaN(ms)) throw new PvcError('PVC_CEPH_FAILED', `Ceph's time ${text} cannot be understood`)
  return ms
}
