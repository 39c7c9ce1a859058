/** The API daemon as systemd runs it, on a real ZooKeeper server. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pollUntil } from '../lab/poll.ts'
import { type Ensemble, startEnsemble } from '../lab/zookeeper.ts'

const root = join(import.meta.dirname, '..', '..')
const program = ['--import', 'tsx', join(root, 'src', 'bin', 'pvcapid.ts')]

let dir: string
let ensemble: Ensemble
let config: string
let url: string
let daemon: ChildProcess
let exit: Promise<number | null>

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(address)))
    })
  })
}

function start(): void {
  const log = openSync(join(dir, 'pvcapid.log'), 'a')
  const argv = ['--pdeathsig', 'KILL', process.execPath, ...program, '--config', config]
  daemon = spawn('setpriv', argv, { cwd: root, stdio: ['ignore', log, log] })
  closeSync(log)
  exit = new Promise((resolve) => daemon.once('exit', (code) => resolve(code)))
}

function pvcapid(...args: string[]): string {
  const stdio: ('ignore' | 'pipe')[] = ['ignore', 'pipe', 'pipe']
  const options = { cwd: root, encoding: 'utf8' as const, timeout: 30_000, stdio }
  return execFileSync(process.execPath, [...program, ...args], options)
}

type Reply = { status: number; body: unknown; ms: number }

async function call(method: string, path: string, token?: string): Promise<Reply> {
  const begun = performance.now()
  const headers: Record<string, string> = token === undefined ? {} : { 'x-api-key': token }
  const response = await fetch(`${url}${path}`, { method, headers, signal: AbortSignal.timeout(20_000) })
  return { status: response.status, body: await response.json(), ms: performance.now() - begun }
}

const localToken = () => readFileSync(join(dir, 'token'), 'utf8').trim()

function served(status: number, path = '/vm'): Promise<boolean> {
  return pollUntil({ what: `${path} answering ${status}`, timeoutMs: 30_000, intervalMs: 100 }, async () => {
    const reply = await call('GET', path, localToken()).catch(() => undefined)
    return reply?.status === status
  })
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pvc-api-'))
  ensemble = await startEnsemble({ dir, servers: 1 })
  const port = await freePort()
  url = `http://127.0.0.1:${port}/api/v1`
  config = join(dir, 'pvc.yaml')
  const sections = {
    cluster: { name: 'test', coordinators: ['hv1'] },
    node: { name: 'hv1', clusterAddress: '127.0.0.1', storageAddresses: ['127.0.0.1'] },
    zookeeper: { servers: ensemble.connectString.split(','), sessionTimeoutMs: 4000 },
    ceph: { secretUuid: '00000000-0000-4000-8000-000000000000' },
    api: { port, listen: ['127.0.0.1'], localTokenFile: join(dir, 'token') },
  }
  writeFileSync(config, JSON.stringify(sections))
  start()
})

afterAll(async () => {
  daemon.kill('SIGKILL')
  await exit
  await ensemble.stop()
  rmSync(dir, { recursive: true, force: true })
})

describe('pvcapid', () => {
  it('prepares an empty tree, and gives root a token that only root can read', async () => {
    await served(200)
    expect(statSync(join(dir, 'token')).mode & 0o777).toBe(0o600)
    expect((await call('GET', '/status', localToken())).body).toMatchObject({
      cluster_name: 'test',
      nodes: { total: 0 },
    })
    expect((await call('GET', '/vm')).status).toBe(401)
  })

  it('issues tokens that work at once, and shows each only once', async () => {
    const printed = pvcapid(
      '--config',
      config,
      '--create-token',
      '--role',
      'read-only',
      '--description',
      'a monitor',
    ).trim()
    expect(printed).toMatch(/^pvc_[\w-]{43}$/)
    await pollUntil({ what: 'the new token', timeoutMs: 5000, intervalMs: 50 }, async () => {
      return (await call('GET', '/vm', printed)).status === 200
    })
    expect((await call('POST', '/status?state=true', printed)).status).toBe(403)
    const file = join(dir, 'second')
    const args = ['--create-token', '--role', 'admin', '--description', 'x', '--write', file]
    expect(pvcapid('--config', config, ...args)).toBe('')
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('refuses changes at once while ZooKeeper is away, and works again when it is back', async () => {
    await ensemble.kill(0)
    await pollUntil({ what: 'the outage to be noticed', timeoutMs: 10_000, intervalMs: 50 }, async () => {
      return (await call('POST', '/status?state=true', localToken())).status === 503
    })
    const refused = await call('POST', '/status?state=true', localToken())
    expect(refused).toMatchObject({ status: 503, body: { message: expect.stringContaining('ZooKeeper') } })
    // At once, not when the time limit of a request is over.
    expect(refused.ms).toBeLessThan(2000)
    expect((await call('GET', '/vm', localToken())).status).toBe(200)
    await ensemble.restart(0)
    await pollUntil({ what: 'changes to work again', timeoutMs: 30_000, intervalMs: 100 }, async () => {
      return (await call('POST', '/status?state=true', localToken())).status === 200
    })
    expect((await call('GET', '/status', localToken())).body).toMatchObject({ maintenance: 'true' })
  })

  it('ends in good order on SIGTERM, and keeps its token over a restart', async () => {
    const before = localToken()
    daemon.kill('SIGTERM')
    expect(await exit).toBe(0)
    start()
    await served(200)
    expect(localToken()).toBe(before)
  })

  it('ends when it cannot listen, so that systemd starts it again', () => {
    const sections = JSON.parse(readFileSync(config, 'utf8')) as { api: Record<string, unknown> }
    const noCertificate = join(dir, 'absent.crt')
    const failing = {
      // The address of no interface, as early during boot; then a port that the running daemon has.
      EADDRNOTAVAIL: { ...sections.api, listen: ['192.0.2.1'] },
      EADDRINUSE: sections.api,
      ENOENT: { ...sections.api, tls: { certificate: noCertificate, key: noCertificate } },
    }
    const file = join(dir, 'failing.yaml')
    for (const [code, api] of Object.entries(failing)) {
      writeFileSync(file, JSON.stringify({ ...sections, api }))
      // With a status: it ended by itself, within the time that pvcapid() gives it.
      expect(() => pvcapid('--config', file)).toThrow(
        expect.objectContaining({ status: 1, stderr: expect.stringContaining(code) }),
      )
    }
  }, 60_000)

  it('prints what it understood, its version, and every error of a configuration', () => {
    expect(pvcapid('--config', config, '--check')).toContain('sessionTimeoutMs: 4000')
    expect(pvcapid('--version')).toMatch(/^pvcapid \d/)
    const broken = join(dir, 'broken.yaml')
    writeFileSync(broken, 'cluster: {name: x, coordinators: [hv1]}\nnode: {clusterAddress: nowhere}\n')
    expect(() => pvcapid('--config', broken, '--check')).toThrow(/clusterAddress(.|\n)*zookeeper/)
  })
})
