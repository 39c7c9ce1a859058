import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseBatchFailures, parseLinks } from '../../../../src/adapters/links/parse.ts'

describe('a list of devices', () => {
  it('of iproute2 6.1.0', () => {
    const links = parseLinks(readFileSync('test/data/links/ip-link.json', 'utf8'))
    expect(links.map(({ name }) => name)).toEqual(['lo', 'eth9p', 'eth9', 'vxlan100', 'vmbr100', 'vmbr7'])
    expect(links.find(({ name }) => name === 'vxlan100')).toMatchObject({
      kind: 'vxlan',
      mtu: 1500,
      isUp: true,
      master: 'vmbr100',
      alias: 'pvc network 100',
      tag: { id: 100, device: 'eth9', local: '10.91.0.1' },
    })
    expect(links[0]).toMatchObject({ kind: undefined, alias: '', master: undefined, tag: undefined })
    expect(links.find(({ name }) => name === 'vmbr7')?.isUp).toBe(false)
  })

  it.each(['', '{}', '[{"ifname":1}]'])('that is none is an error: %j', (text) => {
    expect(() => parseLinks(text)).toThrow('ip ')
  })
})

describe('failures of a batch', () => {
  it('belong to the lines that they name', () => {
    const text = `Cannot find device "vmbr7"
Command failed -:2
RTNETLINK answers: File exists
Command failed -:4
`
    expect(parseBatchFailures(text, ['vmbr6', 'vmbr7', 'vmbr6', 'vmbr6'])).toEqual([
      { name: 'vmbr7', reason: 'Cannot find device "vmbr7"' },
      { name: 'vmbr6', reason: 'RTNETLINK answers: File exists' },
    ])
  })
})
