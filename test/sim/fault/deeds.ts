/** Everything that can be done to a cluster, by name: by fate, by an operator, by a clumsy third party. */
import type { FakeHypervisorVerb } from '../../../src/adapters/fake/hypervisor.ts'
import { runJob } from '../world/job.ts'
import type { Deed } from './deed.ts'
import { fenceDeeds } from './fence-deeds.ts'
import { nodeDeeds } from './node-deeds.ts'
import { storeDeeds } from './store-deeds.ts'

const SECOND = 1000

/** A VM by its name. */
const vmOf = (random: Parameters<Deed['random']>[0], { vms }: Parameters<Deed['random']>[1]) => random.pick(vms).name

const operatorDeeds: Readonly<Record<string, Deed>> = {
  /** power VM start|shutdown|stop|restart */
  power: {
    random: (random, cluster) => [
      vmOf(random, cluster),
      random.pick(['start', 'start', 'shutdown', 'stop', 'restart']),
    ],
    act: ({ api }, [vm = '', action]) => void api.power(vm, action as 'start'),
  },
  /** move VM NODE move|migrate */
  move: {
    random: (random, cluster) => [
      vmOf(random, cluster),
      random.pick(cluster.hosts).name,
      random.pick(['move', 'migrate']),
    ],
    act: ({ api }, [vm = '', node = '', action]) => void api.move(vm, node, action as 'move'),
  },
  /** wish NODE flush|ready */
  wish: {
    random: (random, { hosts }) => [random.pick(hosts).name, random.pick(['flush', 'ready'])],
    act: ({ api }, [node = '', wanted]) => void api.node(node, wanted as 'flush'),
  },
  /** job VM MS: a job writes its volume that long, while it is off. Only in scripts: the product starts none yet */
  job: {
    random: (random, cluster) => [vmOf(random, cluster), String(random.durationMs(SECOND, 20 * SECOND))],
    act: (cluster, [name = '', ms]) => {
      const vm = cluster.vms.find((each) => each.name === name)
      if (vm) void runJob(cluster, vm, Number(ms))
    },
  },
  /** redefine VM NODE: removed, and defined again under the same UUID */
  redefine: {
    random: (random, cluster) => [vmOf(random, cluster), random.pick(cluster.hosts).name],
    act: ({ api, vms }, [name = '', node = '']) => {
      const uuid = vms.find((vm) => vm.name === name)?.uuid ?? ''
      void api
        .remove(name)
        .then(() => api.define(name, uuid, node))
        .then(() => api.power(name, 'start'))
    },
  },
}

const libvirtDeeds: Readonly<Record<string, Deed>> = {
  /** late NODE VERB MS: the next such call has its effect that much later, whatever its caller thinks by then */
  late: {
    random: (random, { hosts }) => [
      random.pick(hosts).name,
      random.pick(['create', 'create', 'create', 'destroy', 'migrate', 'resume', 'setMark', 'get']),
      String(random.durationMs(SECOND, 60 * SECOND)),
    ],
    act: (cluster, [name = '', verb, ms]) =>
      cluster.daemons.get(name)?.hypervisor.script.plan(verb as FakeHypervisorVerb, { delayMs: Number(ms) }),
  },
  /** late-create NODE MS: the next start has its effect after everybody has given it up */
  'late-create': {
    random: (random, { hosts }) => [random.pick(hosts).name, String(random.durationMs(28 * SECOND, 60 * SECOND))],
    act: (cluster, [name = '', ms]) =>
      cluster.daemons.get(name)?.hypervisor.script.plan('create', { delayMs: Number(ms) }),
  },
  /** stall NODE MS: QEMU takes that long to come up, for a minute */
  stall: {
    random: (random, { hosts }) => [random.pick(hosts).name, String(random.durationMs(SECOND, 40 * SECOND))],
    act: (cluster, [name = '', ms]) => {
      const { libvirtd } = cluster.host(name)
      libvirtd.startStallMs = Number(ms)
      cluster.engine.after(60 * SECOND, `${name}: starts are quick again`, () => {
        libvirtd.startStallMs = 0
      })
    },
  },
  /** libvirtd NODE MS: it is killed, and started again after that time */
  libvirtd: {
    random: (random, { hosts }) => [random.pick(hosts).name, String(random.durationMs(200, 10 * SECOND))],
    act: (cluster, [name = '', ms]) => {
      const host = cluster.host(name)
      if (!host.isOn || !host.libvirtd.isUp) return
      host.libvirtd.stop()
      cluster.engine.after(Number(ms), `${name}: libvirtd is back`, () => {
        if (host.isOn && !host.libvirtd.isUp) host.libvirtd.start()
      })
    },
  },
  /** crash VM: its QEMU dies */
  crash: {
    random: (random, cluster) => [vmOf(random, cluster)],
    act: (cluster, [name]) => {
      const uuid = cluster.vms.find((vm) => vm.name === name)?.uuid
      for (const { host, domain } of cluster.domains()) if (domain.uuid === uuid) host.libvirtd.crash(domain.uuid)
    },
  },
  /** stubborn NODE VM: QEMU does not heed SIGTERM there */
  stubborn: {
    random: (random, cluster) => [random.pick(cluster.hosts).name, vmOf(random, cluster)],
    act: (cluster, [name = '', vm]) => {
      const uuid = cluster.vms.find((each) => each.name === vm)?.uuid
      if (uuid) cluster.host(name).files.stubborn.add(uuid)
    },
  },
  /** finish-lost: the next migration's word that it is complete gets lost */
  'finish-lost': {
    random: () => [],
    act: ({ migrations }) => migrations.plan({ isFinishLost: true }),
  },
  /** slow-copy MS: the next copy takes that long */
  'slow-copy': {
    random: (random) => [String(random.durationMs(SECOND, 30 * SECOND))],
    act: ({ migrations }, [ms]) => migrations.plan({ copyMs: Number(ms) }),
  },
}

export const deeds: Readonly<Record<string, Deed>> = {
  ...operatorDeeds,
  ...libvirtDeeds,
  ...nodeDeeds,
  ...fenceDeeds,
  ...storeDeeds,
}
