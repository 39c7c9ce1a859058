/** The program as it is shipped: one file for laptops that starts quickly. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const dir = mkdtempSync(join(tmpdir(), 'pvc-bundle-test-'))
const file = join(dir, 'pvc.cjs')
let inputs: readonly string[] = []
let sizeBytes = 0

beforeAll(async () => {
  const { metafile } = await build({
    entryPoints: [join(root, 'src/bin/pvc.ts')],
    absWorkingDir: root,
    outfile: file,
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    metafile: true,
    define: { 'process.env.PVC_VERSION': '"9.8.7"' },
    logLevel: 'error',
  })
  inputs = Object.keys(metafile.inputs)
  sizeBytes = Object.values(metafile.outputs)[0]?.bytes ?? 0
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Runs the bundle in a directory without node_modules, as on a laptop. */
function runBundle(args: readonly string[], nodeOptions: readonly string[] = []): string {
  const env = { PATH: process.env['PATH'], HOME: dir }
  return execFileSync(process.execPath, [...nodeOptions, file, ...args], {
    cwd: dir,
    env,
    encoding: 'utf8',
    timeout: 9000,
  })
}

describe('bundle', () => {
  it('holds the command line and YAML, and no schemas or native code', () => {
    const libraries = inputs.flatMap((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1] ?? [])
    expect([...new Set(libraries)].toSorted()).toEqual(['commander', 'ws', 'yaml'])
    expect(inputs.filter((input) => /\.node$|^src\/(adapters|api|operations|schema|ports)\//.test(input))).toEqual([])
    expect(sizeBytes).toBeLessThan(345_000)
  })

  it('runs alone, and knows its version', () => {
    expect(runBundle(['--version'])).toBe('Parallel Virtual Cluster CLI client version 9.8.7\n')
    expect(runBundle(['--help'])).toContain('Usage: pvc')
  })

  it('loads neither network nor TLS for --help', () => {
    const probe = "process.on('exit', () => console.log('\\n' + process.moduleLoadList.join('\\n')))"
    const loaded = runBundle(['--help'], ['--import', `data:text/javascript,${encodeURIComponent(probe)}`])
    expect(loaded).toContain('NativeModule fs')
    expect(loaded.split('\n').filter((line) => /^NativeModule (https?|tls|_http_client)$/.test(line))).toEqual([])
  })
})
