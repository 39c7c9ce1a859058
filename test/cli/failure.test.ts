import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { testCertificate, testKey } from './certificate.ts'
import { nodes, vm } from './cluster.ts'
import { type FakeApi, startFakeApi } from './fake-api.ts'
import { runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A port on which nothing listens: it was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

function store(host: string, port: number | string, scheme = 'http'): Record<string, string> {
  return {
    'pvc.json': JSON.stringify({ test: { description: 'T', host, port: 'NUMBER', scheme, api_key: 'secret' } }).replace(
      '"NUMBER"',
      String(port),
    ),
  }
}

const env = { PVC_CONNECTION: 'test' }

describe('a server that fails', () => {
  const list = {
    'GET /node': [
      { status: 502, text: 'Bad Gateway' },
      { status: 503, json: { message: 'No quorum.' } },
      { json: nodes },
    ],
  }
  transcript('server-failure', [
    { title: 'For a moment: reads are repeated', argv: ['node', 'list', '-f', 'raw'], routes: list },
    {
      title: 'For longer',
      argv: ['node', 'list'],
      routes: { 'GET /node': { status: 503, json: { message: 'ZooKeeper cannot be reached.' } } },
    },
    {
      title: 'A change is not repeated',
      argv: ['vm', 'start', 'web'],
      routes: { 'POST /vm/web/state': { status: 503, json: { message: 'ZooKeeper cannot be reached.' } } },
    },
    {
      title: 'Trying again would not help',
      argv: ['vm', 'start', 'web'],
      routes: {
        'POST /vm/web/state': {
          status: 503,
          json: { message: 'Another release wrote this tree.' },
          headers: { 'X-Pvc-Error': 'PVC_STORE_SCHEMA' },
        },
      },
    },
    {
      title: 'A change that got no answer',
      argv: ['vm', 'start', 'web'],
      routes: { 'POST /vm/web/state': { hangUp: true } },
    },
    { title: 'A read that got no answer', argv: ['node', 'list'], routes: { 'GET /node': { hangUp: true } } },
    {
      title: 'Another server',
      argv: ['node', 'list'],
      routes: { 'GET /node': { status: 404, text: '<html>Not here</html>' } },
    },
    {
      title: 'A page instead of data',
      argv: ['node', 'list'],
      routes: { 'GET /node': { text: '<html>Welcome</html>' } },
    },
    {
      title: 'A key that is refused',
      argv: ['node', 'list'],
      routes: { 'GET /node': { status: 401, json: { message: 'No valid token was given.' } } },
    },
    {
      title: 'An error without a reason',
      argv: ['vm', 'info', 'web'],
      routes: { 'GET /vm/web': { status: 500, json: { oops: true } } },
    },
    {
      title: 'Two objects for one name',
      argv: ['vm', 'info', 'web'],
      routes: { 'GET /vm/web': { json: [vm(), vm()] } },
    },
    { title: 'Every request shown', argv: ['-v', 'node', 'is-primary', 'hv1'], routes: {} },
    {
      title: 'Every request shown, with what to look for in the log',
      argv: ['-v', 'vm', 'info', 'web'],
      routes: {
        'GET /vm/web': {
          status: 500,
          json: { message: 'It broke.' },
          headers: { 'X-Pvc-Error': 'PVC_STORE_VERSION', 'X-Request-Id': '7' },
        },
      },
    },
    { title: 'Silence', argv: ['-s', 'vm', 'info', 'web'], routes: {} },
    { title: 'Quiet still tells errors', argv: ['-q', 'vm', 'info', 'web'], routes: {} },
  ])

  it('sends the key and its name, and never shows the key', async () => {
    const { headers, stderr, stdout } = await runCli({
      argv: ['-v', 'node', 'list'],
      routes: { 'GET /node': { json: nodes } },
    })
    expect(headers[0]).toMatchObject({ 'x-api-key': 'secret', 'user-agent': 'pvc/2.0.0', accept: 'application/json' })
    expect(stderr + stdout).not.toContain('secret')
  })
})

describe('a server that cannot be reached', () => {
  it('says so when nothing listens', async () => {
    const port = await closedPort()
    const { exitCode, stderr } = await runCli({
      argv: ['-q', 'node', 'list'],
      isBare: true,
      env,
      files: store('127.0.0.1', port),
    })
    expect(exitCode).toBe(1)
    expect(stderr).toBe(
      `The API at http://127.0.0.1:${port} cannot be reached: nothing listens there: check the port, and that pvcapid runs.\n`,
    )
  })

  it('says so when the name does not exist', async () => {
    const files = store('no-such-host.invalid', 7370)
    const { stderr } = await runCli({ argv: ['-q', 'node', 'list'], isBare: true, env, files })
    expect(stderr).toMatch(
      /^The API at http:\/\/no-such-host\.invalid:7370 cannot be reached: its name cannot be resolved/,
    )
  })

  it('tries the next address, also for a change', async () => {
    const argv = ['-q', 'vm', 'start', 'web']
    const routes = { 'POST /vm/web/state': { json: { message: 'Starting.' } } }
    // 127.0.0.2 is this machine too, but the server listens on 127.0.0.1 only.
    const { stdout, requests } = await runCli({
      argv,
      isBare: true,
      env,
      routes,
      files: store('127.0.0.2, 127.0.0.1', 'PORT'),
    })
    expect([stdout, requests.length]).toEqual(['Starting.\n', 1])
  })

  it('does not send a change again to the next address once one has it', async () => {
    const first = await startFakeApi({ 'POST /vm/web/state': { hangUp: true } }, { host: '127.0.0.2', port: 0 })
    closers.push(() => first.close())
    const second = await startFakeApi({}, { host: '127.0.0.1', port: first.port })
    closers.push(() => second.close())
    const files = store('127.0.0.2,127.0.0.1', first.port)
    const { exitCode } = await runCli({ argv: ['vm', 'start', 'web'], isBare: true, env, files })
    expect([exitCode, first.requests.length, second.requests]).toEqual([1, 1, []])
  })

  it('names all addresses when none answers', async () => {
    const port = await closedPort()
    const { stderr } = await runCli({
      argv: ['-q', 'node', 'list'],
      isBare: true,
      env,
      files: store('127.0.0.1,127.0.0.2', port),
    })
    expect(stderr).toMatch(new RegExp(`^No API of http://127.0.0.1:${port}, http://127.0.0.2:${port} can be reached: `))
  })
})

describe('TLS', () => {
  async function startTls(): Promise<number> {
    const server = createTlsServer({ key: testKey, cert: testCertificate }, (_request, response) => {
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify(nodes))
    })
    return await listen(server)
  }

  it('checks the certificate', async () => {
    const files = store('127.0.0.1', await startTls(), 'https')
    const { exitCode, stderr } = await runCli({ argv: ['-q', 'node', 'list'], isBare: true, env, files })
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(
      /its certificate is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\): set PVC_CLIENT_VERIFY_SSL=false/,
    )
  })

  it('does not when told not to, and says so', async () => {
    const port = await startTls()
    const { exitCode, stderr } = await runCli({
      argv: ['node', 'list'],
      isBare: true,
      env: { ...env, PVC_CLIENT_VERIFY_SSL: 'False' },
      files: store('127.0.0.1', port, 'https'),
    })
    expect(exitCode).toBe(0)
    expect(stderr).toContain(`Host: "127.0.0.1:${port}"  Scheme: "https (unverified)"`)
  })

  it('trusts this machine', async () => {
    const files = {
      'pvc.yaml': `cluster: { coordinators: [hv1] }
node: { clusterAddress: 127.0.0.1 }
api: { port: ${await startTls()}, tls: { certificate: /a, key: /b }, auth: { enabled: false }, localTokenFile: /no }`,
    }
    const { exitCode, stderr } = await runCli({ argv: ['node', 'list'], isBare: true, files })
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('Scheme: "https (unverified)"')])
  })

  it('tells TLS and plain HTTP apart', async () => {
    const api: FakeApi = await startFakeApi({})
    closers.push(() => api.close())
    const files = store('127.0.0.1', api.port, 'https')
    const { stderr } = await runCli({ argv: ['-q', 'node', 'list'], isBare: true, env, files })
    expect(stderr).toMatch(/it does not speak TLS: add the connection with --no-ssl\.$/m)
  })
})
