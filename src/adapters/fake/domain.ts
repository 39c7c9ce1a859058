import type { MigrationProgress } from '../../model/domain.ts'
import { PvcError } from '../../model/errors.ts'
import type { VmUuid } from '../../model/ids.ts'
import type { DomainMark, DomainState } from '../../ports/hypervisor.ts'
import type { FakeCephClient } from './ceph-image.ts'

/** How a guest behaves; set it before its start or at any time. */
export type FakeGuest = {
  /** What the guest does with the power button. */
  acpi: 'obeys' | 'ignores'
  /** Time from the power button to the end of the guest. */
  shutdownMs: number
}

/** A copy under way, as its two domains know it. */
export type FakeCopy = {
  progress(of: FakeDomain): MigrationProgress | undefined
  abort(of: FakeDomain): void
  domainEnded(domain: FakeDomain): void
  forgotten(domain: FakeDomain): void
  /** @param host the libvirtd that was killed */
  libvirtdDied(host: object): void
}

/** A domain inside a fake libvirtd. */
export type FakeDomain = {
  readonly uuid: VmUuid
  readonly name: string
  readonly xml: string
  mark: DomainMark | undefined
  migrationId: string | undefined
  isPersistent: boolean
  state: DomainState
  reason: string
  /** Set while it starts: the start was ended from outside, with this error. */
  onStartEnded?: (error: Error) => void
  run: { readonly pid: number; readonly client: FakeCephClient | undefined } | undefined
  /** The copy under way, from here or to here; libvirt changes nothing else of the domain meanwhile. */
  migration: FakeCopy | undefined
}

/** An error as the port reports libvirt's refusals. */
export function failed(message: string): PvcError {
  return new PvcError('PVC_HYPERVISOR_FAILED', message)
}

/** `pool/volume` of every RBD disk in a domain's XML. */
export function rbdVolumes(xml: string): readonly string[] {
  return [...xml.matchAll(/<source[^>]*protocol=['"]rbd['"][^>]*name=['"]([^'"]+)['"]/g)].map((match) => match[1] ?? '')
}

/** Name in a domain's XML. */
export function domainName(xml: string): string {
  return /<name>([^<]+)<\/name>/.exec(xml)?.[1] ?? 'unnamed'
}

/** Memory in a domain's XML, in MiB. */
export function memoryMiB(xml: string): number {
  const match = /<memory(?: unit=['"](\w+)['"])?>(\d+)</.exec(xml)
  const amount = Number(match?.[2] ?? 0)
  if (match?.[1] === 'MiB') return amount
  return match?.[1] === 'GiB' ? amount * 1024 : amount / 1024
}
