import { NodeStatus } from '../../../src/model/node.ts'

/** What a node says of itself, with the cluster address 10.90.0.1N where its name ends in N. */
export function status(name: string, heartbeat: number): NodeStatus {
  const figures = { cpuCount: 1, load1: 0, memoryTotalMiB: 1, memoryUsedMiB: 1, memoryFreeMiB: 1 }
  return NodeStatus.parse({
    name,
    heartbeat,
    life: '11111111-1111-4111-8111-111111111111',
    bootId: '11111111-1111-4111-8111-111111111111',
    selfFence: 'off',
    watchdog: 'absent',
    storageAddrs: ['10.91.0.1'],
    clusterAddr: `10.90.0.1${name.slice(2)}`,
    ack: 0,
    daemon: 'run',
    certified: true,
    domainState: 'ready',
    coordinator: 'secondary',
    versions: { pvc: '2', libvirt: '9', qemu: '7', kernel: '6' },
    os: 'Debian',
    arch: 'x86_64',
    resources: { ...figures, memoryAllocatedMiB: 0, memoryProvisionedMiB: 0, vcpusAllocated: 0 },
    runningDomains: [],
    domainsCount: 0,
    incoming: [],
    faults: [],
  })
}
