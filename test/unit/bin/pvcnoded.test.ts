import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pvcnoded-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

function pvcnoded(...args: string[]) {
  const command = ['--import', 'tsx', 'src/bin/pvcnoded.ts', ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8', timeout: 20_000 })
  return { status, stdout, stderr }
}

describe('pvcnoded command line', () => {
  it('prints its version', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(pvcnoded('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
  })

  it('understands the shipped example and prints every default', () => {
    const key = join(dir, 'cluster.key')
    writeFileSync(key, randomBytes(32).toString('base64'), { mode: 0o600 })
    const file = join(dir, 'example.yaml')
    const example = readFileSync('systemd/pvc.yaml.example', 'utf8')
    writeFileSync(file, example.replace('# keyFile: /etc/pvc/cluster.key', `keyFile: ${key}`))
    const { status, stdout, stderr } = pvcnoded('--check', '--config', file)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(parse(stdout)).toMatchObject({
      cluster: { coordinators: ['hv1', 'hv2', 'hv3'] },
      heartbeat: { intervalMs: 5000 },
      libvirt: { uri: 'qemu:///system' },
      api: { port: 7370, auth: { enabled: true } },
    })
  })

  it('says what is wrong with the cluster key', () => {
    const file = join(dir, 'no-key.yaml')
    const example = readFileSync('systemd/pvc.yaml.example', 'utf8')
    writeFileSync(file, example.replace('# keyFile: /etc/pvc/cluster.key', `keyFile: ${join(dir, 'none')}`))
    const { status, stderr } = pvcnoded('--check', '--config', file)
    expect(status).toBe(0)
    expect(stderr).toContain(`warning: The cluster key ${join(dir, 'none')} is missing. Make it on one node`)
  })

  it('prints every error with its place', () => {
    const file = join(dir, 'bad.yaml')
    writeFileSync(
      file,
      readFileSync('systemd/pvc.yaml.example', 'utf8')
        .replace('10.90.0.11\n', 'hv1.example\n')
        .concat('heartbeat:\n  intervalMs: fast\nsurprise: 1\n'),
    )
    const { status, stdout, stderr } = pvcnoded('--check', '--config', file)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/bad\.yaml:\d+: node\.clusterAddress: must be an IP address/)
    expect(stderr).toMatch(/bad\.yaml:\d+: heartbeat\.intervalMs: /)
    expect(stderr).toContain('surprise')
  })

  it('says what is wrong when there is no file, and when an option is unknown', () => {
    const missing = pvcnoded('--check', '--config', join(dir, 'none.yaml'))
    expect(missing.status).toBe(1)
    expect(missing.stderr).toContain('none.yaml cannot be read')
    const unknown = pvcnoded('--frobnicate')
    expect(unknown.status).toBe(2)
    expect(unknown.stderr).toContain('usage: pvcnoded')
  })
})
