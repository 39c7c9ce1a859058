import { VmSpec } from './domain.ts'
import { VmUuid, VolumeRef } from './ids.ts'
import { child, children, parseXml, type XmlElement, xmlError } from './xml.ts'

/** A disk of a definition. `name` is `pool/volume` for rbd, the path for a file. */
export type DomainDisk = {
  readonly type: string
  readonly name: string
  readonly dev: string
  readonly bus: string
}

/** A network interface of a definition. `target` is the host device's name when the definition names it. */
export type DomainNetwork = {
  readonly type: string
  /** Network number, or `cluster`, `storage`, `upstream`, `macvtap:DEV`, `hostdev:DEV`. */
  readonly vni: string
  readonly mac: string
  readonly source: string
  readonly model: string
}

/** What PVC knows of a VM from its libvirt definition. */
export type DomainFacts = {
  readonly name: string
  /** Undefined: the definition names none. */
  readonly uuid: VmUuid | undefined
  readonly description: string
  readonly memoryMiB: number
  readonly vcpus: number
  /** `sockets/cores/threads`, or N/A. */
  readonly topology: string
  readonly osType: string
  readonly arch: string
  readonly machine: string
  readonly console: string
  readonly emulator: string
  readonly features: readonly string[]
  readonly disks: readonly DomainDisk[]
  readonly networks: readonly DomainNetwork[]
  readonly controllers: readonly { readonly type: string; readonly model: string | null }[]
  /** `pool/volume` of each RBD disk, each once. */
  readonly rbdList: readonly VolumeRef[]
  /** The guest's processor is emulated, so that any node can run it. */
  readonly isEmulated: boolean
  /** The guest sees the node's processor as it is. */
  readonly isCpuPassedThrough: boolean
  /** What keeps a running guest from being copied to another node, each as a noun phrase. */
  readonly liveObstacles: readonly string[]
}

/** Longest accepted definition: well below what one document of the store may hold. */
export const MAX_XML_BYTES = 256 * 1024

const BYTES_PER_UNIT: Readonly<Record<string, number>> = {
  b: 1,
  bytes: 1,
  KB: 1000,
  k: 1024,
  K: 1024,
  KiB: 1024,
  MB: 1000 ** 2,
  M: 1024 ** 2,
  MiB: 1024 ** 2,
  GB: 1000 ** 3,
  G: 1024 ** 3,
  GiB: 1024 ** 3,
  TB: 1000 ** 4,
  T: 1024 ** 4,
  TiB: 1024 ** 4,
}

/**
 * Reads a libvirt domain definition and checks what PVC needs of it: name, memory, vcpu, disks.
 * @throws PVC_XML_INVALID with line and reason.
 */
export function parseDomainXml(text: string): DomainFacts {
  if (text.length > MAX_XML_BYTES) throw xmlError(1, `the document is larger than ${MAX_XML_BYTES / 1024} KiB`)
  const domain = parseXml(text)
  if (domain.name !== 'domain') throw xmlError(domain.line, `the document is <${domain.name}>, not <domain>`)
  const devices = child(domain, 'devices')
  const os = child(child(domain, 'os'), 'type')
  const disks = children(devices, 'disk').map(readDisk)
  return {
    name: readName(domain),
    uuid: readUuid(domain),
    description: child(domain, 'description')?.text || 'N/A',
    memoryMiB: readMemoryMiB(domain),
    vcpus: readVcpus(domain),
    topology: readTopology(domain),
    osType: os?.text ?? '',
    arch: os?.attributes['arch'] ?? '',
    machine: os?.attributes['machine'] ?? '',
    console: child(devices, 'console')?.attributes['type'] ?? '',
    emulator: child(devices, 'emulator')?.text ?? '',
    features: child(domain, 'features')?.children.map((feature) => feature.name) ?? [],
    disks: disks.map(({ disk }) => disk),
    networks: children(devices, 'interface').map(readNetwork),
    controllers: children(devices, 'controller').map(({ attributes }) => ({
      type: attributes['type'] ?? '',
      model: attributes['model'] ?? null,
    })),
    rbdList: [...new Set(disks.flatMap(({ volume }) => (volume === undefined ? [] : [volume])))],
    isEmulated: domain.attributes['type'] === 'qemu',
    isCpuPassedThrough: child(domain, 'cpu')?.attributes['mode'] === 'host-passthrough',
    liveObstacles: readLiveObstacles(devices),
  }
}

/** Devices of one node: a copy elsewhere would not find them. An empty drive holds nothing. */
function readLiveObstacles(devices: XmlElement | undefined): readonly string[] {
  const local = children(devices, 'disk').filter((disk) => (disk.attributes['type'] ?? 'file') !== 'network')
  const disks = local.flatMap((element) => {
    const { name, dev } = readDisk(element).disk
    return name === '' ? [] : [`the local disk ${dev} (${name})`]
  })
  const hostdevs = children(devices, 'hostdev').map(() => 'a device of the node passed through')
  const passed = children(devices, 'interface').filter(({ attributes }) => attributes['type'] === 'hostdev')
  const shared = children(devices, 'filesystem').map(() => 'a directory of the node')
  const memory = children(devices, 'shmem').map(() => 'memory shared with the node')
  const interfaces = passed.map((element) => `the network device ${readNetwork(element).source || 'passed through'}`)
  return [...disks, ...new Set([...hostdevs, ...interfaces, ...shared, ...memory])]
}

/** The definition with `<uuid>` added after its name. The definition must have been parsed and have none. */
export function withUuid(xml: string, uuid: VmUuid): string {
  const name = child(parseXml(xml), 'name')
  if (name === undefined) throw xmlError(1, '<name> is missing')
  return `${xml.slice(0, name.end)}<uuid>${uuid}</uuid>${xml.slice(name.end)}`
}

function needed(parent: XmlElement, name: string): XmlElement {
  const [element, second] = children(parent, name)
  if (element === undefined) throw xmlError(parent.line, `<${name}> is missing in <${parent.name}>`)
  if (second !== undefined) throw xmlError(second.line, `<${name}> is there twice`)
  return element
}

function readName(domain: XmlElement): string {
  const element = needed(domain, 'name')
  const result = VmSpec.shape.name.safeParse(element.text)
  if (result.success) return result.data
  throw xmlError(element.line, `the name '${element.text}' ${result.error.issues[0]?.message ?? 'is not usable'}`)
}

function readUuid(domain: XmlElement): VmUuid | undefined {
  const element = child(domain, 'uuid')
  if (element === undefined) return undefined
  // libvirt also reads a UUID without hyphens.
  const plain = /^([0-9a-fA-F]{8})([0-9a-fA-F]{4})([0-9a-fA-F]{4})([0-9a-fA-F]{4})([0-9a-fA-F]{12})$/.exec(element.text)
  const result = VmUuid.safeParse(plain ? plain.slice(1).join('-') : element.text)
  if (result.success) return result.data
  throw xmlError(element.line, `'${element.text}' is not a UUID`)
}

function readMemoryMiB(domain: XmlElement): number {
  const element = needed(domain, 'memory')
  const unit = element.attributes['unit'] ?? 'KiB'
  const factor = BYTES_PER_UNIT[unit]
  if (factor === undefined) throw xmlError(element.line, `the memory unit '${unit}' is unknown`)
  const amount = /^\d{1,15}$/.test(element.text) ? Number(element.text) : 0
  const memoryMiB = Math.ceil((amount * factor) / 1024 ** 2)
  if (memoryMiB < 1) throw xmlError(element.line, '<memory> must be a number above 0')
  return memoryMiB
}

function readVcpus(domain: XmlElement): number {
  const element = needed(domain, 'vcpu')
  const vcpus = /^\d{1,5}$/.test(element.text) ? Number(element.text) : 0
  if (vcpus < 1) throw xmlError(element.line, '<vcpu> must be a number above 0')
  return vcpus
}

function readTopology(domain: XmlElement): string {
  const topology = child(child(domain, 'cpu'), 'topology')?.attributes
  if (topology === undefined) return 'N/A'
  return [topology['sockets'], topology['cores'], topology['threads']].map((part) => part ?? '1').join('/')
}

function readDisk(element: XmlElement): { disk: DomainDisk; volume: VolumeRef | undefined } {
  const source = child(element, 'source')
  const target = child(element, 'target')?.attributes ?? {}
  const place = { dev: target['dev'] ?? '', bus: target['bus'] ?? '' }
  const kind = element.attributes['type'] ?? 'file'
  if (kind !== 'network') {
    const name = source?.attributes['file'] ?? source?.attributes['dev'] ?? source?.attributes['dir'] ?? ''
    return { disk: { type: kind, name, ...place }, volume: undefined }
  }
  const protocol = source?.attributes['protocol'] ?? ''
  const name = source?.attributes['name'] ?? ''
  const disk = { type: protocol, name, ...place }
  if (protocol !== 'rbd') return { disk, volume: undefined }
  const volume = VolumeRef.safeParse(name)
  if (volume.success) return { disk, volume: volume.data }
  const line = source?.line ?? element.line
  throw xmlError(line, `the rbd disk '${name}' must be named pool/volume`)
}

function readNetwork(element: XmlElement): DomainNetwork {
  const type = element.attributes['type'] ?? ''
  const from = child(element, 'source')?.attributes ?? {}
  const mac = child(element, 'mac')?.attributes['address'] ?? ''
  const model = child(element, 'model')?.attributes['type'] ?? 'N/A'
  if (type === 'direct') return { type, vni: `macvtap:${from['dev'] ?? ''}`, mac, source: from['dev'] ?? '', model }
  if (type === 'hostdev') {
    const source = child(element, 'sriov_device')?.text ?? ''
    return { type, vni: `hostdev:${source}`, mac, source, model }
  }
  const source = from[type] ?? ''
  // Our bridges are vmbrVNI for virtual networks, brcluster, brstorage and brupstream for the hosts' own.
  return { type, vni: /^(?:vm)?br([0-9a-z]+)$/.exec(source)?.[1] ?? source, mac, source, model }
}
