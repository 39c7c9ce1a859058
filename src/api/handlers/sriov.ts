import type { sriovRoutes } from '../../contract/sriov.ts'
import { PCI_ADDRESS, type PhysicalFunction } from '../../model/sriov.ts'
import {
  type FunctionView,
  readFunctions,
  readPhysicalFunctions,
  requireFunction,
  setFunction,
} from '../../operations/sriov.ts'
import type { Handlers } from '../handler.ts'

function word(flag: boolean): string {
  return flag ? 'True' : 'False'
}

function compatPf({ name, mtu, vfs }: PhysicalFunction) {
  return { phy: name, mtu: String(mtu), vfs: vfs.map((vf) => vf.name) }
}

function compatVf({ node, pf, vf, config, users }: FunctionView) {
  const [, domain = '', bus = '', slot = '', part = ''] = PCI_ADDRESS.exec(vf.pci) ?? []
  return {
    phy: vf.name,
    pf,
    node: node as string,
    mtu: String(vf.mtu),
    mac: vf.mac,
    config: {
      vlan_id: String(config.vlanId),
      vlan_qos: String(config.vlanQos),
      tx_rate_min: String(config.txRateMinMbit),
      tx_rate_max: String(config.txRateMaxMbit),
      link_state: config.linkState as string,
      spoof_check: word(config.spoofCheck),
      trust: word(config.trust),
      query_rss: word(config.queryRss),
    },
    pci: { domain: `0x${domain}`, bus: `0x${bus}`, slot: `0x${slot}`, function: `0x${part}` },
    usage: { used: word(users.length > 0), domain: users.join(', ') },
  }
}

export const sriovHandlers = {
  sriovPfList: ({ deps }, { node }) => readPhysicalFunctions(deps.index, node).map(compatPf),
  sriovPfListOfNode: ({ deps }, { node }) => readPhysicalFunctions(deps.index, node).map(compatPf),
  sriovVfList: ({ deps }, { node, pf }) => readFunctions(deps.index, node, pf).map(compatVf),
  sriovVfListOfNode: ({ deps }, { node, pf }) => readFunctions(deps.index, node, pf).map(compatVf),
  sriovVfInfo: ({ deps }, { node, vf }) => [compatVf(requireFunction(deps.index, node, vf))],
  sriovVfSet: async ({ deps }, input) => {
    await setFunction(deps, input.node, input.vf, {
      vlanId: input.vlan_id,
      vlanQos: input.vlan_qos,
      txRateMinMbit: input.tx_rate_min,
      txRateMaxMbit: input.tx_rate_max,
      linkState: input.link_state,
      spoofCheck: input.spoof_check,
      trust: input.trust,
      queryRss: input.query_rss,
    })
    return { message: `Successfully modified SR-IOV VF '${input.vf}' on node '${input.node}'.` }
  },
} satisfies Pick<Handlers, keyof typeof sriovRoutes>
