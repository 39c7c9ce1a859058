import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  formatIncoming,
  formatMarkElement,
  formatMigrationElement,
  formatPermit,
} from '../../../../src/model/domain-mark.ts'

const hook = resolve('systemd/libvirt-hook/qemu')
const uuid = '11111111-1111-4111-8111-111111111111'
const mark = { life: '8c0f3a52-0d5e-4a38-9b0e-9d1f6c2f7a11', seq: 7 }
let runDir: string

/** As libvirt 9.0 formats it: our attributes in double quotes (libxml2), its own in single ones. */
function domainXml(metadata: string, title = ''): string {
  return `<domain type='kvm'>
  <name>web &amp; co</name>
  <uuid>${uuid}</uuid>
  ${title}<metadata>
    <x:y xmlns:x="http://x">
      <x:z>1</x:z>
    </x:y>
    ${metadata}
  </metadata>
  <memory unit='KiB'>65536</memory>
  <os>
    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
  </os>
  <devices>
${'    <disk type="network" device="disk"><source protocol="rbd" name="vms/web"/></disk>\n'.repeat(150)}  </devices>
</domain>
`
}

function run(xml: string, args: readonly string[] = ['web', 'prepare', 'begin', '-']) {
  const env = { PATH: process.env['PATH'], PVC_RUN_DIR: runDir }
  const result = spawnSync(hook, args, { input: xml, env, encoding: 'utf8', timeout: 10_000 })
  return { status: result.status, stderr: result.stderr, stdout: result.stdout }
}

function permit(text: string, name = uuid): void {
  writeFileSync(join(runDir, 'permit', name), text)
}

beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'pvc-hook-'))
  mkdirSync(join(runDir, 'permit'))
  mkdirSync(join(runDir, 'incoming'))
})
afterEach(() => rmSync(runDir, { recursive: true }))

describe('libvirt hook: a start', () => {
  it('is refused while the guard has its latch closed, whatever is permitted', () => {
    permit(formatPermit(mark))
    writeFileSync(join(runDir, 'guard-latch'), '1\n')
    const { status, stderr } = run(domainXml(formatMarkElement(mark)))
    expect(status).toBe(1)
    expect(stderr).toContain('lost contact with the cluster')
  })

  it('passes with an equal permit', () => {
    permit(formatPermit(mark))
    expect(run(domainXml(formatMarkElement(mark)))).toEqual({ status: 0, stderr: '', stdout: '' })
  })

  it('reads the mark whatever its prefix, quotes, order and spacing', () => {
    permit(formatPermit(mark))
    for (const element of [
      `<p1:run seq='${mark.seq}' xmlns:p1='urn:pvc:domain:1' life='${mark.life}'/>`,
      `<pvc:run life="${mark.life}" seq="${mark.seq}" xmlns:pvc="urn:pvc:domain:1"></pvc:run>`,
      `<pvc:run\n      xmlns:pvc="urn:pvc:domain:1"\n\tlife="${mark.life}"\n   seq='${mark.seq}'  />`,
    ]) {
      expect(run(domainXml(element)), element).toEqual({ status: 0, stderr: '', stdout: '' })
    }
  })

  it.each([
    ['without a permit', undefined, formatMarkElement(mark), 'gave no permit'],
    ['of an earlier decision', formatPermit({ ...mark, seq: 8 }), formatMarkElement(mark), 'was given up'],
    [
      'whose sequence only begins like the permit',
      formatPermit({ ...mark, seq: 77 }),
      formatMarkElement(mark),
      'was given up',
    ],
    ['of an earlier life', formatPermit({ life: 'other', seq: 7 }), formatMarkElement(mark), 'an earlier life'],
    ['without a mark', formatPermit(mark), '', 'carries no mark'],
    [
      'with the mark of somebody else',
      formatPermit(mark),
      formatMarkElement(mark).replace('urn:pvc', 'urn:x'),
      'carries no mark',
    ],
    [
      'with two marks',
      formatPermit(mark),
      formatMarkElement({ ...mark, seq: 6 }) + formatMarkElement(mark),
      'two marks',
    ],
    [
      'with a mark that names no sequence',
      formatPermit(mark),
      formatMarkElement(mark).replace(' seq=', ' sequel='),
      'no sequence',
    ],
    ['with an empty permit', '', formatMarkElement(mark), 'is empty'],
    ['with a malformed permit', `${mark.life}\n`, formatMarkElement(mark), 'is malformed'],
    ['with a permit of more words', `${mark.life} 7 8\n`, formatMarkElement(mark), 'is malformed'],
  ])('%s is refused', (_case, text, element, reason) => {
    if (text !== undefined) permit(text)
    const { status, stderr } = run(domainXml(element))
    expect(status).toBe(1)
    expect(stderr).toContain('PVC refuses to start VM web on this host')
    expect(stderr).toContain(reason)
  })

  it('is judged by the domain’s own UUID, not by one that stands in another place', () => {
    const other = '22222222-2222-4222-8222-222222222222'
    permit(formatPermit(mark), other)
    const title = `<title>&lt;uuid&gt;${other}&lt;/uuid&gt;</title>\n  `
    const xml = domainXml(`<z:a xmlns:z="u"><uuid>${other}</uuid></z:a>${formatMarkElement(mark)}`, title)
    expect(run(xml).stderr).toContain('gave no permit')
  })

  it('is refused when its definition is not one', () => {
    expect(run('').stderr).toContain('names no UUID')
    expect(run('<domain><uuid>../../etc/passwd</uuid><devices/></domain>').stderr).toContain('malformed')
  })

  it('does not believe a mark among the devices', () => {
    permit(formatPermit(mark))
    const plain = domainXml('').replace(/<metadata>[\s\S]*<\/metadata>/, '')
    expect(plain).not.toContain('metadata')
    const xml = plain.replace('<devices>', `<devices><metadata>${formatMarkElement(mark)}</metadata>`)
    expect(run(xml).status).toBe(1)
  })
})

describe('libvirt hook: an arriving migration', () => {
  const id = 'c2b6c7e0-4d0a-4b43-8f64-9f2d3a3a1b1c'

  const expectCopy = (text: string, name = uuid) => writeFileSync(join(runDir, 'incoming', name), text)

  it('passes when its copy is expected', () => {
    expectCopy(formatIncoming(id))
    expect(run(domainXml(formatMigrationElement(id)))).toEqual({ status: 0, stderr: '', stdout: '' })
  })

  it('passes without a permit of its own, and even beside one', () => {
    permit(formatPermit(mark))
    expectCopy(formatIncoming(id))
    expect(run(domainXml(formatMigrationElement(id))).status).toBe(0)
  })

  it.each([
    ['when none is expected', undefined],
    ['when another one is expected', formatIncoming('another')],
    ['when one is expected whose id begins like its own', formatIncoming(`${id}1`)],
    ['when one is expected with which its own id begins', formatIncoming(id.slice(0, -1))],
    ['when what is expected is damaged', ''],
    ['when what is expected has two words', `${id} ${id}\n`],
  ])('is refused %s', (_case, text) => {
    if (text !== undefined) expectCopy(text)
    const { status, stderr } = run(domainXml(formatMigrationElement(id)))
    expect(status).toBe(1)
    expect(stderr).toContain('PVC refuses to start VM web on this host')
  })

  it('is refused when it is expected for another VM', () => {
    expectCopy(formatIncoming(id), '22222222-2222-4222-8222-222222222222')
    expect(run(domainXml(formatMigrationElement(id))).status).toBe(1)
  })

  it('is refused with the id of somebody else’s namespace, or with two ids', () => {
    expectCopy(formatIncoming(id))
    expect(run(domainXml(formatMigrationElement(id).replace('urn:pvc', 'urn:x'))).status).toBe(1)
    expect(run(domainXml(formatMigrationElement('m') + formatMigrationElement(id))).stderr).toContain('two marks')
  })

  it('does not let in what only carries the mark of a start', () => {
    expectCopy(formatIncoming(id))
    expect(run(domainXml(formatMarkElement(mark))).stderr).toContain('gave no permit')
    permit(formatPermit(mark))
    expect(run(domainXml(formatMarkElement(mark))).status).toBe(0)
  })
})

describe('libvirt hook: everything else', () => {
  it.each([
    ['start', 'begin'],
    ['started', 'begin'],
    ['stopped', 'end'],
    ['release', 'end'],
    ['migrate', 'begin'],
    ['reconnect', 'begin'],
  ])('%s %s passes and changes nothing', (operation, sub) => {
    expect(run(domainXml(''), ['web', operation, sub, '-'])).toEqual({ status: 0, stderr: '', stdout: '' })
  })

  it('answers at once, also for a large definition', () => {
    permit(formatPermit(mark))
    const xml = domainXml(formatMarkElement(mark))
    const times = Array.from({ length: 10 }, () => {
      const begin = performance.now()
      expect(run(xml).status).toBe(0)
      return performance.now() - begin
    })
    // The quickest of ten: the machine may be busy, the script may not be slow.
    expect(Math.min(...times)).toBeLessThan(200)
    const without = performance.now()
    expect(run(domainXml('')).status).toBe(1)
    expect(performance.now() - without).toBeLessThan(1000)
  })
})
