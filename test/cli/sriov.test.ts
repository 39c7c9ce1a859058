import { describe } from 'vitest'
import { transcript } from './transcript.ts'

const done = { json: { message: 'Done.' } }
const vf = {
  phy: 'ens1f1v0',
  pf: 'ens1f1',
  node: 'hv1',
  mtu: '9000',
  mac: '52:54:05:00:00:01',
  config: {
    vlan_id: '300',
    vlan_qos: '3',
    tx_rate_min: '0',
    tx_rate_max: '500',
    link_state: 'auto',
    spoof_check: 'True',
    trust: 'False',
    query_rss: 'False',
  },
  pci: { domain: '0x0000', bus: '0x06', slot: '0x10', function: '0x0' },
  usage: { used: 'True', domain: 'web' },
}
const words = (text: string): string[] => text.split(' ')

describe('pvc network sriov', () => {
  transcript('sriov', [
    {
      title: 'Cards',
      argv: words('network sriov pf list hv1'),
      routes: { 'GET /sriov/pf/hv1': { json: [{ phy: 'ens1f1', mtu: '9000', vfs: ['ens1f1v0', 'ens1f1v1'] }] } },
    },
    { title: 'No card', argv: words('network sriov pf list hv2'), routes: { 'GET /sriov/pf/hv2': { json: [] } } },
    {
      title: 'Functions of a card',
      argv: words('network sriov vf list hv1 ens1f1'),
      routes: { 'GET /sriov/vf/hv1': { json: [vf] } },
    },
    {
      title: 'One function',
      argv: words('network sriov vf info hv1 ens1f1v0'),
      routes: { 'GET /sriov/vf/hv1/ens1f1v0': { json: [vf] } },
    },
    {
      title: 'Set up',
      argv: words('network sriov vf set hv1 ens1f1v0 --vlan-id 300 --tx-max 500 --no-spoof-check --trust'),
      routes: { 'PUT /sriov/vf/hv1/ens1f1v0': done },
    },
    { title: 'Set up in no way', argv: words('network sriov vf set hv1 ens1f1v0') },
  ])
})
