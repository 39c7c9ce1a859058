/** `pvc vm migrate --wait` against bare `virsh migrate` of the same kind of guest in the same run: time and blackout. */
import { startBlackoutMeter } from '../lab/blackout.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import { percentile, type Report } from './figure.ts'

const rounds = 10
const uuids = { ours: 'aaaaaaaa-0000-4000-8000-0000000000c1', bare: 'aaaaaaaa-0000-4000-8000-0000000000c2' }
const places = ['hv1', 'hv2'] as const

type Sample = { readonly totalMs: number; readonly blackoutMs: number }

/** Moves the guest back and forth; `move` does one and is timed as a whole. */
async function measure(lab: Lab, vm: string, move: (from: string, to: string) => Promise<unknown>): Promise<Sample[]> {
  const { ip = '' } = await lab.waitForHeartbeat(vm, { wanted: (each) => each.written && each.ip !== undefined })
  const samples: Sample[] = []
  for (let round = -1; round < rounds; round += 1) {
    const [from, to] = round % 2 === 0 ? [places[1], places[0]] : places
    const before = await lab.waitForHeartbeat(vm, { host: from })
    const meter = startBlackoutMeter(lab, ip)
    const startMs = performance.now()
    await move(from, to)
    const totalMs = performance.now() - startMs
    // A heartbeat there, so that libvirt's own end of the migration is not part of the next round.
    await lab.waitForHeartbeat(vm, { host: to, after: before })
    const blackoutMs = await meter.end()
    if (round >= 0) samples.push({ totalMs, blackoutMs })
  }
  return samples
}

async function ours(lab: Lab): Promise<Sample[]> {
  await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', 'copies=1,mincopies=1'])
  for (const name of ['ours', 'bare']) await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', name, '64M'])
  const xml = await lab.guestXml({ name: 'ours', uuid: uuids.ours, volume: 'vms/ours' })
  await lab.pvc(['-q', 'vm', 'define', '-t', 'hv1', lab.sharedFile('ours.xml', xml)])
  await lab.pvc(['-q', 'vm', 'start', 'ours'])
  const samples = await measure(lab, 'ours', (_from, to) => lab.pvc(['-q', 'vm', 'move', 'ours', '-t', to, '-w']))
  await lab.pvc(['-q', 'vm', 'stop', '-y', '-w', 'ours'])
  return samples
}

async function bare(lab: Lab): Promise<Sample[]> {
  for (const place of places) {
    // Bare means bare: no daemon that would end a domain it does not know, and no permit to ask for.
    await lab.host(place).service('pvcnoded', 'stop')
    await lab.host(place).sh(['bash', '-c', 'printf "#!/bin/sh\\nexit 0\\n" > /etc/libvirt/hooks/qemu'])
  }
  const xml = await lab.guestXml({ name: 'bare', uuid: uuids.bare, volume: 'vms/bare' })
  await lab.host('hv1').sh(['virsh', '-q', 'create', lab.sharedFile('bare.xml', xml)])
  return measure(lab, 'bare', (from, to) => {
    const uri = `qemu+tcp://${lab.host(to).address('cluster')}/system`
    return lab.host(from).sh(['virsh', '-q', 'migrate', '--live', '--p2p', 'bare', uri])
  })
}

/** Reports medians of both, their ratio, and how much longer the guest is silent. */
export async function run(report: Report): Promise<void> {
  const lab = await startLab({ name: 'bench-migrate', say: (line) => console.log(line) })
  try {
    const samples = { pvc: await ours(lab), virsh: await bare(lab) }
    const params = { guests: 'real', memory_mib: 96 }
    const median = (of: readonly Sample[], what: keyof Sample) =>
      percentile(
        of.map((each) => each[what]),
        50,
      )
    const [total, bareTotal] = [median(samples.pvc, 'totalMs'), median(samples.virsh, 'totalMs')]
    const [silent, bareSilent] = [median(samples.pvc, 'blackoutMs'), median(samples.virsh, 'blackoutMs')]
    report({ metric: 'pvc_total_ms_p50', value: total, unit: 'ms', params, n: rounds })
    report({ metric: 'virsh_total_ms_p50', value: bareTotal, unit: 'ms', params, n: rounds })
    report({ metric: 'ratio', value: total / bareTotal, unit: '1', params, n: rounds })
    report({ metric: 'pvc_blackout_ms_p50', value: silent, unit: 'ms', params, n: rounds })
    report({ metric: 'virsh_blackout_ms_p50', value: bareSilent, unit: 'ms', params, n: rounds })
    report({ metric: 'blackout_delta_ms', value: silent - bareSilent, unit: 'ms', params, n: rounds })
  } finally {
    await lab.down()
  }
}
