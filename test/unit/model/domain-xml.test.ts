import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_XML_BYTES, parseDomainXml, withUuid } from '../../../src/model/domain-xml.ts'
import { PvcError } from '../../../src/model/errors.ts'
import { VmUuid } from '../../../src/model/ids.ts'
import { child, escapeXml, parseXml } from '../../../src/model/xml.ts'

function domain(inner: string): string {
  return `<domain type="kvm">\n<name>web</name>\n<memory>1048576</memory>\n<vcpu>2</vcpu>\n${inner}</domain>`
}

function failure(text: string, parse: (text: string) => unknown = parseXml): string {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof PvcError && error.code === 'PVC_XML_INVALID') return error.message
    throw error
  }
  return 'accepted'
}

describe('parseXml', () => {
  it('reads elements, attributes, text, entities, comments and CDATA', () => {
    const root = parseXml(
      `<?xml version='1.0'?><!-- a --><a x='1' y="&lt;&#65;&#x42;"> t<!-- <b> --> u <b/><c d = "e"><![CDATA[<&>]]></c ></a>\n`,
    )
    expect(root).toMatchObject({ name: 'a', attributes: { x: '1', y: '<AB' }, text: 't u' })
    expect(root.children.map(({ name, text }) => [name, text])).toEqual([
      ['b', ''],
      ['c', '<&>'],
    ])
  })

  it.each([
    ['', 'line 1: the document has no element'],
    ['hello', 'line 1: the document has no element'],
    ['<a>', 'line 1: <a> is not closed'],
    ['<a>\n<b>\n</a>', 'line 3: </a> closes <b> of line 2'],
    ['<a></a>\nx', 'line 2: text after the end of <a>'],
    ['<a/><b/>', 'line 1: text after the end of <a>'],
    ['<a x=1/>', 'line 1: the value of x of <a> is not in quotes'],
    ['<a x/>', 'line 1: the attribute x of <a> has no value'],
    ["<a x='1' x='2'/>", 'line 1: <a> has the attribute x twice'],
    ["<a x='1'y='2'/>", 'line 1: <a> needs a space before the attribute y'],
    ["<a\n x='1/>", 'line 2: the value of x of <a> is not closed'],
    ["<a x='<'/>", 'line 1: the value of x of <a> contains <'],
    ['<a>\n&nbsp;</a>', 'line 1: unknown entity &nbsp;'],
    ['<a>x & y</a>', 'line 1: & must be written as &amp;'],
    ['<a><!-- </a>', 'line 1: a comment is not closed'],
    ['< a/>', 'line 1: a tag has no name'],
    ['<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 'line 1: DOCTYPE is not accepted'],
    ['<a>'.repeat(100) + '</a>'.repeat(100), 'line 1: more than 64 elements inside each other'],
  ])('refuses %s', (text, reason) => {
    expect(failure(text)).toBe(`The VM definition is not usable: ${reason}.`)
  })

  it('gives back any text and attribute that was escaped', () => {
    // Control characters are not XML; line ends inside text are kept as they are.
    const text = fc.string({ unit: 'grapheme' }).map((value) => value.replace(/\p{Cc}/gu, ' '))
    fc.assert(
      fc.property(text, text, (content, attribute) => {
        const root = parseXml(`<a x="${escapeXml(attribute)}">${escapeXml(content)}</a>`)
        expect(root.attributes['x']).toBe(attribute)
        expect(root.text).toBe(content.trim())
      }),
    )
  })

  it('either reads a text or names a line, whatever the text', () => {
    const pieces = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      "'",
      '"',
      '=',
      ' ',
      '\n',
      '&',
      ';',
      '<!--',
      '-->',
      '<a>',
      '</a>',
      '<![CDATA[',
      ']]>',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        const result = failure(parts.join(''))
        expect(result).toMatch(/^(accepted|The VM definition is not usable: line \d+: .+\.)$/)
      }),
      { numRuns: 500 },
    )
  })

  it('stays quick on large documents', () => {
    const text = `<a>${'\n<b c="d"/>'.repeat(20_000)}</a>`
    const begun = performance.now()
    expect(parseXml(text).children.at(-1)?.line).toBe(20_001)
    expect(performance.now() - begun).toBeLessThan(2000)
  })
})

describe('parseDomainXml', () => {
  it('reads what PVC needs to know', () => {
    expect(
      parseDomainXml(
        domain(`<description>A &amp; B</description>
<cpu><topology sockets='1' cores='2' threads='1'/></cpu>
<devices>
<disk type='network'><source protocol='rbd' name='vms/a'/><target dev='sda' bus='scsi'/></disk>
<disk type='network'><source protocol='rbd' name='vms/a'/><target dev='sdb' bus='scsi'/></disk>
<disk type='file' device='cdrom'><source file='/iso/x.iso'/><target dev='hda' bus='ide'/></disk>
<disk type='network'><source protocol='nbd' name='x'/><target dev='vda'/></disk>
<disk type='file' device='cdrom'><target dev='hdb'/></disk>
<interface type='bridge'><source bridge='brcluster'/><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
<interface type='direct'><source dev='ens4'/></interface>
<interface type='network'><source network='default'/></interface>
</devices>`),
      ),
    ).toMatchObject({
      name: 'web',
      uuid: undefined,
      description: 'A & B',
      memoryMiB: 1024,
      vcpus: 2,
      topology: '1/2/1',
      rbdList: ['vms/a'],
      disks: [
        { type: 'rbd', name: 'vms/a', dev: 'sda', bus: 'scsi' },
        { type: 'rbd', name: 'vms/a', dev: 'sdb', bus: 'scsi' },
        { type: 'file', name: '/iso/x.iso', dev: 'hda', bus: 'ide' },
        { type: 'nbd', name: 'x', dev: 'vda', bus: '' },
        { type: 'file', name: '', dev: 'hdb', bus: '' },
      ],
      networks: [
        { type: 'bridge', vni: 'cluster', source: 'brcluster', mac: '52:54:00:00:00:01', model: 'virtio' },
        { type: 'direct', vni: 'macvtap:ens4', source: 'ens4' },
        { type: 'network', vni: 'default', source: 'default' },
      ],
    })
    expect(parseDomainXml(domain(''))).toMatchObject({ description: 'N/A', topology: 'N/A', rbdList: [], disks: [] })
  })

  it.each([
    ['<memory>2097152</memory>', 2048],
    ["<memory unit='KiB'>1025</memory>", 2],
    ["<memory unit='MiB'>2048</memory>", 2048],
    ["<memory unit='GiB'>2</memory>", 2048],
    ["<memory unit='G'>2</memory>", 2048],
    ["<memory unit='GB'>2</memory>", 1908],
    ["<memory unit='bytes'>1048576</memory>", 1],
  ])('understands %s', (memory, memoryMiB) => {
    const xml = domain('').replace('<memory>1048576</memory>', memory)
    expect(parseDomainXml(xml).memoryMiB).toBe(memoryMiB)
  })

  it.each([
    [domain('').replace('<name>web</name>', ''), 'line 1: <name> is missing in <domain>'],
    [domain('').replace('web', 'we b'), "line 2: the name 'we b' must be letters, digits, dot, underscore or hyphen"],
    [domain('').replace('<memory>1048576</memory>', ''), 'line 1: <memory> is missing in <domain>'],
    [domain('').replace('1048576', 'much'), 'line 3: <memory> must be a number above 0'],
    [domain('').replace('<memory>', "<memory unit='XB'>"), "line 3: the memory unit 'XB' is unknown"],
    [domain('').replace('<vcpu>2', '<vcpu>0'), 'line 4: <vcpu> must be a number above 0'],
    [domain('<vcpu>3</vcpu>'), 'line 5: <vcpu> is there twice'],
    [domain('<uuid>123</uuid>'), "line 5: '123' is not a UUID"],
    [
      domain("<devices>\n<disk type='network'><source protocol='rbd' name='novolume'/></disk></devices>"),
      "line 6: the rbd disk 'novolume' must be named pool/volume",
    ],
    ['<network><name>x</name></network>', 'line 1: the document is <network>, not <domain>'],
    ['x'.repeat(MAX_XML_BYTES + 1), 'line 1: the document is larger than 256 KiB'],
  ])('refuses %#', (xml, reason) => {
    expect(failure(xml, parseDomainXml)).toBe(`The VM definition is not usable: ${reason}.`)
  })

  it('reads a UUID in any case and without hyphens', () => {
    const uuid = '11111111-2222-4333-8444-55555555AAAA'
    for (const text of [uuid, uuid.replaceAll('-', '')])
      expect(parseDomainXml(domain(`<uuid>${text}</uuid>`)).uuid).toBe(uuid.toLowerCase())
  })

  it('adds a UUID without touching anything else', () => {
    const uuid = VmUuid.parse('11111111-2222-4333-8444-555555555555')
    const xml = domain('<!-- <name>no</name> -->')
    const added = withUuid(xml, uuid)
    expect(parseDomainXml(added).uuid).toBe(uuid)
    expect(added.replace(`<uuid>${uuid}</uuid>`, '')).toBe(xml)
    expect(child(parseXml(added), 'name')?.text).toBe('web')
  })
})

describe('what a definition ties to its node', () => {
  it.each([
    ["<disk type='network'><source protocol='rbd' name='p/v'/></disk>", []],
    ["<disk type='file' device='cdrom'><target dev='sdb'/></disk>", []],
    ["<disk type='file'><source file='/srv/a.img'/><target dev='vda'/></disk>", ['the local disk vda (/srv/a.img)']],
    ["<disk type='block'><source dev='/dev/sdx'/><target dev='vdb'/></disk>", ['the local disk vdb (/dev/sdx)']],
    ['<hostdev/><hostdev/>', ['a device of the node passed through']],
    ["<interface type='hostdev'><sriov_device>ens1f0v1</sriov_device></interface>", ['the network device ens1f0v1']],
    ["<interface type='bridge'><source bridge='vmbr100'/></interface>", []],
    ["<filesystem type='mount'/><shmem name='a'/>", ['a directory of the node', 'memory shared with the node']],
  ])('%s', (devices, obstacles) => {
    expect(parseDomainXml(domain(`<devices>${devices}</devices>`)).liveObstacles).toEqual(obstacles)
  })

  it('says whether the guest sees the processor of its node', () => {
    const passed = parseDomainXml(domain("<cpu mode='host-passthrough'/>"))
    expect([passed.isCpuPassedThrough, passed.isEmulated]).toEqual([true, false])
    const emulated = parseDomainXml(domain('').replace('kvm', 'qemu'))
    expect([emulated.isCpuPassedThrough, emulated.isEmulated]).toEqual([false, true])
  })
})
