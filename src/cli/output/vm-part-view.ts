import type { Vm } from '../../contract/vm.ts'
import type { Palette } from './colour.ts'
import { formatTable, type Section } from './table.ts'

/** What `vm vcpu get` shows; names as older clients give them. */
export function vcpuFacts(vm: Vm) {
  const [sockets = '', cores = '', threads = ''] = vm.vcpu_topology.split('/')
  return { name: vm.name, vcpus: vm.vcpu, sockets, cores, threads }
}

/** What `vm memory get` shows, in MiB. */
export function memoryFacts(vm: Vm) {
  return { name: vm.name, memory: vm.memory }
}

/** What `vm network get` shows. */
export function networkFacts(vm: Vm) {
  return {
    name: vm.name,
    networks: vm.networks.map((each) => ({ network: each.vni, mac_address: each.mac, model: each.model })),
  }
}

/** What `vm volume get` shows. */
export function volumeFacts(vm: Vm) {
  return {
    name: vm.name,
    volumes: vm.disks.map((each) => ({ protocol: each.type, volume: each.name, disk_id: each.dev, bus: each.bus })),
  }
}

export type Tag = Vm['tags'][number]

function plainTable<Row>(columns: Section<Row>['columns'], rows: readonly Row[], palette: Palette): string {
  return formatTable([{ title: '', columns }], rows, palette)
}

export function formatVcpus(facts: ReturnType<typeof vcpuFacts>, palette: Palette): string {
  return plainTable<typeof facts>(
    [
      { title: 'VM', cell: (row) => row.name },
      { title: 'vCPUs', cell: (row) => String(row.vcpus) },
      { title: 'Sockets', cell: (row) => row.sockets },
      { title: 'Cores', cell: (row) => row.cores },
      { title: 'Threads', cell: (row) => row.threads },
    ],
    [facts],
    palette,
  )
}

export function formatMemory(facts: ReturnType<typeof memoryFacts>, palette: Palette): string {
  return plainTable<typeof facts>(
    [
      { title: 'VM', cell: (row) => row.name },
      { title: 'RAM (M)', cell: (row) => String(row.memory) },
    ],
    [facts],
    palette,
  )
}

export function formatNetworks(facts: ReturnType<typeof networkFacts>, palette: Palette): string {
  if (facts.networks.length === 0) return `VM ${facts.name} has no network.`
  return plainTable<(typeof facts.networks)[number]>(
    [
      { title: 'VM', cell: () => facts.name },
      { title: 'Network', cell: (row) => row.network },
      { title: 'MAC Address', cell: (row) => row.mac_address },
      { title: 'Model', cell: (row) => row.model },
    ],
    facts.networks,
    palette,
  )
}

export function formatVolumes(facts: ReturnType<typeof volumeFacts>, palette: Palette): string {
  if (facts.volumes.length === 0) return `VM ${facts.name} has no volume.`
  return plainTable<(typeof facts.volumes)[number]>(
    [
      { title: 'VM', cell: () => facts.name },
      { title: 'Volume', cell: (row) => row.volume },
      { title: 'Disk ID', cell: (row) => row.disk_id },
      { title: 'Type', cell: (row) => row.protocol },
      { title: 'Bus', cell: (row) => row.bus },
    ],
    facts.volumes,
    palette,
  )
}

export function formatTags(name: string, tags: readonly Tag[], palette: Palette): string {
  if (tags.length === 0) return `VM ${name} has no tag.`
  return plainTable<Tag>(
    [
      { title: 'VM', cell: () => name },
      { title: 'Tag', cell: (row) => row.name },
      { title: 'Type', cell: (row) => row.type },
      { title: 'Protected', cell: (row) => (row.protected ? 'yes' : 'no') },
    ],
    tags,
    palette,
  )
}
