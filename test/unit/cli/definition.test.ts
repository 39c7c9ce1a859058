import { describe, expect, it } from 'vitest'
import { readableDefinition, setMemoryMiB, setVcpus } from '../../../src/cli/definition.ts'
import { parseXml } from '../../../src/model/xml.ts'

const one = { sockets: 1, cores: 4, threads: 1 }

describe('setVcpus', () => {
  it('keeps everything else, to the blank', () => {
    const xml = `<?xml version="1.0"?>\n<domain a="x>y">\n <!-- <vcpu>9</vcpu> --><vcpu  placement="static" >2</vcpu>\n</domain>`
    expect(setVcpus(xml, 4, one)).toBe(xml.replace('>2<', '>4<').replace('"static" >', '"static">'))
  })

  it('sets the vCPUs plugged in, and the topology with all its figures', () => {
    const xml = `<domain><vcpu current="1">2</vcpu><cpu><topology sockets="2" dies='2' cores='1'/></cpu></domain>`
    expect(setVcpus(xml, 4, one)).toBe(
      `<domain><vcpu current="4">4</vcpu><cpu><topology sockets="1" dies='1' cores='4' threads='1'/></cpu></domain>`,
    )
  })

  it('changes the element of the domain, not one of the same name deeper', () => {
    const xml = `<domain><metadata><vcpu>1</vcpu></metadata><vcpu/></domain>`
    expect(setVcpus(xml, 4, one)).toBe(`<domain><metadata><vcpu>1</vcpu></metadata><vcpu>4</vcpu></domain>`)
  })

  it('refuses a definition without the element, and what is no definition', () => {
    expect(() => setVcpus('<domain/>', 4, one)).toThrow('The VM definition has no <vcpu>.')
    expect(() => setVcpus('<domain>', 4, one)).toThrow('line 1: <domain> is not closed')
    expect(() => setVcpus('<pool/>', 4, one)).toThrow('the document is <pool>, not <domain>')
  })
})

describe('setMemoryMiB', () => {
  it('sets memory and current memory with their unit', () => {
    const xml = `<domain><memory unit='GiB' dumpCore='off'>2</memory>\n<currentMemory>1</currentMemory></domain>`
    expect(setMemoryMiB(xml, 512)).toBe(
      `<domain><memory unit='MiB' dumpCore='off'>512</memory>\n<currentMemory unit='MiB'>512</currentMemory></domain>`,
    )
  })

  it('adds no current memory', () => {
    expect(setMemoryMiB('<domain><memory>1</memory></domain>', 512)).toBe(
      `<domain><memory unit='MiB'>512</memory></domain>`,
    )
  })
})

describe('readableDefinition', () => {
  it('leaves a definition with lines as it is', () => {
    expect(readableDefinition('<domain>\n<name>x</name></domain>\n')).toBe('<domain>\n<name>x</name></domain>')
  })

  it('indents one that has none, without changing what it says', () => {
    const xml = `<domain><name>x</name><os><type arch='a>b'>hvm</type></os><description>a <b/> c</description><x><!-- c --></x></domain>`
    const text = readableDefinition(xml)
    expect(text).toBe(
      [
        '<domain>',
        '  <name>x</name>',
        '  <os>',
        `    <type arch='a>b'>hvm</type>`,
        '  </os>',
        '  <description>a <b/> c</description>',
        '  <x><!-- c --></x>',
        '</domain>',
      ].join('\n'),
    )
    const shape = (source: string) =>
      JSON.stringify(parseXml(source), (key, value: unknown) => (['line', 'start', 'end'].includes(key) ? 0 : value))
    expect(shape(text)).toBe(shape(xml))
  })
})
