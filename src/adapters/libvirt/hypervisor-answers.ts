/** What libvirt's answers mean to the hypervisor port. */
import { MARK_NAMESPACE } from '../../model/domain-mark.ts'
import type { GuestCpu } from '../../model/guest-cpu.ts'
import { VmUuid } from '../../model/ids.ts'
import { escapeXml } from '../../model/xml.ts'
import type { DomainInfo } from '../../ports/hypervisor.ts'
import type { LibvirtDomain } from './domain.ts'
import { COMPARE_CPU } from './flag.ts'
import { parseMetadata } from './hypervisor-mark.ts'
import { isLibvirtError, VIR_ERR } from './libvirt-error.ts'
import type { LibvirtConnection, ListedDomain } from './native.ts'

const UNCOMPARABLE = [
  VIR_ERR.INTERNAL_ERROR,
  VIR_ERR.NO_SUPPORT,
  VIR_ERR.INVALID_ARG,
  VIR_ERR.OPERATION_FAILED,
  VIR_ERR.CONFIG_UNSUPPORTED,
  VIR_ERR.ARGUMENT_UNSUPPORTED,
  VIR_ERR.OPERATION_UNSUPPORTED,
]

/** The node info counts NUMA cells, which some firmware describes wrongly. Undefined: the driver has no such figures. */
export async function totalMemoryKiB(connection: LibvirtConnection): Promise<number | undefined> {
  try {
    return (await connection.nodeMemoryStats())['total']
  } catch (error) {
    if (isLibvirtError(error, VIR_ERR.NO_SUPPORT)) return undefined
    throw error
  }
}

/** A domain as the port lists it. */
export function toDomainInfo(
  domain: Pick<ListedDomain, 'uuid' | 'name' | 'state' | 'reason' | 'metadata'>,
): DomainInfo {
  const { uuid, name, state, reason, metadata } = domain
  return { uuid: VmUuid.parse(uuid), name, state, reason, ...parseMetadata(metadata) }
}

/** The answer about a domain; undefined when libvirt has none. */
export async function unlessNoDomain<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (isLibvirtError(error, VIR_ERR.NO_DOMAIN)) return undefined
    throw error
  }
}

/**
 * The element of ours in a domain's metadata; null when QEMU has ended and only libvirt still lists the transient domain,
 * for half a minute when the target of its migration went away.
 */
export async function metadataUnlessEnded(domain: LibvirtDomain): Promise<string | undefined | null> {
  try {
    return await domain.getMetadata(MARK_NAMESPACE)
  } catch (error) {
    if (isLibvirtError(error, VIR_ERR.OPERATION_INVALID)) return null
    throw error
  }
}

/** A domain that is gone, or is defined but does not run, is what was wanted. */
export async function unlessNotRunning(end: () => Promise<void>): Promise<void> {
  try {
    await end()
  } catch (error) {
    if (!isLibvirtError(error, VIR_ERR.NO_DOMAIN, VIR_ERR.OPERATION_INVALID)) throw error
  }
}

/** libvirt writes the channel's state into the live XML. */
export function hasConnectedAgent(xml: string): boolean {
  return [...xml.matchAll(/<target [^>]*name='org\.qemu\.guest_agent\.0'[^>]*>/g)].some(([target]) =>
    target.includes("state='connected'"),
  )
}

/** Definition of a Ceph key for guests. */
export function secretXml(uuid: string, usage: string): string {
  const name = escapeXml(usage)
  return `<secret ephemeral='no' private='yes'><uuid>${uuid}</uuid><usage type='ceph'><name>${name}</name></usage></secret>`
}

/** Why a host cannot offer a guest's processor, by what its KVM can do. undefined: it can, or libvirt cannot tell. */
export async function cpuProblem(connection: LibvirtConnection, { arch, xml }: GuestCpu): Promise<string | undefined> {
  try {
    await connection.compareCpu(xml, { arch, type: 'kvm' }, COMPARE_CPU.FAIL_INCOMPATIBLE)
    return undefined
  } catch (error) {
    if (isLibvirtError(error, VIR_ERR.CPU_INCOMPATIBLE)) return error.message
    // A host without KVM, or a model this libvirt does not know: then the copy itself shows whether it can be.
    if (isLibvirtError(error, ...UNCOMPARABLE)) return undefined
    throw error
  }
}
