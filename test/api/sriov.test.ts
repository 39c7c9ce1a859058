/** Virtual functions of network cards: what nodes tell of them, who uses them, how they are to be set up. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeName } from '../../src/model/ids.ts'
import { NodeSriov, VF_DEFAULTS } from '../../src/model/sriov.ts'
import { tree } from '../../src/schema/tree.ts'
import { startCluster, type TestCluster, vmXml } from './cluster.ts'

const HV1 = NodeName.parse('hv1')
const keys = tree.node(HV1)
const vf = (index: number) => {
  const name = `ens1f1v${index}`
  return { index, name, mac: `52:54:05:00:00:0${index}`, mtu: 9000, pci: `0000:06:10.${index}`, actual: VF_DEFAULTS }
}
const told = NodeSriov.parse({ pfs: [{ name: 'ens1f1', mtu: 9000, vfs: [vf(0), vf(1)] }] })

let cluster: TestCluster
beforeEach(async () => {
  cluster = await startCluster()
  await cluster.session.create(keys.sriov, told)
  await cluster.clock.advance(100)
})
afterEach(() => cluster.close())

const get = async (path: string, args = {}) => (await cluster.call('GET', path, args)).body
const set = (args: Record<string, string>, name = 'ens1f1v0') => cluster.call('PUT', `/sriov/vf/hv1/${name}`, args)

describe('virtual functions', () => {
  it('are shown as ever', async () => {
    expect(await get('/sriov/pf/hv1')).toEqual([{ phy: 'ens1f1', mtu: '9000', vfs: ['ens1f1v0', 'ens1f1v1'] }])
    expect(await get('/sriov/pf', { node: 'hv2' })).toEqual([])
    expect(await get('/sriov/vf', { node: 'hv1', pf: 'other' })).toEqual([])
    expect(await get('/sriov/vf/hv1', { pf: 'ens1f1' })).toHaveLength(2)
    expect(await get('/sriov/vf/hv1/ens1f1v0')).toEqual([
      {
        phy: 'ens1f1v0',
        pf: 'ens1f1',
        node: 'hv1',
        mtu: '9000',
        mac: '52:54:05:00:00:00',
        config: {
          vlan_id: '0',
          vlan_qos: '0',
          tx_rate_min: '0',
          tx_rate_max: '0',
          link_state: 'auto',
          spoof_check: 'True',
          trust: 'False',
          query_rss: 'False',
        },
        pci: { domain: '0x0000', bus: '0x06', slot: '0x10', function: '0x0' },
        usage: { used: 'False', domain: '' },
      },
    ])
    for (const path of ['/sriov/pf/none', '/sriov/vf/none', '/sriov/vf/hv1/none'])
      expect((await cluster.call('GET', path)).status).toBe(404)
  })

  it('are set up part by part, each on its own', async () => {
    expect((await set({ vlan_id: '300', vlan_qos: '3' })).status).toBe(200)
    expect((await set({ trust: 'True', tx_rate_max: '500' })).status).toBe(200)
    expect((await set({ link_state: 'disable' }, 'ens1f1v1')).status).toBe(200)
    expect(await get('/sriov/vf/hv1/ens1f1v0')).toMatchObject([
      { config: { vlan_id: '300', vlan_qos: '3', tx_rate_max: '500', trust: 'True', spoof_check: 'True' } },
    ])
    const wish = (await cluster.session.get(keys.sriovWish))?.value
    expect(wish?.vfs).toMatchObject({ 'ens1f1/0': { vlanId: 300, trust: true }, 'ens1f1/1': { linkState: 'disable' } })
  })

  it('are not set up in a way that cannot be', async () => {
    for (const args of [
      { vlan_qos: '3' },
      { tx_rate_min: '20', tx_rate_max: '10' },
      { vlan_id: '4095' },
      { link_state: 'up' },
    ] as Record<string, string>[])
      expect((await set(args)).status).toBe(400)
    expect((await set({ vlan_id: '1' }, 'none')).status).toBe(404)
    expect((await cluster.session.get(keys.sriovWish))?.value.vfs ?? {}).toEqual({})
  })

  it('show the VM that has them, and a definition that takes one of another is warned', async () => {
    const card = (device: string) =>
      `<interface type='hostdev'><mac address='52:54:00:00:00:01'/><sriov_device>${device}</sriov_device></interface>`
    const define = (name: string, uuid: string, device: string) =>
      cluster.call(
        'POST',
        '/vm',
        { node: 'hv1' },
        {
          form: { xml: vmXml(name, { uuid }).replace('</devices>', `${card(device)}</devices>`) },
        },
      )
    const first = await define('one', '10000000-0000-4000-8000-000000000001', 'ens1f1v0')
    expect(JSON.stringify(first.body)).not.toContain('irtual function')
    expect(await get('/sriov/vf/hv1/ens1f1v0')).toMatchObject([{ usage: { used: 'True', domain: 'one' } }])
    const second = await define('two', '10000000-0000-4000-8000-000000000002', 'ens1f1v0')
    expect(JSON.stringify(second.body)).toContain('is used by one, too')
    const third = await define('three', '10000000-0000-4000-8000-000000000003', 'ens9v0')
    expect(JSON.stringify(third.body)).toContain('has no virtual function ens9v0')
  })
})
