/**
 * How long `GET /vm` takes with many VMs: the real daemon in a process of its own, on a real three-server ensemble, over
 * HTTP on loopback with a new connection for each request, while every node's statistics change every 5 s.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSystemClock } from '../../src/adapters/clock/system.ts'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { createZooKeeperStore } from '../../src/adapters/zookeeper/store.ts'
import { sleep } from '../../src/base/clock.ts'
import { emptyVmStatus, VmSpec, type VmStatus } from '../../src/model/domain.ts'
import { LifeId, NodeName, VmUuid } from '../../src/model/ids.ts'
import type { GuestStats, NodeStats } from '../../src/model/node.ts'
import { initialiseCluster } from '../../src/operations/cluster.ts'
import type { StoreSession } from '../../src/ports/store.ts'
import { tree } from '../../src/schema/tree.ts'
import { nodeStatus, vmXml } from '../api/cluster.ts'
import { pollUntil } from '../lab/poll.ts'
import { startEnsemble } from '../lab/zookeeper.ts'
import { percentile, type Report } from './figure.ts'

const VM_COUNTS = [1000, 5000] as const
/** ZooKeeper keeps its last 500 transactions in memory: with larger documents the servers of the lab need more of it. */
const VMS_PER_NODE = 100
const REQUESTS = 200
/** Three intervals of statistics, after which a daemon that just started is as quick as it will be. */
const WARM_UP_REQUESTS = 150
const PAUSE_MS = 100
const STATS_INTERVAL_MS = 5000
const XML_BYTES = 3900
const LIFE = LifeId.parse('life-1')

const daemon = join(import.meta.dirname, '..', '..', 'src', 'bin', 'pvcapid.ts')
const clock = createSystemClock()

const uuidOf = (index: number) => VmUuid.parse(`00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`)
const nodeOf = (index: number) => NodeName.parse(`hv${Math.floor(index / VMS_PER_NODE) + 1}`)

function vmSpec(index: number): VmSpec {
  const name = `vm${String(index).padStart(4, '0')}`
  const xml = vmXml(name, { uuid: uuidOf(index) })
  return VmSpec.parse({
    uuid: uuidOf(index),
    name,
    generation: 1,
    power: 'on',
    wishes: { start: 1, restart: 0, stopNow: 0 },
    node: nodeOf(index),
    lastNode: null,
    hold: null,
    xml: xml.replace('<devices>', `<!-- ${'x'.repeat(XML_BYTES - xml.length)} --><devices>`),
    description: `Synthetic VM ${name}`,
    memoryMiB: 2048,
    vcpus: 2,
    rbdList: [`vms/${name}_sda`],
    meta: {
      nodeLimit: [],
      selector: 'none',
      autostart: true,
      migrationMethod: 'none',
      migrationMaxDowntimeMs: 300,
      profile: 'default',
      startPriority: 50,
      antiAffinityGroup: '',
    },
    tags: [{ name: 'team0', type: 'user', protected: false }],
  })
}

function vmStatus(index: number): VmStatus {
  const run = { node: nodeOf(index), life: LIFE, holder: null }
  const done = { start: 1, restart: 0, stopNow: 0 }
  return {
    ...emptyVmStatus(1, 0),
    run,
    phase: 'running',
    observedGeneration: 1,
    done,
    vnc: { listen: '::', port: 5900 },
  }
}

const MEMORY = ['actual', 'swap_in', 'swap_out', 'major_fault', 'minor_fault', 'unused', 'available', 'usable']
const MORE_MEMORY = ['last_update', 'disk_caches', 'hugetlb_pgalloc', 'hugetlb_pgfail', 'rss']

function guestStats(index: number, beat: number): GuestStats {
  const at = 1_000_000 + index + beat
  const traffic = {
    rxBytes: at,
    rxPackets: at,
    rxErrors: 0,
    rxDrops: 0,
    txBytes: at,
    txPackets: at,
    txErrors: 0,
    txDrops: 0,
  }
  return {
    uuid: uuidOf(index),
    cpuTimeNs: at * 1e6,
    cpuUserNs: at * 1e5,
    cpuSystemNs: at * 1e5,
    memoryKiB: Object.fromEntries([...MEMORY, ...MORE_MEMORY].map((name) => [name, at])),
    vcpus: 2,
    disks: [{ dev: 'sda', readRequests: at, readBytes: at, writeRequests: at, writeBytes: at }],
    interfaces: [{ dev: `vnet${index}`, ...traffic }],
  }
}

function nodeNumbers(vms: number): number[] {
  return Array.from({ length: Math.ceil(vms / VMS_PER_NODE) }, (_, number) => number)
}

function nodeStats(number: number, vms: number, beat: number): NodeStats {
  const first = number * VMS_PER_NODE
  const count = Math.min(VMS_PER_NODE, vms - first)
  return {
    heartbeat: beat,
    guests: Array.from({ length: count }, (_, index) => guestStats(first + index, beat)),
    interfaces: {},
  }
}

async function fill(session: StoreSession, vms: number): Promise<void> {
  await initialiseCluster(session, { name: 'bench', shutdownTimeoutMs: 180_000 })
  for (const number of nodeNumbers(vms)) {
    const name = nodeOf(number * VMS_PER_NODE)
    const keys = tree.node(name)
    await session.create(keys.spec, { name, generation: 1, mode: 'hypervisor', wanted: 'ready', wish: 0 })
    await session.create(keys.status, nodeStatus(name))
    await session.create(keys.stats, nodeStats(number, vms, 0))
    await session.create(keys.alive, { life: LIFE }, 'ephemeral')
  }
  const all = Array.from({ length: vms }, (_, index) => index)
  const worker = async () => {
    for (let index = all.pop(); index !== undefined; index = all.pop()) {
      const keys = tree.vm(uuidOf(index))
      await session.create(keys.spec, vmSpec(index))
      await session.create(keys.status, vmStatus(index))
    }
  }
  await Promise.all(Array.from({ length: 64 }, worker))
}

/** Writes every node's statistics every 5 s, as their daemons do; stops when told. */
function beatNodes(session: StoreSession, vms: number): () => Promise<void> {
  let beat = 0
  let writing: Promise<unknown> = Promise.resolve()
  const write = async () => {
    beat += 1
    for (const number of nodeNumbers(vms)) {
      const key = tree.node(nodeOf(number * VMS_PER_NODE)).stats
      const present = await session.get(key)
      await session.set(key, nodeStats(number, vms, beat), present?.version ?? 0)
    }
  }
  // A missed interval on a busy machine changes nothing; it is said on standard error.
  const timer = setInterval(() => {
    writing = writing.then(write).catch((error: unknown) => console.error('statistics not written:', error))
  }, STATS_INTERVAL_MS)
  return async () => {
    clearInterval(timer)
    await writing
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      )
    })
  })
}

type Daemon = { readonly url: string; readonly token: () => string; stop(): Promise<void> }

async function startDaemon(dir: string, servers: readonly string[]): Promise<Daemon> {
  const port = await freePort()
  const tokenFile = join(dir, 'token')
  const config = {
    cluster: { name: 'bench', coordinators: ['hv1'] },
    node: { name: 'hv1', clusterAddress: '127.0.0.1', storageAddresses: ['127.0.0.1'] },
    zookeeper: { servers },
    ceph: { secretUuid: '00000000-0000-4000-8000-000000000000' },
    api: { port, listen: ['127.0.0.1'], localTokenFile: tokenFile },
    logging: { level: 'warn' },
  }
  const file = join(dir, 'pvc.yaml')
  writeFileSync(file, JSON.stringify(config))
  const log = openSync(join(dir, 'pvcapid.log'), 'a')
  const argv = ['--import', 'tsx', daemon, '--config', file]
  // pdeathsig: a bench that is killed leaves no daemon behind.
  const command = ['--pdeathsig', 'KILL', process.execPath, ...argv]
  const child: ChildProcess = spawn('setpriv', command, { stdio: ['ignore', log, log] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    url: `http://127.0.0.1:${port}/api/v1`,
    token: () => readFileSync(tokenFile, 'utf8').trim(),
    async stop() {
      child.kill('SIGTERM')
      const kill = setTimeout(() => child.kill('SIGKILL'), 12_000)
      await ended
      clearTimeout(kill)
    },
  }
}

type Answer = { readonly status: number; readonly bytes: number; readonly ms: number }

/** One request on a new connection, until the last byte. */
function request(url: string, token: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const begun = performance.now()
    const sent = get(url, { agent: false, headers: { 'x-api-key': token } }, (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.once('error', reject)
      response.once('end', () => resolve({ status: response.statusCode ?? 0, bytes, ms: performance.now() - begun }))
    })
    sent.once('error', reject)
    sent.setTimeout(30_000, () => sent.destroy(new Error('no answer within 30 s')))
  })
}

async function measure(url: string, token: string, count: number): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let index = 0; index < count; index += 1) {
    const answer = await request(url, token)
    if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}`)
    answers.push(answer)
    await sleep(clock, PAUSE_MS)
  }
  return answers
}

async function runOnce(vms: number, report: Report): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'pvc-api-'))
  const stops: (() => Promise<void>)[] = [async () => rmSync(dir, { recursive: true, force: true })]
  try {
    const ensemble = await startEnsemble({ dir })
    stops.push(() => ensemble.stop())
    const servers = ensemble.connectString.split(',')
    const store = createZooKeeperStore({ servers, root: '/pvc', sessionTimeoutMs: 20_000, clock, log: new FakeLog() })
    stops.push(() => store.close())
    const session = await store.connected(10_000)
    await fill(session, vms)
    const daemon = await startDaemon(dir, servers)
    stops.push(() => daemon.stop())
    await pollUntil({ what: 'the API with all VMs', timeoutMs: 60_000, intervalMs: 200 }, async () => {
      const answer = await request(`${daemon.url}/vm`, daemon.token()).catch(() => undefined)
      return answer?.status === 200 && answer.bytes > vms * XML_BYTES
    })
    stops.push(beatNodes(session, vms))
    const token = daemon.token()
    await measure(`${daemon.url}/vm`, token, WARM_UP_REQUESTS)
    const list = await measure(`${daemon.url}/vm`, token, REQUESTS)
    const bare = await measure(`${daemon.url}/`, token, 50)
    const params = {
      vms,
      guests: 'test',
      nodes: nodeNumbers(vms).length,
      stats_interval_ms: STATS_INTERVAL_MS,
      bytes: list.at(-1)?.bytes ?? 0,
    }
    const times = list.map(({ ms }) => ms)
    const bareTimes = bare.map(({ ms }) => ms)
    report({ metric: 'latency_ms_p50', value: percentile(times, 50), unit: 'ms', params, n: times.length })
    report({ metric: 'latency_ms_p99', value: percentile(times, 99), unit: 'ms', params, n: times.length })
    const baseline = { metric: 'baseline_ms_p50', unit: 'ms', params: { request: 'GET /' }, n: bareTimes.length }
    report({ ...baseline, value: percentile(bareTimes, 50) })
  } finally {
    await endAll(stops.reverse())
  }
}

/** Runs every step, also after one failed; then throws what failed first. */
async function endAll(stops: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const stop of stops) await stop().catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}

/** Reports median and 99th percentile for each number of VMs, and beside them the smallest request of the same daemon. */
export async function run(report: Report): Promise<void> {
  for (const vms of VM_COUNTS) await runOnce(vms, report)
}
