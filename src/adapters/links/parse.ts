import { z } from 'zod'
import { PvcError } from '../../model/errors.ts'
import type { Link } from '../../model/link.ts'
import type { LinkFailure } from '../../ports/links.ts'

const InfoData = z.object({
  id: z.number().optional(),
  local: z.string().optional(),
  local6: z.string().optional(),
  link: z.string().optional(),
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
    tag:
      isTagged && data?.id !== undefined
        ? { id: data.id, device: data.link ?? link.link, local: data.local ?? data.local6 }
        : undefined,
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
