/** `vm start` through the API until the VM runs, lock check included, against bare `virsh start` of the same guest. */
import { join } from 'node:path'
import { connectionName } from '../lab/daemons.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { repoDir } from '../lab/plan.ts'
import { percentile, type Report } from './figure.ts'

const rounds = 15
const vm = 'bench'
const bare = 'bare'
const uuids = { bench: 'aaaaaaaa-0000-4000-8000-0000000000b1', bare: 'aaaaaaaa-0000-4000-8000-0000000000b2' }

async function prepare(lab: Lab): Promise<void> {
  await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', 'copies=1,mincopies=1'])
  for (const name of [vm, bare]) await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', name, '64M'])
  const ours = await lab.guestXml({ name: vm, uuid: uuids.bench, volume: `vms/${vm}` })
  await lab.pvc(['-q', 'vm', 'define', '-t', 'hv1', lab.sharedFile('bench.xml', ours)])
  const theirs = await lab.guestXml({ name: bare, uuid: uuids.bare, volume: `vms/${bare}` })
  const host = lab.host('hv2')
  // Bare means bare: no daemon that would end a domain it does not know, and no permit to ask for.
  await host.service('pvcnoded', 'stop')
  await host.sh(['bash', '-c', 'printf "#!/bin/sh\\nexit 0\\n" > /etc/libvirt/hooks/qemu'])
  await host.sh(['virsh', '-q', 'define', lab.sharedFile('bare.xml', theirs)])
}

async function virshStartMs(lab: Lab): Promise<number> {
  const script =
    'b=$(date +%s%N); virsh -q start "$1"; e=$(date +%s%N); virsh -q destroy "$1"; echo $(( (e - b) / 1000 ))'
  const { stdout } = await lab.host('hv2').sh(['bash', '-ec', script, 'start', bare])
  return Number(stdout.trim()) / 1000
}

async function apiStartMs(lab: Lab): Promise<number> {
  const probe = join(repoDir, 'test/bench/vm-start-probe.mjs')
  const connections = join(lab.dir, 'client/pvc.json')
  const address = lab.host('hv1').address('cluster')
  const { stdout } = await lab.sh([process.execPath, probe, connections, connectionName, address, vm])
  return Number(stdout.trim())
}

/** Reports the medians of both and their ratio; rounds alternate, so that both see the same machine. */
export async function run(report: Report): Promise<void> {
  const lab = await startLab({ name: 'bench-vm-start', say: (line) => console.log(line) })
  try {
    await prepare(lab)
    const api: number[] = []
    const virsh: number[] = []
    for (let round = -1; round < rounds; round += 1) {
      const pair = [await virshStartMs(lab), await apiStartMs(lab)] as const
      // The first round warms libvirt's and Ceph's caches.
      if (round < 0) continue
      virsh.push(pair[0])
      api.push(pair[1])
    }
    const params = { guests: 'real' }
    const medians = { api: percentile(api, 50), virsh: percentile(virsh, 50) }
    report({ metric: 'api_ms_p50', value: medians.api, unit: 'ms', params, n: rounds })
    report({ metric: 'virsh_ms_p50', value: medians.virsh, unit: 'ms', params, n: rounds })
    report({ metric: 'ratio', value: medians.api / medians.virsh, unit: '1', params, n: rounds })
    report({ metric: 'added_ms', value: medians.api - medians.virsh, unit: 'ms', params, n: rounds })
  } finally {
    await lab.down()
  }
}
