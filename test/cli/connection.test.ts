import { stat } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { status } from './cluster.ts'
import { runCli } from './pvc-run.ts'
import { transcript } from './transcript.ts'

const entry = (host: string, api_key: string | null) => ({
  description: 'Bench',
  host,
  port: 7371,
  scheme: 'http',
  api_key,
})
const saved = JSON.stringify({
  local: { cfgfile: '/etc/pvc/pvc.conf' },
  nokey: { ...entry('::1', null), scheme: 'https' },
  bench: entry('10.0.0.1,10.0.0.2', 'secret'),
})
const config = `
cluster: { name: one, coordinators: [hv1, hv2, hv3] }
node: { clusterAddress: 10.1.0.1 }
zookeeper: { servers: ['10.1.0.1:2181', '10.1.0.2:2181', '10.1.0.3:2181'] }
api:
  listen: [0.0.0.0]
  port: 7372
  localTokenFile: DIR/api-token
`
const here = { 'pvc.yaml': config, 'api-token': 'local-secret\n', 'pvc.json': saved }
const damaged = { 'pvc.json': JSON.stringify({ a: { host: 'x' }, b: entry('300.1.1.1', null) }) }
const list = ['connection', 'list']

describe('pvc connection', () => {
  transcript('connection', [
    {
      title: 'Add',
      argv: 'connection add bench -a 127.0.0.1 -p 7371 -d Benchmark -k dummykey --no-ssl'.split(' '),
      isBare: true,
    },
    {
      title: 'Add with TLS and several addresses',
      argv: 'connection add b -a a.example,::1 --ssl'.split(' '),
      isBare: true,
    },
    { title: 'Add without address', argv: ['connection', 'add', 'bench'], isBare: true },
    { title: 'Add with a bad port', argv: ['connection', 'add', 'bench', '-a', 'a', '-p', '0'], isBare: true },
    { title: 'Add with a bad address', argv: ['connection', 'add', 'bench', '-a', 'http://a'], isBare: true },
    {
      title: 'Add with an address that cannot be',
      argv: ['connection', 'add', 'bench', '-a', 'a,300.1.1.1'],
      isBare: true,
    },
    { title: 'Add under the reserved name', argv: ['connection', 'add', 'local', '-a', 'a'], isBare: true },
    { title: 'List of nothing', argv: list, isBare: true },
    { title: 'List', argv: list, isBare: true, files: { 'pvc.json': saved } },
    { title: 'List with keys', argv: [...list, '-k'], isBare: true, files: { 'pvc.json': saved } },
    { title: 'List of names', argv: [...list, '-f', 'raw'], isBare: true, files: here },
    { title: 'List for programs', argv: [...list, '-f', 'json'], isBare: true, files: { 'pvc.json': saved } },
    {
      title: 'List for Prometheus',
      argv: [...list, '-f', 'json-prometheus'],
      isBare: true,
      files: { 'pvc.json': saved },
    },
    { title: 'With the one of this machine', argv: [...list, '-k'], isBare: true, files: here },
    { title: 'On a machine that is no coordinator', argv: list, isBare: true, files: here, hostname: 'hv9' },
    { title: 'Remove', argv: ['connection', 'remove', 'bench'], isBare: true, files: { 'pvc.json': saved } },
    { title: 'Remove what is not there', argv: ['connection', 'remove', 'bench2'], isBare: true },
    { title: 'A damaged store', argv: list, isBare: true, files: { 'pvc.json': '{' } },
    { title: 'A damaged entry', argv: list, isBare: true, files: damaged },
    { title: 'A damaged entry in use', argv: ['-c', 'a', 'node', 'list'], isBare: true, files: damaged },
    { title: 'A damaged entry removed', argv: ['connection', 'remove', 'a'], isBare: true, files: damaged },
    { title: 'A damaged configuration', argv: ['node', 'list'], isBare: true, files: { 'pvc.yaml': 'a: [' } },
    { title: 'No connection', argv: ['node', 'list'], isBare: true },
    { title: 'A connection that is not there', argv: ['-c', 'x', 'node', 'list'], isBare: true, files: here },
    {
      title: 'Detail',
      argv: ['connection', 'detail'],
      routes: { 'GET /status': { json: status } },
    },
    {
      title: 'Detail of a cluster that does not answer',
      argv: ['connection', 'detail', '-f', 'json'],
      routes: { 'GET /status': { status: 500, json: { message: 'It broke.' } } },
    },
  ])

  it('stores what older clients store, for the owner only', async () => {
    const argv = 'connection add bench -a 127.0.0.1 -p 7371 -d Benchmark -k dummykey'.split(' ')
    const { readFile } = await runCli({ argv, isBare: true, files: { 'pvc.json': saved } })
    const expected = { description: 'Benchmark', host: '127.0.0.1', port: 7371, scheme: 'http', api_key: 'dummykey' }
    const store = JSON.parse(await readFile('pvc.json')) as Record<string, unknown>
    // Also what only the older client understands.
    expect(Object.keys(store)).toEqual(['local', 'nokey', 'bench'])
    expect(store['bench']).toEqual(expected)
  })

  it('reads a key from a file or from standard input', async () => {
    const argv = ['connection', 'add', 'b', '-a', 'a', '--api-key-file']
    const fromFile = await runCli({ argv: [...argv, 'DIR/key'], isBare: true, files: { key: ' filekey\n' } })
    expect(await fromFile.readFile('pvc.json')).toContain('"api_key": "filekey"')
    const fromInput = await runCli({ argv: [...argv, '-'], isBare: true, input: 'inputkey\n' })
    expect(await fromInput.readFile('pvc.json')).toContain('"api_key": "inputkey"')
    const empty = await runCli({ argv: [...argv, '-'], isBare: true, input: '' })
    expect([empty.exitCode, await empty.readFile('pvc.json')]).toEqual([2, ''])
  })

  it('uses the token of this machine', async () => {
    const files = { 'pvc.yaml': config.replace('7372', 'PORT'), 'api-token': 'local-secret\n' }
    const run = await runCli({
      argv: ['node', 'is-primary'],
      isBare: true,
      files,
      routes: { 'GET /status/primary_node': { json: { primary_node: 'hv1' } } },
    })
    expect([run.exitCode, run.headers[0]?.['x-api-key']]).toEqual([0, 'local-secret'])
  })

  it('says how this machine gets a valid token', async () => {
    const files = { 'pvc.yaml': config.replace('7372', 'PORT'), 'api-token': 'local-secret\n' }
    const routes = { 'GET /node': { status: 401, json: { message: 'The API token is not valid.' } } }
    const { stderr } = await runCli({ argv: ['node', 'list'], isBare: true, files, routes })
    expect(stderr).toMatch(/The API token is not valid\. .*rm -f \/etc\/pvc\/api-token; systemctl restart pvcapid/)
  })
})

describe('the connection store', () => {
  it('has the mode it is told to have', async () => {
    const seen: Record<string, number> = {}
    // 660 shows that the umask has no say.
    for (const mode of ['600', '660']) {
      await runCli({
        argv: ['connection', 'add', 'b', '-a', 'a'],
        isBare: true,
        env: { PVC_CLIENT_DB_PERMS: mode, PVC_CLIENT_DIR: 'DIR/new/place' },
        whileThere: async (dir) => {
          seen[mode] = (await stat(`${dir}/new/place/pvc.json`)).mode & 0o777
        },
      })
    }
    expect(seen).toEqual({ '600': 0o600, '660': 0o660 })
  })
})
