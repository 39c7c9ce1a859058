/** The shipped units are valid for systemd, and say what the safety of guests rests on. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { debianUnits, plantDebian, unitFolder, verifyUnits } from './debian-units.ts'
import { repositoryRoot } from './source-files.ts'

const shipped = join(repositoryRoot, 'systemd')
const units = readdirSync(shipped).filter((name) => /\.(service|target)$/.test(name))

function settings(unit: string): string[] {
  return readFileSync(join(shipped, unit), 'utf8')
    .split('\n')
    .filter((line) => /^\w+=/.test(line))
}

describe('systemd units', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pvc-units-'))
    plantDebian(root)
    const installed = join(root, unitFolder)
    for (const unit of units) cpSync(join(shipped, unit), join(installed, unit))
    for (const name of Object.keys(debianUnits)) {
      const dropIns = [join(shipped, `${name}.d`), join(shipped, name.replace('.service', ''), `${name}.d`)]
      for (const dir of dropIns.filter(existsSync)) cpSync(dir, join(installed, `${name}.d`), { recursive: true })
    }
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  it('are the ones we ship', () => {
    expect(units).toEqual(
      expect.arrayContaining(['pvc-guard.service', 'pvc.target', 'pvcapid.service', 'pvcnoded.service']),
    )
  })

  it('pass systemd-analyze verify', () => {
    expect(verifyUnits(root, units)).toBe('')
  })

  it('are really looked at', () => {
    const unit = join(root, unitFolder, 'pvcnoded.service')
    writeFileSync(unit, readFileSync(unit, 'utf8').replace('KillMode=process', 'KillMod=process'))
    expect(verifyUnits(root, units)).toContain('KillMod')
    const dropIn = join(root, unitFolder, 'libvirtd.service.d/pvc.conf')
    writeFileSync(dropIn, readFileSync(dropIn, 'utf8').replace('Restart=always', 'Restart=ever'))
    expect(verifyUnits(root, units)).toContain('ever')
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

  it('keep the guard: it outlives the daemon, comes back at once, and finds what it left', () => {
    const guard = settings('pvc-guard.service')
    expect(guard).toEqual(
      expect.arrayContaining([
        'Restart=always',
        'RestartSec=500ms',
        'StartLimitIntervalSec=0',
        'RuntimeDirectory=pvc',
        'RuntimeDirectoryPreserve=yes',
        'OOMScoreAdjust=-1000',
      ]),
    )
    // Stopped together with the daemon it would leave the watchdog counting when the daemon could not disarm it.
    expect(guard.filter((line) => /^(PartOf|Requires|BindsTo|WatchdogSec)=/.test(line))).toEqual([])
    expect(settings('pvcnoded.service').find((line) => line.startsWith('After='))).toContain('pvc-guard.service')
  })

  it('keep the files of the daemons closed to other users', () => {
    for (const unit of ['pvcnoded.service', 'pvcapid.service']) {
      expect(settings(unit)).toEqual(expect.arrayContaining(['UMask=0077', 'ConfigurationDirectoryMode=0700']))
    }
  })
})
