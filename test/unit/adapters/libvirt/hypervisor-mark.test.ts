import { describe, expect, it } from 'vitest'
import { parseMetadata, withMark } from '../../../../src/adapters/libvirt/hypervisor-mark.ts'
import { LifeId } from '../../../../src/model/ids.ts'

const mark = { life: LifeId.parse('0b5cf3c6-4b6e'), seq: 7 }
const element = '<pvc:run xmlns:pvc="urn:pvc:domain:1" life="0b5cf3c6-4b6e" seq="7"/>'

describe('marking a definition', () => {
  it('adds metadata after the name and changes nothing else', () => {
    const xml = '<?xml version="1.0"?>\n<!-- mine --><domain type="kvm">\n <name>a</name> <memory>1</memory></domain>\n'
    expect(withMark(xml, mark)).toBe(xml.replace('</name>', `</name><metadata>${element}</metadata>`))
  })

  it('goes into metadata that is there, before what others keep in it', () => {
    const other = '<app:x xmlns:app="http://x/1">1 &gt; 0</app:x>'
    const xml = `<domain><name>a</name><metadata>\n ${other}</metadata></domain>`
    expect(withMark(xml, mark)).toBe(`<domain><name>a</name><metadata>\n ${element}${other}</metadata></domain>`)
  })

  it.each(['<metadata/>', '<metadata></metadata>', '<metadata> <!-- none --> </metadata>'])('fills %s', (empty) => {
    expect(withMark(`<domain><name>a</name>${empty}</domain>`, mark)).toBe(
      `<domain><name>a</name><metadata>${element}</metadata></domain>`,
    )
  })

  it.each([
    ['<metadata>', '<pvc:run xmlns:pvc="urn:pvc:domain:1" life="old" seq="1"/>'],
    ['<metadata>', "<p:run xmlns:p='urn:pvc:domain:1' life='old' seq='1'></p:run>"],
    ['<metadata>', '<run xmlns="urn:pvc:domain:1" life="old" seq="1"/>'],
    ['<metadata xmlns:q="urn:pvc:domain:1">', '<q:migration id="m"/>'],
  ])('takes out a mark that came with the definition: %s%s', (open, old) => {
    const other = '<app:x xmlns:app="http://x/1"/>'
    const marked = withMark(`<domain><name>a</name>${open}${old}${other}${old}</metadata></domain>`, mark)
    expect(marked).toBe(`<domain><name>a</name>${open}${element}${other}</metadata></domain>`)
  })

  it('is not fooled by metadata in a comment, in text or deeper down', () => {
    const xml =
      '<domain><!-- <metadata></metadata> --><name>a</name><description>&lt;metadata/&gt;</description><devices><metadata/></devices></domain>'
    expect(withMark(xml, mark)).toBe(xml.replace('</name>', `</name><metadata>${element}</metadata>`))
  })

  it('twice replaces the first mark', () => {
    const xml = '<domain><name>a</name></domain>'
    expect(withMark(withMark(xml, { ...mark, seq: 6 }), mark)).toBe(withMark(xml, mark))
  })

  it.each(['<network><name>a</name></network>', '<domain/>', '<domain><name>a</domain>'])('refuses %s', (xml) => {
    expect(() => withMark(xml, mark)).toThrow(expect.objectContaining({ code: 'PVC_XML_INVALID' }))
  })
})

describe('reading metadata', () => {
  it('gives mark or migration, whatever the prefix', () => {
    expect(parseMetadata(element)).toEqual({ mark, migrationId: undefined })
    expect(parseMetadata("<run life='0b5cf3c6-4b6e' seq='7'/>")).toEqual({ mark, migrationId: undefined })
    expect(parseMetadata('<pvc:migration xmlns:pvc="urn:pvc:domain:1" id="m-1"/>')).toEqual({
      mark: undefined,
      migrationId: 'm-1',
    })
  })

  it.each([null, undefined, '', '<run life="x"/>', '<run life="" seq="1"/>', '<run life="x" seq="-1"/>', '<x/>'])(
    'takes %j for no mark',
    (xml) => {
      expect(parseMetadata(xml)).toEqual({ mark: undefined, migrationId: undefined })
    },
  )
})
