/**
 * How long a line takes from the guest's write into its log file until it is seen: by a reader of the store, by a client that
 * asks the API, and on the standard output of `pvc vm log -f`. API and `pvc` are processes of their own, from the build.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { FakeLog } from '../../src/adapters/fake/log.ts'
import { sleep } from '../../src/base/clock.ts'
import { followStream } from '../../src/operations/stream-follow.ts'
import { tree } from '../../src/schema/tree.ts'
import { pollUntil } from '../lab/poll.ts'
import { referenceKey } from './console-reference.ts'
import { clock, Rig, uuidOf } from './console-rig.ts'
import { percentile, type Report } from './figure.ts'

const SAMPLES = 100
const VM = 'vm0'
const build = join(import.meta.dirname, '..', '..', 'dist')

/** Somebody who sees what was printed, until `end`. */
type Reader = { readonly seen: (marker: string) => boolean | Promise<boolean>; readonly end: () => void }

async function measure(
  rig: Rig,
  params: Readonly<Record<string, string | number>>,
  { seen, end }: Reader,
  intervalMs: number,
  report: Report,
): Promise<void> {
  const took: number[] = []
  try {
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const marker = `mark-${sample}-${Date.now()}`
      // At no fixed place within the half second.
      await sleep(clock, 100 + ((sample * 137) % 500))
      const startMs = clock.nowMs()
      appendFileSync(rig.file(0), `${marker}\n`)
      await pollUntil({ what: marker, timeoutMs: 20_000, intervalMs }, async () => seen(marker))
      took.push(clock.nowMs() - startMs)
    }
  } finally {
    end()
  }
  for (const percent of [50, 99])
    report({ metric: `latency_ms_p${percent}`, value: percentile(took, percent), unit: 'ms', params, n: SAMPLES })
}

/** Reads the stream as an API does; nobody is told that somebody follows. */
function storeReader(rig: Rig): Reader {
  const stop = new AbortController()
  let text = ''
  const keys = tree.vm(uuidOf(0)).console
  const world = { store: rig.store, clock, log: new FakeLog() }
  const events = followStream(world, keys, { line: 1, column: 0 }, stop.signal)
  const done = (async () => {
    for await (const event of events) if (event.kind === 'text') text += `${event.text}\n`
  })()
  return {
    seen: (marker) => text.includes(marker),
    end: () => {
      stop.abort()
      void done
    },
  }
}

/** `pvc vm log -f`, as in a terminal. */
function terminalReader(dir: string, apiPort: number): Reader {
  const connection = { description: 'bench', host: '127.0.0.1', port: apiPort, scheme: 'http', api_key: null }
  writeFileSync(join(dir, 'pvc.json'), JSON.stringify({ bench: connection }))
  const env = { ...process.env, PVC_CLIENT_DIR: dir, PVC_CONNECTION: 'bench' }
  const argv = [join(build, 'cli/pvc.cjs'), '-q', 'vm', 'log', '-f', VM]
  const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    text += data
  })
  return { seen: (marker) => text.includes(marker), end: () => child.kill('SIGINT') }
}

/** Starts pvcapid on the rig's ensemble, without tokens, and waits until it knows the VM. */
async function startApi(
  dir: string,
  servers: string,
): Promise<{ readonly port: number; readonly child: ChildProcess }> {
  const port = await freePort()
  const config = join(dir, 'pvc.yaml')
  const sections = {
    cluster: { name: 'bench', coordinators: ['hv1'], keyFile: join(dir, 'no-cluster.key') },
    node: { name: 'hv1', clusterAddress: '127.0.0.1', storageAddresses: ['127.0.0.1'] },
    zookeeper: { servers: servers.split(','), sessionTimeoutMs: 4000 },
    ceph: { secretUuid: '00000000-0000-4000-8000-000000000000' },
    api: { port, listen: ['127.0.0.1'], localTokenFile: join(dir, 'token'), auth: { enabled: false } },
    logging: { level: 'error' },
  }
  writeFileSync(config, JSON.stringify(sections))
  const argv = [join(build, 'bin/pvcapid.js'), '--config', config]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 2, 2] })
  await pollUntil({ what: 'the API', timeoutMs: 30_000, intervalMs: 100 }, async () => {
    if (child.exitCode !== null) throw new Error(`pvcapid ended with ${child.exitCode}`)
    return (await fetch(consoleUrl(port, 1)).catch(() => undefined))?.ok
  })
  return { port, child }
}

const consoleUrl = (port: number, lines: number) => `http://127.0.0.1:${port}/api/v1/vm/${VM}/console?lines=${lines}`

async function freePort(): Promise<number> {
  const server = await listen(createServer())
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

function listen(server: Server): Promise<Server> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

async function streams(servers: string, root: string, report: Report): Promise<void> {
  const dir = mkdtempSync(join(root, 'api-'))
  const rig = await Rig.start('streams', 1, servers, root)
  let api: ChildProcess | undefined
  const params = { design: 'streams', guests: 1 }
  try {
    await rig.settled()
    await measure(rig, { ...params, followed: 0, seen_by: 'store' }, storeReader(rig), 2, report)
    const { port, child } = await startApi(dir, servers)
    api = child
    const asked: Reader = {
      seen: async (marker) => (await (await fetch(consoleUrl(port, 5))).text()).includes(marker),
      end: () => undefined,
    }
    await measure(rig, { ...params, followed: 0, seen_by: 'http' }, asked, 10, report)
    const terminal = terminalReader(dir, port)
    await pollUntil({ what: 'pvc vm log', timeoutMs: 20_000 }, async () => terminal.seen('mark-'))
    await measure(rig, { ...params, followed: 1, seen_by: 'terminal' }, terminal, 2, report)
  } finally {
    api?.kill('SIGKILL')
    await rig.close()
  }
}

/** The older API answers with the text in the store; the older client asks twice a second. */
async function reference(servers: string, root: string, report: Report): Promise<void> {
  const rig = await Rig.start('reference', 1, servers, root)
  const textOf = async () => (await rig.session.get(referenceKey(uuidOf(0))))?.value ?? ''
  const server = await listen(
    createServer((_, response) => {
      textOf().then(
        (text) => response.end(JSON.stringify({ name: VM, data: text })),
        () => response.destroy(),
      )
    }),
  )
  const { port } = server.address() as AddressInfo
  const asked: Reader = {
    seen: async (marker) => (await (await fetch(`http://127.0.0.1:${port}`)).text()).includes(marker),
    end: () => undefined,
  }
  try {
    await rig.settled()
    const params = { design: 'reference', guests: 1, followed: 1, seen_by: 'terminal' }
    await measure(rig, params, asked, 500, report)
  } finally {
    server.closeAllConnections()
    server.close()
    await rig.close()
  }
}

/** Reports latencies of both designs for one guest that prints a line now and then. */
export async function latencies(servers: string, root: string, report: Report): Promise<void> {
  await streams(servers, root, report)
  await reference(servers, root, report)
}
