import type { SriovPf, SriovVf } from '../../contract/sriov.ts'
import type { Palette } from './colour.ts'
import { type Cell, type Field, formatFields, formatTable, type Section } from './table.ts'

const PF_SECTIONS: readonly Section<SriovPf>[] = [
  {
    title: 'Physical functions',
    columns: [
      { title: 'Device', cell: ({ phy }) => phy },
      { title: 'MTU', cell: ({ mtu }) => mtu },
      { title: 'VFs', cell: ({ vfs }) => vfs.join(' ') },
    ],
  },
]

/** `pvc network sriov pf list`. */
export function formatPfList(pfs: readonly SriovPf[], palette: Palette): string {
  return pfs.length === 0 ? 'No PFs found.' : formatTable(PF_SECTIONS, pfs, palette)
}

function flagCell(flag: string): Cell {
  return flag === 'True' ? { text: 'True', colour: 'green' } : { text: 'False', colour: 'blue' }
}

const VF_SECTIONS: readonly Section<SriovVf>[] = [
  {
    title: 'Virtual functions',
    columns: [
      { title: 'Device', cell: ({ phy }) => phy },
      { title: 'PF', cell: ({ pf }) => pf },
      { title: 'MTU', cell: ({ mtu }) => mtu },
      { title: 'MAC Address', cell: ({ mac }) => mac },
      { title: 'VLAN', cell: ({ config }) => config.vlan_id },
      { title: 'Link', cell: ({ config }) => config.link_state },
    ],
  },
  {
    title: 'Usage',
    columns: [
      { title: 'Used', cell: ({ usage }) => flagCell(usage.used) },
      { title: 'By', cell: ({ usage }) => usage.domain || '–' },
    ],
  },
]

/** `pvc network sriov vf list`. */
export function formatVfList(vfs: readonly SriovVf[], palette: Palette): string {
  return vfs.length === 0 ? 'No VFs found.' : formatTable(VF_SECTIONS, vfs, palette)
}

/** `pvc network sriov vf info`. */
export function formatVfInfo({ phy, pf, node, mtu, mac, config, pci, usage }: SriovVf, palette: Palette): string {
  const rate = (mbit: string): string => (mbit === '0' ? 'no limit' : `${mbit} Mbit/s`)
  const address = [pci.domain, pci.bus, pci.slot].map((part) => part.replace(/^0x/, '')).join(':')
  const fields: readonly Field[] = [
    ['VF', phy],
    ['PF', pf],
    ['Node', node],
    ['MTU', mtu],
    ['MAC Address', mac],
    ['PCI Address', `${address}.${pci.function.replace(/^0x/, '')}`],
    undefined,
    ['VLAN ID', config.vlan_id === '0' ? 'none' : config.vlan_id],
    ['VLAN Priority', config.vlan_qos],
    ['Least TX Rate', rate(config.tx_rate_min)],
    ['Most TX Rate', rate(config.tx_rate_max)],
    ['Link State', config.link_state],
    ['Spoof Check', flagCell(config.spoof_check)],
    ['Trust', flagCell(config.trust)],
    ['RSS Query', flagCell(config.query_rss)],
    undefined,
    ['Used By', usage.domain || 'nobody'],
  ]
  return formatFields(fields, palette)
}
