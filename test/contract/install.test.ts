/** scripts/install: what it puts on a server runs from there, what is not PVC's is left alone, and it can be taken away. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { plantDebian, unitFolder, verifyUnits } from '../arch/debian-units.ts'

const repo = join(import.meta.dirname, '../..')

function run(command: string, args: readonly string[], env: Record<string, string> = {}): SpawnSyncReturns<string> {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000, env: { ...process.env, ...env } })
  if (result.error !== undefined) throw result.error
  return result
}

/** Installs into `root`; standard output and standard error together. */
function install(root: string, ...args: string[]): { status: number | null; text: string } {
  // The machine that runs the tests may have its Node.js elsewhere than a server.
  const given = args.includes('--node') || args.includes('--remove') ? args : ['--node', process.execPath, ...args]
  const { status, stdout, stderr } = run(join(repo, 'scripts/install'), given, { DESTDIR: root })
  return { status, text: stdout + stderr }
}

function files(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
    .sort()
}

function put(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

const newRoot = (): string => mkdtempSync(join(tmpdir(), 'pvc-install-'))

describe('an installed tree', () => {
  let root: string
  let said: string
  beforeAll(() => {
    root = newRoot()
    const { status, text } = install(root)
    expect(text).toContain('PVC')
    expect(status, text).toBe(0)
    said = text
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  const program = (name: string, ...args: string[]): string => {
    const { status, stdout, stderr } = run(join(root, name), args)
    expect(stderr).toBe('')
    expect(status).toBe(0)
    return stdout
  }

  it('has programs that run without the checkout', () => {
    const { version } = JSON.parse(readFileSync(join(repo, 'package.json'), 'utf8')) as { version: string }
    for (const name of ['usr/bin/pvc', 'usr/sbin/pvcnoded', 'usr/sbin/pvcapid']) {
      expect(program(name, '--version')).toContain(version)
    }
    const example = join(root, 'etc/pvc/pvc.yaml.example')
    // The key is made by the operator: until then the check says how.
    const checked = run(join(root, 'usr/sbin/pvcnoded'), ['--check', '--config', example])
    expect([checked.status, checked.stderr]).toEqual([
      0,
      expect.stringMatching(/^warning: The cluster key .* openssl .*\n$/),
    ])
    expect(checked.stdout).toContain('clusterAddress')
    expect(program('usr/sbin/pvcapid', '--check', '--config', example)).toContain('localTokenFile')
    const outside = run('find', [root, '-lname', `*${repo}*`])
    expect(outside.stdout).toBe('')
  })

  it('has units that are valid and name programs that are there', () => {
    const units = readdirSync(join(root, unitFolder)).filter((name) => /\.(service|target)$/.test(name))
    expect(units.sort()).toEqual(['pvc-guard.service', 'pvc.target', 'pvcapid.service', 'pvcnoded.service'])
    for (const unit of ['pvc-guard', 'pvcapid', 'pvcnoded']) {
      const text = readFileSync(join(root, unitFolder, `${unit}.service`), 'utf8')
      const path = /^ExecStart=(?:\S+\/node \S+ )?(\S+)/m.exec(text)?.[1] ?? 'no path'
      expect(existsSync(join(root, path)), path).toBe(true)
    }
    const checked = newRoot()
    plantDebian(checked)
    put(join(checked, process.execPath), '')
    chmodSync(join(checked, process.execPath), 0o755)
    cpSync(join(root, unitFolder), join(checked, unitFolder), { recursive: true })
    expect(verifyUnits(checked, units)).toBe('')
    rmSync(checked, { recursive: true })
  })

  it('has the hook byte by byte, closed configuration, completion, and licences', () => {
    const hook = readFileSync(join(root, 'etc/libvirt/hooks/qemu'))
    expect(hook.equals(readFileSync(join(root, 'usr/lib/pvc/systemd/libvirt-hook/qemu')))).toBe(true)
    expect(statSync(join(root, 'etc/libvirt/hooks/qemu')).mode & 0o777).toBe(0o755)
    expect(statSync(join(root, 'etc/pvc')).mode & 0o777).toBe(0o700)
    const completion = join(root, 'usr/share/bash-completion/completions/pvc')
    expect(run('bash', ['-c', `source ${completion} && complete -p pvc`]).stdout).toContain('pvc')
    for (const licence of ['LICENSE', 'node_modules/zookeeper/deps/zookeeper-client-c/LICENSE']) {
      expect(existsSync(join(root, 'usr/lib/pvc', licence)), licence).toBe(true)
    }
  })

  it('has no library for development', () => {
    const modules = readdirSync(join(root, 'usr/lib/pvc/node_modules'))
    expect(modules).toEqual(expect.arrayContaining(['fastify', 'zod', 'zookeeper']))
    expect(modules.filter((name) => ['typescript', 'vitest', 'esbuild', 'node-gyp'].includes(name))).toEqual([])
  })

  it('was left stopped, and the operator is told what to do', () => {
    expect(said).toContain('systemctl enable --now pvc.target')
    expect(said).toContain('pvcnoded --check')
  })

  it('takes an upgrade: what the last release had and this one has not is gone', () => {
    const manifest = join(root, 'usr/lib/pvc/manifest')
    for (const path of ['/usr/lib/pvc/dist/gone.js', '/usr/bin/pvc-gone']) {
      put(join(root, path), '')
      appendFileSync(manifest, `${'0'.repeat(64)}  ${path}\n`)
    }
    put(join(root, 'etc/pvc/pvc.yaml'), 'cluster: {}\n')
    const { status, text } = install(root)
    expect(status, text).toBe(0)
    expect(text).toContain('systemctl try-restart')
    expect(files(root).filter((file) => file.includes('gone') || file.includes('.pvc-new'))).toEqual([])
    expect(readdirSync(join(root, 'usr/lib'))).not.toContain('pvc.old')
  })

  it('goes without a trace, but for what is the operator’s', () => {
    put(join(root, 'etc/pvc/pvc.yaml'), 'cluster: {}\n')
    put(join(root, 'var/lib/pvc/seqs.json'), '{}')
    const mine = ['/etc/pvc/pvc.yaml', '/usr/bin/own', '/usr/lib/pvc/dist/own.js', '/var/lib/pvc/seqs.json']
    put(join(root, 'usr/lib/pvc/dist/own.js'), '')
    put(join(root, 'usr/bin/own'), '')
    const before = files(root)
    expect(install(root, '--remove', '--dry-run').text).toContain('would remove /usr/sbin/pvcnoded')
    expect(files(root)).toEqual(before)
    // The installed copy, because the checkout may be gone by then.
    const { status, stderr } = run(join(root, 'usr/lib/pvc/scripts/install'), ['--remove'], { DESTDIR: root })
    expect(status, stderr).toBe(0)
    expect(files(root)).toEqual(mine)
    for (const file of mine) rmSync(join(root, file))
    const folders = readdirSync(root, { recursive: true, encoding: 'utf8' })
    expect(folders.filter((name) => /hooks|systemd|bash-completion|node_modules/.test(name))).toEqual([])
  })
})

describe('scripts/install', () => {
  let root: string
  beforeEach(() => {
    root = newRoot()
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  it('changes nothing in a dry run', () => {
    const { status, text } = install(root, '--dry-run')
    expect(status, text).toBe(0)
    expect(text).toContain('would install /etc/libvirt/hooks/qemu')
    expect(readdirSync(root)).toEqual([])
  })

  it('refuses to replace what is not PVC’s, names it all, and changes nothing', () => {
    put(join(root, 'etc/libvirt/hooks/qemu'), '#!/bin/sh\n')
    put(join(root, 'usr/bin/pvc'), 'another pvc')
    put(join(root, 'usr/lib/pvc/stranger'), '')
    const before = files(root)
    const { status, text } = install(root)
    expect(status).toBe(1)
    for (const word of ['hooks/qemu exists', 'hooks/qemu.d/', '/usr/bin/pvc exists', '/usr/lib/pvc/stranger']) {
      expect(text).toContain(word)
    }
    expect(files(root)).toEqual(before)
  })

  it('refuses a hook that was changed after it was installed, and keeps it at removal', () => {
    expect(install(root).status).toBe(0)
    const hook = join(root, 'etc/libvirt/hooks/qemu')
    appendFileSync(hook, '# mine\n')
    expect(install(root).text).toContain('was changed')
    expect(install(root, '--remove').text).toContain('kept, because it was changed')
    expect(files(root)).toEqual(['/etc/libvirt/hooks/qemu'])
  })

  it('writes another prefix and another Node into the units', () => {
    const node = join(root, 'node')
    put(node, `#!/bin/sh\nexec ${process.execPath} "$@"\n`)
    run('chmod', ['755', node])
    const { status, text } = install(root, '--prefix', '/opt/pvc', '--node', node)
    expect(status, text).toBe(0)
    const unit = readFileSync(join(root, unitFolder, 'pvcnoded.service'), 'utf8')
    expect(unit).toContain(`ExecStart=${node} --enable-source-maps /opt/pvc/dist/bin/pvcnoded.js`)
    expect(existsSync(join(root, 'opt/pvc/dist/bin/pvcnoded.js'))).toBe(true)
    expect(run(join(root, 'usr/bin/pvc'), ['--version']).status).toBe(0)
    expect(install(root, '--prefix', '/opt/pvc', '--remove').status).toBe(0)
    expect(files(root)).toEqual(['/node'])
  })

  it('says what is wrong with its arguments', () => {
    expect(install(root, '--prefix', '/usr').text).toContain('at least two parts')
    expect(install(root, '--node', '/nowhere/node').text).toContain('/nowhere/node is not there')
    expect(install(root, '--remove').text).toContain('nothing was installed')
    expect(install(root, '--what').status).toBe(2)
    expect(readdirSync(root)).toEqual([])
  })
})
