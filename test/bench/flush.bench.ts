/** `pvc node flush --wait` of a node with eight guests against the same moves by bare virsh, one after another. */
import { type Lab, startLab } from '../lab/lab.ts'
import { pollUntil } from '../lab/poll.ts'
import { percentile, type Report } from './figure.ts'

const guests = Array.from({ length: 8 }, (_, index) => index)
const rounds = 3
const home = 'hv1'

type Kind = 'ours' | 'bare'

function nameOf(kind: Kind, guest: number): string {
  return `${kind}${guest}`
}

function uuidOf(kind: Kind, guest: number): string {
  return `aaaaaaaa-0000-4000-8000-0000000000${kind === 'ours' ? 'd' : 'e'}${guest}`
}

/** Definition of a guest, as a file that every host sees. */
async function fileOf(lab: Lab, kind: Kind, guest: number): Promise<string> {
  const name = nameOf(kind, guest)
  const volume = `vms/${name}`
  await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', name, '16M'])
  return lab.sharedFile(`${name}.xml`, await lab.guestXml({ name, uuid: uuidOf(kind, guest), volume }))
}

/** All guests beat once more than now. */
async function untilAllBeat(lab: Lab, kind: Kind): Promise<void> {
  for (const guest of guests) {
    const name = nameOf(kind, guest)
    await lab.waitForHeartbeat(name, { after: lab.heartbeats(name).at(-1), timeoutMs: 120_000 })
  }
}

async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

/** Names of the domains that libvirt of a host runs. */
async function domainsAt(lab: Lab, host: string): Promise<readonly string[]> {
  const { stdout } = await lab.host(host).sh(['virsh', '-q', 'list', '--name'])
  return stdout.split('\n').filter((name) => name !== '')
}

type Ours = { readonly flushMs: readonly number[]; readonly readyMs: readonly number[] }

async function ours(lab: Lab): Promise<Ours> {
  for (const guest of guests)
    await lab.pvc(['-q', 'vm', 'define', '-t', home, '-s', 'vms', await fileOf(lab, 'ours', guest)])
  for (const guest of guests) await lab.pvc(['-q', 'vm', 'start', nameOf('ours', guest)])
  await untilAllBeat(lab, 'ours')
  const flushMs: number[] = []
  const readyMs: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    flushMs.push(await timeMs(() => lab.pvc(['-q', 'node', 'flush', home, '-w'], { timeoutMs: 300_000 })))
    const left = await domainsAt(lab, home)
    if (left.length > 0) throw new Error(`flushed, and these run there still: ${left.join(', ')}`)
    await untilAllBeat(lab, 'ours')
    readyMs.push(await timeMs(() => lab.pvc(['-q', 'node', 'ready', home, '-w'], { timeoutMs: 300_000 })))
    const back = await domainsAt(lab, home)
    if (back.length < guests.length) throw new Error(`ready, and only these came home: ${back.join(', ')}`)
    await untilAllBeat(lab, 'ours')
  }
  for (const guest of guests) await lab.pvc(['-q', 'vm', 'stop', '-y', '-w', nameOf('ours', guest)])
  return { flushMs, readyMs }
}

/** Where the flush sends its guests too: half of them to each of the others. */
function targetOf(guest: number): string {
  return guest % 2 === 0 ? 'hv2' : 'hv3'
}

async function bare(lab: Lab): Promise<readonly number[]> {
  const files: string[] = []
  for (const guest of guests) files.push(await fileOf(lab, 'bare', guest))
  for (const host of lab.hosts) {
    // Bare means bare: no daemon that would end a domain it does not know, and no permit to ask for.
    await host.service('pvcnoded', 'stop')
    await host.sh(['bash', '-c', 'printf "#!/bin/sh\\nexit 0\\n" > /etc/libvirt/hooks/qemu'])
  }
  for (const file of files) await lab.host(home).sh(['virsh', '-q', 'create', file])
  await untilAllBeat(lab, 'bare')
  const move = (guest: number, from: string, to: string) => {
    const uri = `qemu+tcp://${lab.host(to).address('cluster')}/system`
    return lab
      .host(from)
      .sh(['virsh', '-q', 'migrate', '--live', '--p2p', nameOf('bare', guest), uri], { timeoutMs: 120_000 })
  }
  const emptyMs: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    emptyMs.push(
      await timeMs(async () => {
        for (const guest of guests) await move(guest, home, targetOf(guest))
      }),
    )
    await untilAllBeat(lab, 'bare')
    for (const guest of guests) await move(guest, targetOf(guest), home)
    const what = 'every bare guest at home'
    await pollUntil({ what, timeoutMs: 30_000 }, async () => (await domainsAt(lab, home)).length === guests.length)
    await untilAllBeat(lab, 'bare')
  }
  return emptyMs
}

/** Reports the seconds of a whole flush, its ratio to bare virsh, and the seconds of the way back. */
export async function run(report: Report): Promise<void> {
  const lab = await startLab({ name: 'bench-flush', say: (line) => console.log(line) })
  try {
    await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', 'copies=1,mincopies=1'])
    const { flushMs, readyMs } = await ours(lab)
    const bareMs = await bare(lab)
    console.log(`flush ${flushMs.map(Math.round)}, ready ${readyMs.map(Math.round)}, bare ${bareMs.map(Math.round)} ms`)
    const params = { guests: 'real', count: guests.length, memory_mib: 96, parallel: 2 }
    const [flush, ready, one] = [flushMs, readyMs, bareMs].map((samples) => percentile([...samples], 50) / 1000)
    if (flush === undefined || ready === undefined || one === undefined) throw new Error('no samples')
    report({ metric: 'seconds', value: flush, unit: 's', params, n: rounds })
    report({ metric: 'ready_seconds', value: ready, unit: 's', params, n: rounds })
    report({ metric: 'virsh_seconds', value: one, unit: 's', params, n: rounds })
    report({ metric: 'ratio', value: flush / one, unit: '1', params, n: rounds })
  } finally {
    await lab.down()
  }
}
