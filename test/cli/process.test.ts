/** The program as a process of its own: pipes, a terminal, an editor, signals from a reader that left. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { vm, vms, webXml } from './cluster.ts'
import { type FakeApi, startFakeApi } from './fake-api.ts'

const root = join(import.meta.dirname, '../..')
const dir = mkdtempSync(join(tmpdir(), 'pvc-process-test-'))
const file = join(dir, 'pvc.cjs')
const done = { json: { message: 'Done.' } }
let api: FakeApi

beforeAll(async () => {
  api = await startFakeApi({
    'GET /vm': { json: Array.from({ length: 2000 }, (_, index) => ({ ...vms[0], name: `vm${index}` })) },
    'GET /vm/web': { json: [vm()] },
    'POST /vm': done,
    'PUT /vm/web': done,
    'POST /vm/web/state': done,
  })
  const entry = { description: 'T', host: '127.0.0.1', port: api.port, scheme: 'http', api_key: null }
  writeFileSync(join(dir, 'pvc.json'), JSON.stringify({ test: entry }))
  await build({
    entryPoints: [join(root, 'src/bin/pvc.ts')],
    absWorkingDir: root,
    outfile: file,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    logLevel: 'error',
  })
}, 30_000)
afterAll(async () => {
  await api.close()
  rmSync(dir, { recursive: true, force: true })
})

const env = {
  PATH: process.env['PATH'],
  PVC_CLIENT_DIR: dir,
  PVC_CONNECTION: 'test',
  PVC_QUIET: '1',
  TMPDIR: dir,
  EDITOR: `sed -i 's/our web/their web/'`,
  TERM: 'dumb',
}

function collect(child: ChildProcess): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const chunks: string[] = []
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk))
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output: chunks.join('') }))
  })
}

async function run(args: readonly string[], input: string) {
  const child = spawn(process.execPath, [file, ...args], { env, timeout: 20_000 })
  child.stdin.end(input)
  return await collect(child)
}

/** Runs a command line on a terminal of its own (script of util-linux) and types the input when it is asked for. */
async function runOnTerminal(args: readonly string[], input: string) {
  const line = [process.execPath, file, ...args].map((word) => `'${word}'`).join(' ')
  const child = spawn('script', ['-qec', line, '/dev/null'], { env, timeout: 20_000 })
  let seen = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const wasAsked = seen.includes('[y/N]: ')
    seen += chunk.toString()
    if (!wasAsked && seen.includes('[y/N]: ')) child.stdin.write(input)
  })
  const result = await collect(child)
  child.stdin.destroy()
  return { ...result, output: result.output.replaceAll('\r', '') }
}

// Whole processes on a machine that may be busy with other tests.
describe('the process', { timeout: 30_000 }, () => {
  it('reads standard input', async () => {
    expect(await run(['vm', 'define', '-'], webXml)).toEqual({ code: 0, output: 'Done.\n' })
    expect(api.requests.at(-1)).toContain('our web server')
  })

  it('asks nobody on a pipe', async () => {
    const { code, output } = await run(['vm', 'stop', 'web'], 'y\n')
    expect([code, output]).toEqual([1, expect.stringContaining('no terminal to ask on')])
  })

  it('asks on a terminal', async () => {
    const yes = await runOnTerminal(['vm', 'stop', 'web'], 'y\n')
    expect([yes.code, yes.output]).toEqual([
      0,
      expect.stringMatching(/Forcibly stop VM "web" \[y\/N\]: [\s\S]*Done\.\n$/),
    ])
    const no = await runOnTerminal(['vm', 'stop', 'web'], 'n\n')
    expect([no.code, no.output]).toEqual([1, expect.stringMatching(/Aborted\.\n$/)])
    // Ctrl-D and Ctrl-C are a no.
    expect((await runOnTerminal(['vm', 'stop', 'web'], '\x04')).code).toBe(1)
    expect((await runOnTerminal(['vm', 'stop', 'web'], '\x03')).code).toBe(1)
  })

  it('runs an editor that has arguments', async () => {
    const { code, output } = await runOnTerminal(['vm', 'modify', 'web', '-e'], 'y\n')
    expect([code, output]).toEqual([0, expect.stringContaining('their web server')])
    expect(api.requests.at(-1)).toMatch(/^PUT \/vm\/web\?restart=False&version=7\n[\s\S]*their web server/)
  })

  it('prints a long list whole into a pipe, and does not mind a reader that leaves', async () => {
    const { output } = await run(['vm', 'list', '-f', 'json'], '')
    expect((JSON.parse(output) as unknown[]).length).toBe(2000)
    const line = `'${process.execPath}' '${file}' vm list -f json-pretty | head -n 1; echo "\${PIPESTATUS[0]}"`
    expect(
      await collect(spawn('bash', ['-c', line], { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 })),
    ).toEqual({ code: 0, output: '[\n0\n' })
  })
})
