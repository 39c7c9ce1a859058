/** The shipped units are valid for systemd, and say what the safety of guests rests on. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { repositoryRoot } from './source-files.ts'

const shipped = join(repositoryRoot, 'systemd')
const units = readdirSync(shipped).filter((name) => /\.(service|target)$/.test(name))
/** Units of Debian that we change by drop-ins, reduced to what a drop-in needs to be complete. */
const debian: Record<string, string> = {
  'libvirtd.service': '[Service]\nType=notify\nExecStart=/usr/sbin/libvirtd $LIBVIRTD_ARGS\n',
  'zookeeper.service': '[Service]\nType=forking\nExecStart=/etc/init.d/zookeeper start\n',
}
/** Targets that every systemd has, and that every service depends on without naming them. */
const targets = ['sysinit', 'basic', 'shutdown', 'network-online', 'multi-user']
const programs = ['/usr/bin/node', '/usr/bin/java', '/usr/sbin/libvirtd', '/etc/init.d/zookeeper']

/** Checks all units in a root of their own, so that it works without a running systemd and without the programs. */
function verify(root: string): string {
  const { status, stdout, stderr, error } = spawnSync(
    'systemd-analyze',
    ['verify', '--man=no', `--root=${root}`, ...units, ...Object.keys(debian)],
    { encoding: 'utf8', timeout: 20_000 },
  )
  if (error !== undefined) throw error
  // Unknown settings are only warnings to it: anything it says counts.
  return `${stdout}${stderr}${status === 0 ? '' : `exit ${status}`}`
}

function settings(unit: string): string[] {
  return readFileSync(join(shipped, unit), 'utf8')
    .split('\n')
    .filter((line) => /^\w+=/.test(line))
}

describe('systemd units', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pvc-units-'))
    const installed = join(root, 'etc/systemd/system')
    mkdirSync(installed, { recursive: true })
    for (const unit of units) cpSync(join(shipped, unit), join(installed, unit))
    for (const [name, text] of Object.entries(debian)) {
      writeFileSync(join(installed, name), text)
      const dropIns = [join(shipped, `${name}.d`), join(shipped, name.replace('.service', ''), `${name}.d`)]
      for (const dir of dropIns.filter(existsSync)) cpSync(dir, join(installed, `${name}.d`), { recursive: true })
    }
    for (const name of targets) writeFileSync(join(installed, `${name}.target`), `[Unit]\nDescription=${name}\n`)
    for (const program of programs) {
      mkdirSync(dirname(join(root, program)), { recursive: true })
      writeFileSync(join(root, program), '', { mode: 0o755 })
    }
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  it('are the ones we ship', () => {
    expect(units).toEqual(expect.arrayContaining(['pvc.target', 'pvcapid.service', 'pvcnoded.service']))
  })

  it('pass systemd-analyze verify', () => {
    expect(verify(root)).toBe('')
  })

  it('are really looked at', () => {
    const unit = join(root, 'etc/systemd/system/pvcnoded.service')
    writeFileSync(unit, readFileSync(unit, 'utf8').replace('KillMode=process', 'KillMod=process'))
    expect(verify(root)).toContain('KillMod')
    const dropIn = join(root, 'etc/systemd/system/libvirtd.service.d/pvc.conf')
    writeFileSync(dropIn, readFileSync(dropIn, 'utf8').replace('Restart=always', 'Restart=ever'))
    expect(verify(root)).toContain('ever')
  })

  it('leave guests and the guard alone, and always restart the node daemon within its bound', () => {
    const node = settings('pvcnoded.service')
    expect(node).toEqual(
      expect.arrayContaining([
        'KillMode=process',
        'Restart=always',
        'RestartSec=500ms',
        'StartLimitIntervalSec=0',
        'RuntimeDirectory=pvc',
        'RuntimeDirectoryPreserve=yes',
        'WatchdogSignal=SIGKILL',
      ]),
    )
    const watchdogSec = Number(node.find((line) => line.startsWith('WatchdogSec='))?.split('=')[1])
    // Hang noticed + restart + first contact (3 s) have to fit into the self-fence bound of 9 s.
    expect(watchdogSec + 0.5 + 3).toBeLessThan(9)
    expect(node.filter((line) => line.startsWith('Requires=') || line.startsWith('BindsTo='))).toEqual([])
  })

  it('keep the files of the daemons closed to other users', () => {
    for (const unit of ['pvcnoded.service', 'pvcapid.service']) {
      expect(settings(unit)).toEqual(expect.arrayContaining(['UMask=0077', 'ConfigurationDirectoryMode=0700']))
    }
  })
})
