/**
 * `pvc node flush --wait` of a node with eight guests against the same moves by bare virsh, one after another, in the same
 * run. The two kinds of guest run one after the other: sixteen emulated guests at once would leave a small machine no time.
 */
import { type Lab, startLab } from '../lab/lab.ts'
import { allowBare, bareName, loadNow, moveBare, startBare } from './bare-virsh.ts'
import { percentile, type Report } from './figure.ts'

const guests = Array.from({ length: 8 }, (_, index) => index)
/** On a busy machine one flush must do: no other begins when the bench has taken so long already. */
const rounds = 3
const lastRoundMs = 120_000
const home = 'hv1'
/** An emulated guest that boots beside seven others on a busy machine takes its time. */
const waitMs = 180_000

function oursName(guest: number): string {
  return `ours${guest}`
}

/** All guests beat once more than now. */
async function untilAllBeat(lab: Lab, names: readonly string[]): Promise<void> {
  const before = names.map((name) => ({ name, after: lab.heartbeats(name).at(-1) }))
  for (const { name, after } of before) await lab.waitForHeartbeat(name, { after, timeoutMs: waitMs })
}

async function timeMs(what: string, work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  const tookMs = performance.now() - startMs
  console.log(`${what}: ${(tookMs / 1000).toFixed(1)} s, load ${loadNow()}`)
  return tookMs
}

/** How many domains of a kind libvirt of the node runs. */
async function countAtHome(lab: Lab, kind: string): Promise<number> {
  const { stdout } = await lab.host(home).sh(['virsh', '-q', 'list', '--name'], { timeoutMs: 30_000 })
  return stdout.split('\n').filter((name) => name.startsWith(kind)).length
}

async function startOurs(lab: Lab): Promise<void> {
  await lab.pvc(['-q', 'storage', 'pool', 'add', 'vms', '8', '--replcfg', 'copies=1,mincopies=1'])
  for (const guest of guests) {
    const name = oursName(guest)
    const volume = `vms/${name}`
    await lab.pvc(['-q', 'storage', 'volume', 'add', 'vms', name, '16M'])
    const xml = await lab.guestXml({ name, uuid: `aaaaaaaa-0000-4000-8000-0000000000d${guest}`, volume })
    await lab.pvc(['-q', 'vm', 'define', '-t', home, '-s', 'vms', lab.sharedFile(`${name}.xml`, xml)])
    await lab.pvc(['-q', 'vm', 'start', name])
  }
  await untilAllBeat(lab, guests.map(oursName))
}

async function flush(lab: Lab): Promise<void> {
  const { stderr } = await lab.pvc(['node', 'flush', home, '-w'], { timeoutMs: waitMs })
  console.log(stderr.trim())
  const left = await countAtHome(lab, 'ours')
  if (left > 0) throw new Error(`flushed, and ${left} guests run there still`)
}

async function ready(lab: Lab): Promise<void> {
  await lab.pvc(['-q', 'node', 'ready', home, '-w'], { timeoutMs: waitMs })
  const back = await countAtHome(lab, 'ours')
  if (back < guests.length) throw new Error(`ready, and only ${back} guests came home`)
}

/** Flush and the way back, in ms of each. */
async function ours(lab: Lab, startMs: number): Promise<{ readonly flushMs: number[]; readonly readyMs: number[] }> {
  await timeMs('8 guests of ours started', () => startOurs(lab))
  const [flushMs, readyMs]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round += 1) {
    flushMs.push(await timeMs('flush', () => flush(lab)))
    readyMs.push(await timeMs('ready', () => ready(lab)))
    await untilAllBeat(lab, guests.map(oursName))
    if (performance.now() - startMs > lastRoundMs) break
  }
  for (const guest of guests) await lab.pvc(['-q', 'vm', 'stop', '-y', '-w', oursName(guest)])
  return { flushMs, readyMs }
}

/** The same moves, one after another: half of the guests to each of the others, as the flush sends them. */
async function bare(lab: Lab): Promise<number> {
  await allowBare(lab)
  await timeMs('8 bare guests started', async () => {
    for (const guest of guests) await startBare(lab, guest, home)
    await untilAllBeat(lab, guests.map(bareName))
  })
  return timeMs('the same moves by virsh', async () => {
    for (const guest of guests) await moveBare(lab, guest, home, guest % 2 === 0 ? 'hv2' : 'hv3')
  })
}

/** Reports the seconds of a whole flush, its ratio to bare virsh, and the seconds of the way back. */
export async function run(report: Report): Promise<void> {
  const startMs = performance.now()
  const lab = await startLab({ name: 'bench-flush', say: (line) => console.log(line) })
  try {
    const { flushMs, readyMs } = await ours(lab, startMs)
    const virshS = (await bare(lab)) / 1000
    const params = { guests: 'real', count: guests.length, memory_mib: 96, parallel: 2, load: loadNow() }
    const [flushS, readyS] = [percentile(flushMs, 50) / 1000, percentile(readyMs, 50) / 1000]
    const n = flushMs.length
    report({ metric: 'seconds', value: flushS, unit: 's', params, n })
    report({ metric: 'ready_seconds', value: readyS, unit: 's', params, n })
    report({ metric: 'virsh_seconds', value: virshS, unit: 's', params, n: 1 })
    report({ metric: 'ratio', value: flushS / virshS, unit: '1', params, n })
  } catch (error) {
    lab.collect(`${lab.dir}-failed`)
    console.log(`logs of the failed bench: ${lab.dir}-failed`)
    throw error
  } finally {
    await lab.down()
  }
}
