import { z } from 'zod'
import { child, parseXml } from './xml.ts'

/** The processor a running guest has: a node it is copied to must offer the same. */
export const GuestCpu = z.object({
  arch: z.string(),
  /** The `<cpu>` element of the running domain, in which libvirt has written out model and features. */
  xml: z.string(),
})
export type GuestCpu = z.infer<typeof GuestCpu>

/**
 * Reads the processor of a guest from its live definition.
 * @returns undefined when there is nothing to compare: an emulated one is the same everywhere, and one passed through is
 * known by the model of its host
 */
export function guestCpu(liveXml: string): GuestCpu | undefined {
  const domain = parseXml(liveXml)
  const cpu = child(domain, 'cpu')
  if (domain.attributes['type'] !== 'kvm' || cpu?.attributes['mode'] !== 'custom') return undefined
  const arch = child(child(domain, 'os'), 'type')?.attributes['arch'] ?? ''
  return { arch, xml: liveXml.slice(cpu.start, cpu.end) }
}
