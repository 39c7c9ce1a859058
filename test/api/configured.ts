import { Config } from '../../src/model/config.ts'
import { configuredHostNetworks } from '../../src/operations/host-networks.ts'

const hostNetworks = configuredHostNetworks(
  Config.pick({ cluster: true, zookeeper: true, network: true }).parse({
    cluster: {
      name: 'pvc1',
      coordinators: ['hv1', 'hv2', 'hv3'],
      floating: {
        cluster: { address: '10.0.1.250/24', device: 'eth0' },
        upstream: { address: 'fd00:f::250/64', device: 'eth1' },
      },
    },
    zookeeper: { servers: ['10.0.3.1:2181'] },
    network: {},
  }),
)

/** What the configuration of the hosts of these tests says. */
export const CONFIGURED = { hostNetworks, defaults: { maxDowntimeMs: 300, underlayMtu: 1500, bridgeMtu: 1500 } }
